//! Connections to a file of SQLite, and the lock that keeps other processes away from it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use engine::journal::Error;
use engine::journal::checksum::FORMAT;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::{error, migrations};

/// How long a connection waits for another one of this process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the folder, and locks the file beside the data. The lock ends with the process, however
/// that ends.
pub(super) fn lock(folder: &Path, context: &str) -> Result<File, Error> {
    let path = folder.join(format!("{context}.lock"));
    let failed = |error| Error::Unavailable(format!("opening {}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let open = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = open.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Unavailable(format!(
            "another process has the journal {context} in {} open",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

pub(super) fn options(folder: &Path, context: &str) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(format!("{context}.db")))
        .create_if_missing(true)
        // Readers do not wait for the writer, nor it for them.
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose what is acknowledged when the power fails.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(500)
        // In KiB: the trees' inner pages of a large journal.
        .pragma("cache_size", "-32768")
        // The log file shrinks again after it has grown past this.
        .pragma("journal_size_limit", "67108864")
        .thread_name(|id| format!("sqlite-{id}"))
        .disable_statement_logging()
}

/// The connections that read.
pub(super) fn reading(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.pragma("query_only", "on")
}

/// Makes or migrates the file, and checks that it is one with so many shards.
pub(super) async fn prepare(
    options: &SqliteConnectOptions,
    context: &str,
    shards: Option<u16>,
) -> Result<(), Error> {
    let connected = options.connect().await;
    let mut connection = connected.map_err(|failed| error::of(&failed))?;
    let migrator = migrations::sqlite(context)?;
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    migrated.map_err(migrations::failed)?;
    if let Some(shards) = shards {
        set_up(&mut connection, shards).await?;
    }
    // It has done what it was for; if it ends badly, nothing is lost.
    let _ = connection.close().await;
    Ok(())
}

/// Makes a row for every shard the first time, and refuses another number of them afterwards.
async fn set_up(connection: &mut SqliteConnection, shards: u16) -> Result<(), Error> {
    let made = make_shards(connection, shards).await;
    let stored = made.map_err(|failed| error::of(&failed))?;
    migrations::check(stored, shards.into())
}

/// How many shards there are, and in which format.
async fn make_shards(
    connection: &mut SqliteConnection,
    shards: u16,
) -> Result<(i32, i32), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let meta = sqlx::query(
        "INSERT INTO meta (id, shards, format) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
    );
    let meta = meta
        .bind(i32::from(shards))
        .bind(FORMAT)
        .execute(&mut *transaction)
        .await?;
    if meta.rows_affected() > 0 {
        let leases = sqlx::query(
            "WITH RECURSIVE numbers(shard) AS (SELECT 0 UNION ALL \
             SELECT shard + 1 FROM numbers WHERE shard + 1 < $1) \
             INSERT INTO leases (shard) SELECT shard FROM numbers",
        );
        leases
            .bind(i32::from(shards))
            .execute(&mut *transaction)
            .await?;
    }
    let stored = sqlx::query_as("SELECT shards, format FROM meta");
    let stored = stored.fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(stored)
}
