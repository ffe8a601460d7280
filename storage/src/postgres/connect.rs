//! Connections to Postgres, for each purpose its own.

use engine::journal::Error;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// What every connection of a context has in common.
pub(super) fn options(url: &str, context: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|wrong: sqlx::Error| Error::Refused(format!("the storage URL: {wrong}")))?;
    let options = options
        .application_name(&format!("quenty {context}"))
        .statement_cache_capacity(500)
        .options([
            ("search_path", context),
            // What is answered is on disk, whatever the server's or the role's default is.
            ("synchronous_commit", "on"),
            // Every statement has an index made for it. Plans are kept, maybe from a time when the
            // tables were small enough to be scanned, and must not be scans when they no longer are.
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            // A client that is gone for good does not keep its session.
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]);
    Ok(options.disable_statement_logging())
}

/// The connection that writes. The server gives up before the committer does, so that a commit
/// that is too slow is undone and not in doubt.
pub(super) fn writing(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options([
        ("statement_timeout", "8s"),
        // A node that stops in the middle frees its shards, sooner than others give up waiting.
        ("idle_in_transaction_session_timeout", "5s"),
        ("lock_timeout", "6s"),
        // The arrays' lengths change nothing, so planning each time would be in vain.
        ("plan_cache_mode", "force_generic_plan"),
    ])
}

/// The connections that read.
pub(super) fn reading(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options([("statement_timeout", "10s")])
}

/// The connection that makes or migrates a schema. A migration may take its time, but it waits for
/// nobody's locks without end. The lock for migrations itself has a shorter time than this.
pub(super) fn preparing(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options([("lock_timeout", "20s")])
}
