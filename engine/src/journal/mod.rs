//! The port to durable storage: one journal per bounded context.
//!
//! A journal keeps events, the documents derived from them, unique claims, timers, request keys,
//! subscribers' checkpoints and the leases that say who may write, all in one database, so that one
//! transaction covers them. Every implementation passes the same suite, [`conformance`].

pub mod checksum;
pub mod conformance;
pub mod memory;
pub mod plan;

use std::borrow::Borrow;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::entity::{ClaimScope, Index};
use crate::envelope::{EntityKey, NewEvent, Recorded, RequestKey, Shard};

/// Durable storage of one bounded context.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// How many shards the context has; fixed when its storage was created.
    fn shards(&self) -> u16;

    /// Makes `node` the owner of the shards and raises their epochs. It waits for transactions of
    /// a former owner that are still open, so what is loaded afterwards is all there is.
    async fn take_over(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error>;

    /// Raises the epochs of those of the shards that still belong to `node`, in their order, and
    /// leaves the others as they are. It waits as [`Journal::take_over`] does.
    async fn renew(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error>;

    /// Commits a batch in one transaction, with fsync. Outcomes are one per append, in order.
    /// Appends that lose (fenced, duplicate, claim taken) are left out, and with each of them the
    /// later appends of the batch to the same entity when the loser had events; the rest commits.
    ///
    /// # Errors
    /// When nothing of the batch was committed; with [`Error::InDoubt`] when that is not known.
    async fn commit(&self, batch: &Batch) -> Result<Vec<Outcome>, Error>;

    /// The documents of the entities, in the order of the keys, `None` for those not there. A
    /// document whose checksum does not match comes back with `state: None`, so that it is rebuilt.
    async fn load(&self, keys: &[EntityKey]) -> Result<Vec<Option<Document>>, Error>;

    /// Events of one entity after a version, in order, at most `limit`.
    async fn history(
        &self,
        key: EntityKey,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error>;

    /// Events of one shard after a position, in order, at most `limit`: those before the first that
    /// is damaged.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the very first one is.
    async fn feed(&self, shard: Shard, after: u64, limit: u32) -> Result<Vec<Recorded>, Error>;

    /// Events of one company in the given shards after the given positions: for each shard in
    /// order of position, looking at no more than `span` positions of each shard. The answer says
    /// for every shard asked how far it was looked at.
    async fn tenant_feed(
        &self,
        tenant: Uuid,
        after: &[(Shard, u64)],
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, Error>;

    /// The last position of every shard that has events.
    async fn heads(&self) -> Result<Vec<(Shard, u64)>, Error>;

    /// Timers that are due, the most overdue first, at most `limit`.
    async fn due_timers(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<DueTimer>, Error>;

    /// Who holds a claim.
    async fn claimant(
        &self,
        kind: &'static str,
        scope: ClaimHolder,
        key: &str,
    ) -> Result<Option<Claimant>, Error>;

    /// How many batches it can commit at the same time. Those of shards whose numbers are the same
    /// modulo this come one after the other, and no batch has others.
    fn writers(&self) -> usize {
        1
    }

    /// What is known of requests, by scope and key and in the order of these.
    async fn requests(&self, keys: &[(String, String)]) -> Result<Vec<Option<RequestRow>>, Error>;

    /// A page of documents, without their full states: `state` is `None` in all of them.
    async fn list(&self, query: &Query) -> Result<Vec<Document>, Error>;

    /// The checkpoints of a subscriber.
    async fn checkpoints(&self, subscriber: &str) -> Result<Vec<(Shard, u64)>, Error>;

    /// Events that a subscriber could not handle, in order of their ids as text, from the one after
    /// a given id: an order in which none moves when it is tried again.
    async fn parked(
        &self,
        subscriber: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error>;

    /// An event that a subscriber could not handle, by its id.
    async fn parked_event(&self, subscriber: &str, event: &str) -> Result<Option<Parked>, Error>;

    /// Forgets request keys older than the two moments, of clients and of policies, in bounded
    /// steps. Returns how many went.
    async fn prune_requests(
        &self,
        clients_before: DateTime<Utc>,
        policies_before: DateTime<Utc>,
    ) -> Result<u64, Error>;

    /// Forgets the documents of a kind that have one of the statuses and have not changed since a
    /// moment, in bounded steps. Returns how many went.
    async fn prune_documents(
        &self,
        kind: &'static str,
        statuses: &'static [&'static str],
        before: DateTime<Utc>,
    ) -> Result<u64, Error>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), Error>;
}

/// The right to write a shard: valid while the journal has the same epoch for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: Shard,
    /// Raised with every change of owner.
    pub epoch: u64,
}

/// What is committed in one transaction.
#[derive(Default)]
pub struct Batch {
    /// Decisions of entities, in the order in which they were made.
    pub appends: Vec<Append>,
    /// Answers to clients that are to be replayed. One whose request is unknown is ignored, and
    /// the first answer of a request stays: a replay may already have shown it.
    pub answers: Vec<NewAnswer>,
    /// How far subscribers have come. One of a shard whose lease does not hold is ignored.
    pub checkpoints: Vec<Checkpoint>,
    /// Events that subscribers could not handle; parking the same again updates it.
    pub parks: Vec<Parked>,
    /// Parked events that have been handled since: subscriber and event id.
    pub unparks: Vec<(String, String)>,
}

/// A decision of one entity, possibly without events (a refusal under a request key).
pub struct Append {
    /// The right under which it is written.
    pub lease: Lease,
    /// The entity.
    pub key: EntityKey,
    /// The company that it belongs to.
    pub tenant: Uuid,
    /// The version that it was decided on; its events get the versions after that.
    pub base_version: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Who asked.
    pub principal: Arc<str>,
    /// The request that it is part of.
    pub request_id: Arc<str>,
    /// The id of the event that led to it.
    pub cause: Option<Arc<str>>,
    /// The events.
    pub events: Vec<NewEvent>,
    /// The entity's state after the events; written only if this is the last append to the entity
    /// that the batch commits.
    pub snapshot: Arc<dyn Snapshot>,
    /// Claims taken, in the order in which their loss is to be reported.
    pub claim: Vec<NewClaim>,
    /// Claims given up.
    pub disclaim: Vec<NewClaim>,
    /// Timers set: one with a name that is already set replaces it.
    pub set_timers: Vec<(String, DateTime<Utc>)>,
    /// Timers cleared, by name; one that is also set stays set.
    pub clear_timers: Vec<String>,
    /// The request key under which the decision counts once.
    pub request: Option<RequestKey>,
    /// If the decision is a refusal, the rejection as JSON; kept with the request key.
    pub refusal: Option<String>,
}

/// The state of an entity after an append; made into text only when it is written.
pub trait Snapshot: Send + Sync {
    /// When the entity's first event was recorded.
    fn created_at(&self) -> DateTime<Utc>;
    /// When the entity's last event was recorded.
    fn updated_at(&self) -> DateTime<Utc>;
    /// The entity's version.
    fn version(&self) -> u64;
    /// [`crate::Entity::SCHEMA`].
    fn schema(&self) -> u32;
    /// What lists filter by.
    fn index(&self) -> Index;
    /// What lists show: the state, or its summary, as JSON.
    fn listed(&self) -> Result<String, serde_json::Error>;
    /// The full state as far as it is to be stored.
    fn state(&self) -> Result<StateText, serde_json::Error>;
}

/// The full state as far as it is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateText {
    /// What lists show is the full state.
    Listed,
    /// What lists show is a summary, and the full state is due to be stored: this JSON.
    Full(String),
    /// What lists show is a summary, and the stored full state, of an older version, stays.
    Kept,
}

/// A claim with its holder's company already in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClaim {
    /// How far it reaches.
    pub scope: ClaimScope,
    /// The key.
    pub key: String,
    /// The version of the event that takes it for good; `None` if the state holds it.
    pub version: Option<u64>,
}

