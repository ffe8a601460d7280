//! What a batch comes to: the rules of a commit, pure, so that every journal judges alike.
//!
//! A journal tells what it knows ([`Known`]), gets a [`Plan`], and writes it down. A journal whose
//! database has several writers may plan without having looked request keys and claims up; if then
//! one of [`Plan::requests`] or [`Plan::claimed`] cannot be inserted, it starts again with what the
//! database holds. [`must_look_up`] tells when it has to look first.

mod judge;
mod page;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use page::{cut_page, tenant_bounds};
pub use text::{fold, is_storable};

use super::{
    Batch, Checkpoint, ClaimHolder, Claimant, Error, NewAnswer, Outcome, Parked, RequestRow,
    StateText,
};
use crate::entity::{ClaimScope, Index};
use crate::envelope::{EntityKey, NewEvent, Recorded, RequestKey, Shard};
use crate::journal::{Append, NewClaim};

/// What a journal holds of the things that a batch touches.
#[derive(Debug, Default)]
pub struct Known {
    /// The leases of the shards touched.
    pub leases: HashMap<Shard, LeaseRow>,
    /// The request keys that are there already.
    pub requests: HashMap<(String, String), RequestRow>,
    /// The claims that are held already, with their holders.
    pub claims: HashMap<ClaimKey, Claimant>,
}

/// A shard's lease as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// The epoch in force.
    pub epoch: u64,
    /// The position of the shard's last event.
    pub last_seq: u64,
}

/// Names a claim: keys are unique per kind, and per company or in the installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey {
    /// The kind of the holder.
    pub kind: &'static str,
    /// Whether the key is unique in the installation rather than in a company.
    pub is_installation: bool,
    /// The company; nil for the installation.
    pub tenant: Uuid,
    /// The key.
    pub key: String,
}

impl ClaimKey {
    /// The claim that an append means.
    #[must_use]
    pub fn of(append: &Append, claim: &NewClaim) -> Self {
        let holder = match claim.scope {
            ClaimScope::Tenant => ClaimHolder::Tenant(append.tenant),
            ClaimScope::Installation => ClaimHolder::Installation,
        };
        Self::at(append.key.kind, holder, &claim.key)
    }

    /// The claim at a place.
    #[must_use]
    pub fn at(kind: &'static str, holder: ClaimHolder, key: &str) -> Self {
        let (is_installation, tenant) = match holder {
            ClaimHolder::Tenant(tenant) => (false, tenant),
            ClaimHolder::Installation => (true, Uuid::nil()),
        };
        Self {
            kind,
            is_installation,
            tenant,
            key: key.to_owned(),
        }
    }
}

/// What is to be written, and what became of the appends. Times are in whole milliseconds.
#[derive(Default)]
pub struct Plan<'a> {
    /// One per append.
    pub outcomes: Vec<Outcome>,
    /// The shards that get events, with the positions of their last ones.
    pub heads: BTreeMap<Shard, u64>,
    /// Request keys to insert; none of them may be there.
    pub requests: Vec<RequestPlan<'a>>,
    /// Claims to delete where they are held by this entity; before the inserts.
    pub released: Vec<(ClaimKey, Uuid)>,
    /// Claims to insert; after the deletes none of them may be there.
    pub claimed: Vec<(ClaimKey, Claimant)>,
    /// Events to insert.
    pub events: Vec<EventPlan<'a>>,
    /// Documents to insert or update, one per entity; each stored one must have the version that
    /// the plan says, else the batch is refused.
    pub documents: Vec<DocumentPlan>,
    /// Timers to delete.
    pub timers_cleared: Vec<(EntityKey, &'a str)>,
    /// Timers to insert or replace.
    pub timers_set: Vec<TimerPlan<'a>>,
    /// Answers to store where the request has none, one per request.
    pub answers: Vec<&'a NewAnswer>,
    /// Checkpoints to store, one per subscriber and shard, all under leases that hold.
    pub checkpoints: Vec<&'a Checkpoint>,
    /// Events to park, one per subscriber and event.
    pub parks: Vec<&'a Parked>,
    /// Events to unpark, after the parks: subscriber and event id.
    pub unparks: Vec<(&'a str, &'a str)>,
}

/// A request key to insert.
#[derive(Clone, Copy, Debug)]
pub struct RequestPlan<'a> {
    /// The key.
    pub key: &'a RequestKey,
    /// The entity that it addressed.
    pub entity: EntityKey,
    /// The entity's version after it.
    pub version: u64,
    /// The refusal as JSON.
    pub refusal: Option<&'a str>,
    /// When it was decided.
    pub at: DateTime<Utc>,
}

