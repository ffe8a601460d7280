//! A journal in a schema of a Postgres database: one connection writes, others read.

mod read;
mod statements;
mod write;

use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::journal::{
    Batch, ClaimHolder, Document, DueTimer, Error as JournalError, Journal, Lease, Outcome, Parked,
    Query, RequestRow, TenantPage,
};
use engine::{EntityKey, Recorded, Shard};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::error::{Error, meaning};

static CUSTOMER: Migrator = sqlx::migrate!("migrations/postgres/customer");
static ORDER: Migrator = sqlx::migrate!("migrations/postgres/order");
static SHIPPING: Migrator = sqlx::migrate!("migrations/postgres/shipping");

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bounds that the server keeps, in milliseconds: they end the transaction of a node that hangs,
/// so that another can take its shards over.
const BOUNDS: [(&str, &str); 5] = [
    ("statement_timeout", "8000"),
    ("lock_timeout", "5000"),
    ("idle_in_transaction_session_timeout", "10000"),
    // Acknowledged means flushed to disk, whatever the server's default is.
    ("synchronous_commit", "on"),
    ("timezone", "UTC"),
];

/// A journal in a schema of a Postgres database.
pub struct Postgres {
    shards: u16,
    options: PgConnectOptions,
    /// Gone while a commit is under way, and after one that failed or was given up: then its
    /// connection closes, which ends its transaction, and the next commit opens another.
    writer: Mutex<Option<PgConnection>>,
    readers: PgPool,
}

impl Postgres {
    /// Opens the schema of a context, which is made if it is missing.
    ///
    /// # Errors
    /// When the database cannot be reached, or has another number of shards.
    pub async fn open(url: &str, context: &str, shards: u16, readers: u32) -> Result<Self, Error> {
        let migrations = match context {
            "customer" => &CUSTOMER,
            "order" => &ORDER,
            "shipping" => &SHIPPING,
            other => return Err(Error::Context(other.to_owned())),
        };
        // Named once more in quotes, since "order" is a word of SQL.
        let options = PgConnectOptions::from_str(url)?
            .application_name("quenty")
            .options([("search_path", format!("\"{context}\""))])
            .options(BOUNDS);
        let mut writer = options.connect().await?;
        let schema = format!("CREATE SCHEMA IF NOT EXISTS \"{context}\"");
        sqlx::query(AssertSqlSafe(schema))
            .execute(&mut writer)
            .await?;
        migrations.run(&mut writer).await?;
        check_shards(&mut writer, shards).await?;
        let readers = PgPoolOptions::new()
            .max_connections(readers)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.clone());
        Ok(Self {
            shards,
            options,
            writer: Mutex::new(Some(writer)),
            readers,
        })
    }

    async fn connect(&self) -> Result<PgConnection, JournalError> {
        let connection = tokio::time::timeout(PATIENCE, self.options.connect()).await;
        connection
            .map_err(|_| JournalError::Unavailable("the database does not answer".into()))?
            .map_err(meaning)
    }
}

/// Makes the shards of a new journal, and checks those of an old one.
async fn check_shards(writer: &mut PgConnection, shards: u16) -> Result<(), Error> {
    let mut transaction = writer.begin().await?;
    sqlx::query("INSERT INTO meta (key, value) VALUES ('shards', $1) ON CONFLICT DO NOTHING")
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
    sqlx::query(
        "INSERT INTO leases SELECT shard, 0, NULL, 0 FROM generate_series(0, $1 - 1) AS shard \
         ON CONFLICT DO NOTHING",
    )
    .bind(i64::from(shards))
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

#[async_trait]
impl Journal for Postgres {
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