/// Who holds a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimant {
    /// The entity.
    pub entity: Uuid,
    /// The version of its event that took the claim for good; `None` if its state holds it.
    pub version: Option<u64>,
}

/// Where to look a claim up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimHolder {
    /// Among the claims of one company.
    Tenant(Uuid),
    /// Among the claims of the installation.
    Installation,
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is durable; its first event has this position in the shard's feed.
    Committed {
        /// Position of the first event; of the last event of the shard if there were none.
        first_seq: u64,
    },
    /// Its request key was used before.
    Duplicate(RequestRow),
    /// A unique key is held by another entity: the index into [`Append::claim`].
    ClaimTaken(usize),
    /// It rested on an append to the same entity that lost.
    Superseded,
    /// The lease does not hold any more.
    Fenced,
}

/// What is known of a request that was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Hash of the body that it came with.
    pub body_hash: i64,
    /// Kind of the entity that it addressed.
    pub kind: String,
    /// The entity that it addressed.
    pub entity: Uuid,
    /// The entity's version after it.
    pub version: u64,
    /// If the entity refused it, the rejection as JSON.
    pub refusal: Option<String>,
    /// The answer that the client was given, or is to be given.
    pub answer: Option<Answer>,
    /// When it was first seen.
    pub at: DateTime<Utc>,
}

/// An answer to a client as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers worth replaying, one `name: value` per line.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer to be kept for replays.
#[derive(Clone, Debug)]
pub struct NewAnswer {
    /// Scope of the request's key.
    pub scope: String,
    /// The request's key.
    pub key: String,
    /// The answer.
    pub answer: Answer,
}