impl RequestPlan<'_> {
    /// What is known of the request from now on.
    #[must_use]
    pub fn row(&self) -> RequestRow {
        RequestRow {
            body_hash: self.key.body_hash,
            kind: self.entity.kind.to_owned(),
            entity: self.entity.id,
            version: self.version,
            refusal: self.refusal.map(str::to_owned),
            answer: None,
            at: self.at,
        }
    }
}

/// An event to insert.
#[derive(Clone, Copy)]
pub struct EventPlan<'a> {
    /// The decision that it is part of.
    pub append: &'a Append,
    /// The event.
    pub event: &'a NewEvent,
    /// Its position in the shard's feed.
    pub seq: u64,
    /// The entity's version with it.
    pub version: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
}

impl EventPlan<'_> {
    /// The event as it is recorded.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        let Append { lease, key, .. } = self.append;
        Recorded {
            shard: lease.shard,
            seq: self.seq,
            kind: key.kind.into(),
            entity: key.id,
            version: self.version,
            tenant: self.append.tenant,
            at: self.at,
            name: self.event.name.into(),
            schema: self.event.schema,
            data: (*self.event.data).into(),
            personal: self.event.personal.as_deref().map(Into::into),
            principal: Arc::clone(&self.append.principal),
            request_id: Arc::clone(&self.append.request_id),
            cause: self.append.cause.clone(),
        }
    }
}

/// A document to insert or update.
#[derive(Clone, Debug)]
pub struct DocumentPlan {
    /// The entity.
    pub key: EntityKey,
    /// Its company.
    pub tenant: Uuid,
    /// The version that is stored now; 0 if it is to be inserted.
    pub base_version: u64,
    /// The new version.
    pub version: u64,
    /// The schema of the state.
    pub schema: u32,
    /// When the first event was recorded.
    pub created_at: DateTime<Utc>,
    /// When the last event was recorded.
    pub updated_at: DateTime<Utc>,
    /// What lists filter by, `text` already folded.
    pub index: Index,
    /// What lists show.
    pub listed: String,
    /// The full state.
    pub state: StateText,
}

/// A timer to insert or replace.
#[derive(Clone, Copy, Debug)]
pub struct TimerPlan<'a> {
    /// The entity.
    pub key: EntityKey,
    /// Its company.
    pub tenant: Uuid,
    /// Which of its timers.
    pub name: &'a str,
    /// When.
    pub at: DateTime<Utc>,
}

impl<'a> Plan<'a> {
    /// Judges a batch by what is known.
    ///
    /// # Errors
    /// [`Error::Refused`] if something in the batch could not be stored by every journal alike, or
    /// if appends of one entity do not follow on each other.
    pub fn of(batch: &'a Batch, known: &Known) -> Result<Self, Error> {
        text::check(batch)?;
        judge::judge(batch, known)
    }
}

/// The shards whose leases a batch needs, in order.
#[must_use]
pub fn shards(batch: &Batch) -> Vec<Shard> {
    let appends = batch.appends.iter().map(|append| append.lease.shard);
    let checkpoints = batch.checkpoints.iter().map(|point| point.lease.shard);
    let mut shards: Vec<_> = appends.chain(checkpoints).collect();
    shards.sort_unstable();
    shards.dedup();
    shards
}

/// The request keys that a batch would use.
pub fn requests(batch: &Batch) -> impl Iterator<Item = &RequestKey> {
    batch.appends.iter().filter_map(|it| it.request.as_ref())
}

/// The claims that a batch would take.
pub fn claims(batch: &Batch) -> impl Iterator<Item = ClaimKey> {
    batch
        .appends
        .iter()
        .flat_map(|append| append.claim.iter().map(|it| ClaimKey::of(append, it)))
}

/// Whether claims must be looked up before planning: a claim that is taken and touched again in
/// one batch need not be inserted at the end, so that a holder would go unnoticed.
#[must_use]
pub fn must_look_up(batch: &Batch) -> bool {
    let mut touched = HashMap::<ClaimKey, (usize, bool)>::new();
    for append in &batch.appends {
        for claim in &append.disclaim {
            touched.entry(ClaimKey::of(append, claim)).or_default().0 += 1;
        }
        for claim in &append.claim {
            let entry = touched.entry(ClaimKey::of(append, claim)).or_default();
            *entry = (entry.0 + 1, true);
        }
    }
    touched.values().any(|(times, taken)| *times > 1 && *taken)
}

/// The moment in whole milliseconds, which is what every journal keeps.
#[must_use]
pub fn milliseconds(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}
