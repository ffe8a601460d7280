//! What a database must be like to be a journal, and how it becomes so.

use std::time::Duration;

use engine::journal::Error;
use engine::journal::checksum::FORMAT;
use sqlx::migrate::Migrate as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::connect::preparing;
use crate::connections::connect;
use crate::reads::within;
use crate::{error, migrations};

/// The oldest version that has MERGE.
const VERSION_MIN: i32 = 150_000;
/// How long others may take who migrate in the same database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes or migrates the schema of a context, and checks that it is one with so many shards.
pub(super) async fn prepare(
    options: &PgConnectOptions,
    context: &str,
    shards: Option<u16>,
) -> Result<(), Error> {
    let migrator = migrations::postgres(context)?;
    let options = preparing(options);
    let connected = connect(&options).await;
    let mut connection = connected.map_err(|failed| error::of(&failed))?;
    check_server(&mut connection).await?;
    lock(&mut connection, &options).await?;
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    migrated.map_err(migrations::failed)?;
    if let Some(shards) = shards {
        set_up(&mut connection, shards).await?;
    }
    // It has done what it was for; if it ends badly, nothing is lost. The lock goes with it.
    let _ = connection.close().await;
    Ok(())
}

async fn check_server(connection: &mut PgConnection) -> Result<(), Error> {
    let asked = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int, \
         current_setting('server_encoding'), current_setting('fsync')",
    );
    let (version, encoding, fsync): (i32, String, String) =
        within(asked.fetch_one(connection)).await?;
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

/// Takes the migrator's lock before the migrator does, which would wait for it without end; a
/// session can hold it more than once.
async fn lock(connection: &mut PgConnection, options: &PgConnectOptions) -> Result<(), Error> {
    let asked = sqlx::query_scalar("SELECT pg_backend_pid()");
    let waiting: i32 = within(asked.fetch_one(&mut *connection)).await?;
    match tokio::time::timeout(LOCK_TIMEOUT, connection.lock()).await {
        Ok(locked) => locked.map_err(migrations::failed),
        Err(_) => Err(Error::Unavailable(format!(
            "the lock for migrations is not free after {LOCK_TIMEOUT:?}; {}",
            holders(options, waiting).await
        ))),
    }
}

/// Says which sessions another waits for. It must still wait, so this takes a second connection.
async fn holders(options: &PgConnectOptions, waiting: i32) -> String {
    let asked = sqlx::query_scalar(
        "SELECT string_agg(format('pid %s (%s, %s)', pid, \
         coalesce(nullif(application_name, ''), 'no name'), coalesce(state, 'hidden')), ', ') \
         FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids($1))",
    );
    let found = async {
        let mut connection = connect(options).await?;
        asked.bind(waiting).fetch_one(&mut connection).await
    };
    match within(found).await {
        Ok(Some::<String>(holders)) => format!("it is held by the backend with {holders}"),
        Ok(None) => "it has just become free".to_owned(),
        Err(error) => format!("who holds it is not known: {error}"),
    }
}

/// Makes a row for every shard the first time, and refuses another number of them afterwards.
async fn set_up(connection: &mut PgConnection, shards: u16) -> Result<(), Error> {
    let count = i32::from(shards);
    let made = sqlx::query(
        "WITH made AS (INSERT INTO meta (id, shards, format) VALUES (1, $1, $2) \
         ON CONFLICT DO NOTHING RETURNING shards) \
         INSERT INTO leases (shard) SELECT generate_series(0, shards - 1) FROM made",
    );
    let made = made.bind(count).bind(FORMAT);
    within(made.execute(&mut *connection)).await?;
    let stored = sqlx::query_as("SELECT shards, format FROM meta");
    let stored = within(stored.fetch_one(connection)).await?;
    migrations::check(stored, count)
}