/// How far a subscriber has handled a shard's feed.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The subscriber.
    pub subscriber: String,
    /// The right under which it is written.
    pub lease: Lease,
    /// Everything up to here has been handled.
    pub seq: u64,
}

/// An event that a subscriber could not handle.
#[derive(Clone, Debug, PartialEq)]
pub struct Parked {
    /// The subscriber.
    pub subscriber: String,
    /// Its id: the event's, or one made of its place if that could not be read when it was parked.
    pub id: String,
    /// The event as it is now.
    pub event: Read,
    /// Why, in words for an operator.
    pub reason: String,
    /// How often it has been tried.
    pub attempts: u32,
    /// When it was last tried.
    pub at: DateTime<Utc>,
}

/// A stored document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The entity.
    pub id: Uuid,
    /// Its company.
    pub tenant: Uuid,
    /// Its version.
    pub version: u64,
    /// The schema of the state.
    pub schema: u32,
    /// When its first event was recorded.
    pub created_at: DateTime<Utc>,
    /// When its last event was recorded.
    pub updated_at: DateTime<Utc>,
    /// What lists show; `None` if anything that was read of the document is damaged.
    pub listed: Option<String>,
    /// The full state and the version that it is of; `None` if it is missing or damaged.
    pub state: Option<(u64, String)>,
}

/// An event that cannot be read, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The shard whose feed it is part of.
    pub shard: Shard,
    /// Its position there.
    pub seq: u64,
    /// What is damaged, in words for an operator.
    pub what: String,
}

/// An event as it is read, unless it is damaged: then it is named, so that nobody takes its place
/// for empty.
pub type Read<E = Recorded> = Result<E, Damaged>;

/// Where an event is, damaged or not: its shard, and its position there.
pub fn place<E: Borrow<Recorded>>(event: &Read<E>) -> (Shard, u64) {
    match event {
        Ok(event) => (event.borrow().shard, event.borrow().seq),
        Err(damaged) => (damaged.shard, damaged.seq),
    }
}

impl Damaged {
    /// An id for it: what it says of its own may be what is damaged.
    #[must_use]
    pub fn id(&self) -> String {
        format!("damaged-{}-{}", self.shard.0, self.seq)
    }
}

impl From<Damaged> for Error {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged.what)
    }
}

/// A page of a company's events.
#[derive(Clone, Debug, Default)]
pub struct TenantPage {
    /// The events; those of one shard in order of position.
    pub events: Vec<Read>,
    /// For every shard asked, the position up to which all its events are in `events` or belong to
    /// another company.
    pub looked_at: Vec<(Shard, u64)>,
}

/// A timer whose moment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTimer {
    /// Kind of the entity.
    pub kind: String,
    /// The entity.
    pub entity: Uuid,
    /// Its company.
    pub tenant: Uuid,
    /// Which of its timers.
    pub name: String,
    /// When it was due.
    pub at: DateTime<Utc>,
}

/// A question for a page of documents. All conditions hold together.
#[derive(Clone, Debug)]
pub struct Query {
    /// Kind of the entities.
    pub kind: &'static str,
    /// Only this company's; `None` for the whole installation.
    pub tenant: Option<Uuid>,
    /// Only with this reference.
    pub reference: Option<String>,
    /// Only with one of these states; empty for any.
    pub status: Vec<String>,
    /// Only of this parent.
    pub parent: Option<Uuid>,
    /// Only at this site.
    pub site: Option<Uuid>,
    /// Only marked, or only unmarked.
    pub flagged: Option<bool>,
    /// Only those whose text contains this, compared without case.
    pub search: Option<String>,
    /// Only created at or after.
    pub created_from: Option<DateTime<Utc>>,
    /// Only created before.
    pub created_before: Option<DateTime<Utc>>,
    /// Newest first instead of oldest first.
    pub descending: bool,
    /// Where the last page ended.
    pub after: Option<(DateTime<Utc>, Uuid)>,
    /// At most so many.
    pub limit: u32,
}

impl Query {
    /// A first page of all documents of a kind, of one company or of all, oldest first.
    #[must_use]
    pub fn everything(kind: &'static str, tenant: Option<Uuid>, limit: u32) -> Self {
        Self {
            kind,
            tenant,
            reference: None,
            status: Vec::new(),
            parent: None,
            site: None,
            flagged: None,
            search: None,
            created_from: None,
            created_before: None,
            descending: false,
            after: None,
            limit,
        }
    }
}

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or has no room, or is too slow. Nothing was changed.
    #[error("the journal is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost during the commit: it may or may not have happened.
    #[error("a commit is in doubt: {0}")]
    InDoubt(String),
    /// Something in the batch was refused by the database; in smaller batches the rest may pass.
    #[error("the journal refused a batch: {0}")]
    Refused(String),
    /// Stored data does not match its checksum.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}
