//! Connections to Postgres, and what a database must be like to be a journal.

use std::time::Duration;

use engine::journal::Error;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use crate::{error, migrations};

/// How long making or migrating a journal may wait for the server to answer at first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The oldest version that has MERGE.
const VERSION_MIN: i32 = 150_000;

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
            // The server notices within a second that a client went away in mid-statement.
            ("client_connection_check_interval", "1s"),
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
        ("lock_timeout", "5s"),
        // A node that stops in the middle frees its shards after that.
        ("idle_in_transaction_session_timeout", "5s"),
        // Writing finds its rows by key. Plans are made once, maybe while the tables are small
        // enough to be scanned, and must not be scans when they no longer are.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ])
}

/// The connections that read, made when they are needed.
pub(super) fn pool(options: &PgConnectOptions, readers: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(readers.max(1))
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_lazy_with(options.clone().options([("statement_timeout", "10s")]))
}

/// Makes or migrates the schema of a context, and checks that it is one with so many shards.
pub(super) async fn prepare(
    options: &PgConnectOptions,
    context: &str,
    shards: Option<u16>,
) -> Result<(), Error> {
    let migrator = migrations::postgres(context)?;
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
    let connected = connecting
        .await
        .map_err(|_| Error::Unavailable("connecting takes too long".into()))?;
    let mut connection = connected.map_err(|failed| error::of(&failed))?;
    check_server(&mut connection).await?;
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    migrated.map_err(migrations::failed)?;
    if let Some(shards) = shards {
        set_up(&mut connection, shards).await?;
    }
    // It has done what it was for; if it ends badly, nothing is lost.
    let _ = connection.close().await;
    Ok(())
}

async fn check_server(connection: &mut PgConnection) -> Result<(), Error> {
    let asked = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int, \
         current_setting('server_encoding'), current_setting('fsync')",
    );
    let answer = asked.fetch_one(connection).await;
    let (version, encoding, fsync): (i32, String, String) =
        answer.map_err(|failed| error::of(&failed))?;
    if version < VERSION_MIN {
        return Err(Error::Refused("Postgres 15 or newer is needed".into()));
    }
    if encoding != "UTF8" {
        let what = format!("the database must be in UTF8 and is in {encoding}");
        return Err(Error::Refused(what));
    }
    if fsync != "on" {
        tracing::warn!("fsync is off: what is acknowledged may be lost when the server fails");
    }
    Ok(())
}

/// Makes a row for every shard the first time, and refuses another number of them afterwards.
async fn set_up(connection: &mut PgConnection, shards: u16) -> Result<(), Error> {
    let count = i32::from(shards);
    let made = sqlx::query(
        "WITH made AS (INSERT INTO meta (id, shards) VALUES (1, $1) \
         ON CONFLICT DO NOTHING RETURNING shards) \
         INSERT INTO leases (shard) SELECT generate_series(0, shards - 1) FROM made",
    );
    let made = made.bind(count).execute(&mut *connection).await;
    made.map_err(|failed| error::of(&failed))?;
    let stored = sqlx::query_scalar("SELECT shards FROM meta");
    let stored: i32 = stored
        .fetch_one(connection)
        .await
        .map_err(|failed| error::of(&failed))?;
    if stored == count {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "the journal has {stored} shards and was opened with {shards}"
    )))
}
