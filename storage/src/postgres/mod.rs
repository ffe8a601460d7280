//! A journal kept by Postgres.

mod commit;
mod connect;
mod parked;
mod prepare;
mod reach;
mod read;
mod seen;
mod write;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::journal::plan::{self, ClaimKey};
use engine::journal::{
    Batch, ClaimHolder, Claimant, Document, DueTimer, Error, Journal, Lease, Outcome, Parked,
    Query, RequestRow, TenantPage,
};
use engine::{EntityKey, Recorded, Shard};
use sqlx::{PgConnection, Postgres as Database};
use uuid::Uuid;

use crate::connections::Connections;
use crate::error::Failure;
use crate::reads::Reads;
use crate::writer::Writer;

use self::seen::Seen;

/// How often a commit is planned again because another node took a key in between.
const ATTEMPTS: usize = 5;
/// How many connections of a context write. While one waits for the server, the next batch is made
/// ready, and the server works on two.
const WRITERS: usize = 2;
/// How long taking over may take. It waits for a former owner's transaction, which the server ends
/// sooner than this.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(15);

/// A journal kept by Postgres, 15 or newer.
pub struct Postgres {
    shards: u16,
    writers: [Writer<PgConnection>; WRITERS],
    seen: Seen,
    reads: Reads<Database>,
}

impl Postgres {
    /// Waits until the server takes connections.
    ///
    /// # Errors
    /// As [`crate::reach`].
    pub async fn reach(url: &str, wait: Duration) -> Result<(), Error> {
        reach::reach(&connect::options(url, "start")?, wait).await
    }

    /// Opens the journal of a context, in the schema of its name, and makes or migrates it first
    /// if need be. `readers` is how many connections read at once.
    ///
    /// # Errors
    /// As [`crate::open`].
    pub async fn open(url: &str, context: &str, shards: u16, readers: u32) -> Result<Self, Error> {
        let options = connect::options(url, context)?;
        prepare::prepare(&options, context, Some(shards)).await?;
        Ok(Self {
            shards,
            writers: std::array::from_fn(|_| Writer::new(connect::writing(&options))),
            seen: Seen::default(),
            reads: Reads(Connections::new(connect::reading(&options), readers)),
        })
    }

    /// Makes or migrates the schema of a context.
    ///
    /// # Errors
    /// As [`crate::open`].
    pub async fn migrate(url: &str, context: &str) -> Result<(), Error> {
        prepare::prepare(&connect::options(url, context)?, context, None).await
    }
}

impl Postgres {
    /// The writer of these shards, which are all of the same one.
    fn writer(&self, shards: &[Shard]) -> &Writer<PgConnection> {
        &self.writers[shards.first().map_or(0, |it| usize::from(it.0) % WRITERS)]
    }
}

#[async_trait]
impl Journal for Postgres {
    fn writers(&self) -> usize {
        WRITERS
    }

    fn shards(&self) -> u16 {
        self.shards
    }

    async fn take_over(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        let taking = commit::take_over(self.writer(shards), node, shards);
        match tokio::time::timeout(TAKE_OVER_TIMEOUT, taking).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable("taking over takes too long".into())),
        }
    }

    async fn renew(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        let renewing = commit::renew(self.writer(shards), node, shards);
        match tokio::time::timeout(TAKE_OVER_TIMEOUT, renewing).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unavailable("renewing takes too long".into())),
        }
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Outcome>, Error> {
        let mut look_up = plan::must_look_up(batch);
        let shards = plan::shards(batch);
        let mut seen = self.seen.take(&shards);
        for _ in 0..ATTEMPTS {
            match commit::commit(self.writer(&shards), batch, seen.take(), look_up).await {
                Ok((outcomes, leases)) => {
                    self.seen.put(leases);
                    return Ok(outcomes);
                }
                Err(Failure::Moved) => {}
                // An event may be there because its request was made before.
                Err(Failure::Doubled(error)) if look_up => return Err(error),
                Err(Failure::Taken | Failure::Doubled(_)) => look_up = true,
                Err(Failure::Error(error)) => return Err(error),
            }
        }
        Err(Error::Unavailable(
            "others keep taking the same keys".into(),
        ))
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
        read::prune(&self.reads, clients_before, policies_before).await
    }

    async fn prune_documents(
        &self,
        kind: &'static str,
        statuses: &'static [&'static str],
        before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        read::prune_documents(&self.reads, kind, statuses, before).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.reads.ping().await
    }
}
