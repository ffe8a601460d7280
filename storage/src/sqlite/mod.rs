//! A journal kept by SQLite, in one file.

mod commit;
mod connect;
mod read;
mod write;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::journal::plan::ClaimKey;
use engine::journal::{
    Batch, ClaimHolder, Claimant, Document, DueTimer, Error, Journal, Lease, Outcome, Parked,
    Query, RequestRow, TenantPage,
};
use engine::{EntityKey, Recorded, Shard};
use sqlx::{Sqlite as Database, SqliteConnection};
use uuid::Uuid;

use crate::connections::Connections;
use crate::reads::Reads;
use crate::writer::Writer;

/// How long taking over may take. It waits for a commit that is under way.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(15);

/// A journal kept by SQLite, in one file that no other process may open.
pub struct Sqlite {
    shards: u16,
    writer: Writer<SqliteConnection>,
    reads: Reads<Database>,
    /// Locked for as long as the journal is open.
    _lock: File,
}

impl Sqlite {
    /// Opens the journal of a context, `<folder>/<context>.db`, and makes or migrates it first if
    /// need be. `readers` is how many connections read at once.
    ///
    /// # Errors
    /// As [`crate::open`].
    pub async fn open(
        folder: &Path,
        context: &str,
        shards: u16,
        readers: u32,
    ) -> Result<Self, Error> {
        let lock = connect::lock(folder, context)?;
        let options = connect::options(folder, context);
        connect::prepare(&options, context, Some(shards)).await?;
        Ok(Self {
            shards,
            writer: Writer::new(options.clone()),
            reads: Reads(Connections::new(connect::reading(options), readers)),
            _lock: lock,
        })
    }

    /// Makes or migrates the file of a context.
    ///
    /// # Errors
    /// As [`crate::open`].
    pub async fn migrate(folder: &Path, context: &str) -> Result<(), Error> {
        let _lock = connect::lock(folder, context)?;
        connect::prepare(&connect::options(folder, context), context, None).await
    }
}

#[async_trait]
impl Journal for Sqlite {
    fn shards(&self) -> u16 {
        self.shards
    }

    async fn take_over(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        let taking = commit::take_over(&self.writer, node, shards);
        match tokio::time::timeout(TAKE_OVER_TIMEOUT, taking).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable("taking over takes too long".into())),
        }
    }

    async fn renew(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        let renewing = commit::renew(&self.writer, node, shards);
        match tokio::time::timeout(TAKE_OVER_TIMEOUT, renewing).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable("renewing takes too long".into())),
        }
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Outcome>, Error> {
        commit::commit(&self.writer, batch).await
    }

    async fn load(&self, keys: &[EntityKey]) -> Result<Vec<Option<Document>>, Error> {
        read::load(&self.reads, keys).await
    }

    async fn history(
        &self,
        key: EntityKey,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        self.reads.history(key, after_version, limit).await
    }

    async fn feed(&self, shard: Shard, after: u64, limit: u32) -> Result<Vec<Recorded>, Error> {
        self.reads.feed(shard, after, limit).await
    }

    async fn tenant_feed(
        &self,
        tenant: Uuid,
        after: &[(Shard, u64)],
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, Error> {
        read::tenant_feed(&self.reads, tenant, after, span, limit).await
    }

    async fn heads(&self) -> Result<Vec<(Shard, u64)>, Error> {
        self.reads.heads().await
    }

    async fn due_timers(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<DueTimer>, Error> {
        self.reads.due_timers(now, limit).await
    }

    async fn claimant(
        &self,
        kind: &'static str,
        scope: ClaimHolder,
        key: &str,
    ) -> Result<Option<Claimant>, Error> {
        self.reads.claimant(ClaimKey::at(kind, scope, key)).await
    }

    async fn requests(&self, keys: &[(String, String)]) -> Result<Vec<Option<RequestRow>>, Error> {
        read::requests(&self.reads, keys).await
    }

    async fn list(&self, query: &Query) -> Result<Vec<Document>, Error> {
        self.reads.list(query).await
    }

    async fn checkpoints(&self, subscriber: &str) -> Result<Vec<(Shard, u64)>, Error> {
        self.reads.checkpoints(subscriber).await
    }

    async fn parked(
        &self,
        subscriber: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error> {
        self.reads.parked(subscriber, after, limit).await
    }

    async fn parked_event(&self, subscriber: &str, event: &str) -> Result<Option<Parked>, Error> {
        self.reads.parked_event(subscriber, event).await
    }

    async fn prune_requests(
        &self,
        clients_before: DateTime<Utc>,
        policies_before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let clients = commit::prune(&self.writer, true, clients_before).await?;
        let policies = commit::prune(&self.writer, false, policies_before).await?;
        Ok(clients + policies)
    }

    async fn prune_documents(
        &self,
        kind: &'static str,
        statuses: &'static [&'static str],
        before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        commit::prune_documents(&self.writer, kind, statuses, before).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.reads.ping().await
    }
}
