//! A journal in an SQLite file: one connection writes, others read, and no other process comes near.

mod read;
mod statements;
mod write;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::journal::{
    Batch, ClaimHolder, Document, DueTimer, Error as JournalError, Journal, Lease, Outcome, Parked,
    Query, RequestRow, TenantPage,
};
use engine::{EntityKey, Recorded, Shard};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::error::{Error, meaning};

static CUSTOMER: Migrator = sqlx::migrate!("migrations/sqlite/customer");
static ORDER: Migrator = sqlx::migrate!("migrations/sqlite/order");
static SHIPPING: Migrator = sqlx::migrate!("migrations/sqlite/shipping");

/// How long a connection waits for another's lock.
const BUSY: Duration = Duration::from_secs(5);

/// A journal in an SQLite file.
pub struct Sqlite {
    shards: u16,
    options: SqliteConnectOptions,
    /// Gone while a commit is under way, and after one that failed or was given up: then its
    /// connection closes, which ends its transaction, and the next commit opens another.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// Held as long as the journal lives.
    _lock: File,
}

impl Sqlite {
    /// Opens `<folder>/<context>.db`, which is made if it is missing.
    ///
    /// # Errors
    /// When the file cannot be used or is another process's, or has another number of shards.
    pub async fn open(
        folder: &Path,
        context: &str,
        shards: u16,
        readers: u32,
    ) -> Result<Self, Error> {
        let migrations = match context {
            "customer" => &CUSTOMER,
            "order" => &ORDER,
            "shipping" => &SHIPPING,
            other => return Err(Error::Context(other.to_owned())),
        };
        let lock = lock(folder, context)?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join(format!("{context}.db")))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose acknowledged commits when the power goes.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(BUSY);
        let mut writer = options.connect().await?;
        migrations.run(&mut writer).await?;
        check_shards(&mut writer, shards).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(readers)
            .acquire_timeout(BUSY)
            .connect_lazy_with(options.clone().pragma("query_only", "true"));
        Ok(Self {
            shards,
            options,
            writer: Mutex::new(Some(writer)),
            readers,
            _lock: lock,
        })
    }

    async fn connect(&self) -> Result<SqliteConnection, JournalError> {
        self.options.connect().await.map_err(meaning)
    }
}

/// Takes the lock file; the operating system frees it when the process ends, however that is.
fn lock(folder: &Path, context: &str) -> Result<File, Error> {
    let path = folder.join(format!("{context}.lock"));
    let failed = |source| Error::Files {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes the shards of a new journal, and checks those of an old one.
async fn check_shards(writer: &mut SqliteConnection, shards: u16) -> Result<(), Error> {
    let mut transaction = writer.begin().await?;
    sqlx::query("INSERT INTO meta (key, value) VALUES ('shards', ?) ON CONFLICT DO NOTHING")
        .bind(shards.to_string())
        .execute(&mut *transaction)
        .await?;
    let stored: String = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'shards'")
        .fetch_one(&mut *transaction)
        .await?;
    let stored = stored.parse().unwrap_or(0);
    if stored != shards {
        return Err(Error::Shards {
            stored,
            wanted: shards,
        });
    }
    for shard in 0..shards {
        sqlx::query("INSERT INTO leases VALUES (?, 0, NULL, 0) ON CONFLICT DO NOTHING")
            .bind(i64::from(shard))
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

#[async_trait]
impl Journal for Sqlite {
    fn shards(&self) -> u16 {
        self.shards
    }

    async fn take_over(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, JournalError> {
        self.take(node, shards).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Outcome>, JournalError> {
        self.write(batch).await
    }

    async fn load(&self, keys: &[EntityKey]) -> Result<Vec<Option<Document>>, JournalError> {
        self.read_documents(keys).await
    }

    async fn history(
        &self,
        key: EntityKey,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.read_history(key, after_version, limit).await
    }

    async fn feed(
        &self,
        shard: Shard,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.read_feed(shard, after, limit).await
    }

    async fn tenant_feed(
        &self,
        tenant: Uuid,
        after: &[(Shard, u64)],
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, JournalError> {
        self.read_tenant_feed(tenant, after, span, limit).await
    }

    async fn heads(&self) -> Result<Vec<(Shard, u64)>, JournalError> {
        self.read_heads().await
    }

    async fn due_timers(
        &self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<DueTimer>, JournalError> {
        self.read_timers(now, limit).await
    }

    async fn claimant(
        &self,
        kind: &'static str,
        scope: ClaimHolder,
        key: &str,
    ) -> Result<Option<Uuid>, JournalError> {
        self.read_claimant(kind, scope, key).await
    }

    async fn request(&self, scope: &str, key: &str) -> Result<Option<RequestRow>, JournalError> {
        self.read_request(scope, key).await
    }

    async fn list(&self, query: &Query) -> Result<Vec<Document>, JournalError> {
        self.read_list(query).await
    }

    async fn checkpoints(&self, subscriber: &str) -> Result<Vec<(Shard, u64)>, JournalError> {
        self.read_checkpoints(subscriber).await
    }

    async fn parked(&self, limit: u32) -> Result<Vec<Parked>, JournalError> {
        self.read_parked(limit).await
    }

    async fn prune_requests(
        &self,
        clients_before: DateTime<Utc>,
        policies_before: DateTime<Utc>,
    ) -> Result<u64, JournalError> {
        self.prune(clients_before, policies_before).await
    }

    async fn ping(&self) -> Result<(), JournalError> {
        let ping = sqlx::query("SELECT 1").execute(&self.readers).await;
        ping.map(drop).map_err(meaning)
    }
}
