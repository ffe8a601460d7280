//! A journal in memory, for tests: as strict as the real ones, and it fails when it is told to.

mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use uuid::Uuid;

use self::state::State;
use super::plan::{ClaimKey, Plan, cut_page, is_storable, tenant_bounds};
use super::{
    Batch, ClaimHolder, Claimant, Document, DueTimer, Error, Journal, Lease, Outcome, Parked,
    Query, RequestRow, TenantPage,
};
use crate::envelope::{EntityKey, Recorded, Shard};

/// A journal in memory.
pub struct Memory {
    shards: u16,
    state: Mutex<State>,
    faults: Mutex<Faults>,
    paused: watch::Sender<bool>,
}

/// How a commit is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// As if the database were away: [`Error::Unavailable`].
    Unavailable,
    /// As if a statement failed: [`Error::Refused`].
    Refused,
    /// As if the connection was lost during the commit: [`Error::InDoubt`].
    InDoubt {
        /// Whether the commit happened all the same.
        committed: bool,
    },
}

#[derive(Default)]
struct Faults {
    is_away: bool,
    is_unsettled: bool,
    next: std::collections::VecDeque<Fault>,
    poisoned: std::collections::HashSet<Uuid>,
    delay: Duration,
    commits: Vec<usize>,
}

impl Memory {
    /// An empty journal with so many shards.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        Self {
            shards,
            state: Mutex::new(State::new(shards)),
            faults: Mutex::default(),
            paused: watch::Sender::new(false),
        }
    }

    /// Makes a commit fail: the next one, or the one after those already told to.
    pub fn fail_next_commit(&self, fault: Fault) {
        self.faults().next.push_back(fault);
    }

    /// Makes everything answer [`Error::Unavailable`], or ends that.
    pub fn set_available(&self, is_available: bool) {
        self.faults().is_away = !is_available;
    }

    /// Makes every [`Journal::renew`] fail, so that no doubt can be settled, or ends that.
    pub fn set_settleable(&self, is_settleable: bool) {
        self.faults().is_unsettled = !is_settleable;
    }

    /// Makes every batch with an append to this entity be refused, until it is cured.
    pub fn poison(&self, entity: Uuid) {
        self.faults().poisoned.insert(entity);
    }

    /// Ends [`Memory::poison`].
    pub fn cure(&self, entity: Uuid) {
        self.faults().poisoned.remove(&entity);
    }

    /// Makes every commit take so long.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.faults().delay = delay;
    }

    /// Holds commits back until [`Memory::resume`].
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Lets commits go on.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// How many appends each batch had that was committed, in order.
    #[must_use]
    pub fn commits(&self) -> Vec<usize> {
        self.faults().commits.clone()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, unless the journal is away.
    fn reach(&self) -> Result<MutexGuard<'_, State>, Error> {
        if self.faults().is_away {
            return Err(Error::Unavailable("switched off".into()));
        }
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, batch: &Batch) -> Result<Vec<Outcome>, Error> {
        let mut state = self.reach()?;
        let plan = Plan::of(batch, &state.known(batch))?;
        state.apply(&plan)?;
        self.faults().commits.push(batch.appends.len());
        Ok(plan.outcomes)
    }

    fn next_fault(&self, batch: &Batch) -> Option<Fault> {
        let mut faults = self.faults();
        let is_poisoned = |append: &super::Append| faults.poisoned.contains(&append.key.id);
        if batch.appends.iter().any(is_poisoned) {
            return Some(Fault::Refused);
        }
        faults.next.pop_front()
    }
}

#[async_trait]
impl Journal for Memory {
    fn shards(&self) -> u16 {
        self.shards
    }

    async fn take_over(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        self.reach()?.take_over(node, shards)
    }

    async fn renew(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        if self.faults().is_unsettled {
            return Err(Error::Unavailable("told to settle no doubt".into()));
        }
        Ok(self.reach()?.renew(node, shards))
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Outcome>, Error> {
        let mut paused = self.paused.subscribe();
        // The sender lives in `self`, so the wait can only end by a resume.
        let _ = paused.wait_for(|is_paused| !is_paused).await;
        let delay = self.faults().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match self.next_fault(batch) {
            None => self.write(batch),
            Some(Fault::Unavailable) => Err(Error::Unavailable("told to fail".into())),
            Some(Fault::Refused) => Err(Error::Refused("told to fail".into())),
            Some(Fault::InDoubt { committed }) => {
                if committed {
                    self.write(batch)?;
                }
                Err(Error::InDoubt("told to fail".into()))
            }
        }
    }

    async fn load(&self, keys: &[EntityKey]) -> Result<Vec<Option<Document>>, Error> {
        let state = self.reach()?;
        Ok(keys.iter().map(|key| state.document(*key)).collect())
    }

    async fn history(
        &self,
        key: EntityKey,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        Ok(self.reach()?.history(key, after_version, limit))
    }

    async fn feed(&self, shard: Shard, after: u64, limit: u32) -> Result<Vec<Recorded>, Error> {
        let state = self.reach()?;
        let page = state.feed(shard, after, u64::MAX);
        Ok(page.take(limit as usize).cloned().collect())
    }

    async fn tenant_feed(
        &self,
        tenant: Uuid,
        after: &[(Shard, u64)],
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, Error> {
        let state = self.reach()?;
        let heads = state.heads().into_iter().collect();
        let bounds = tenant_bounds(after, &heads, span);
        let mut events = Vec::new();
        for (shard, after, until) in &bounds {
            let theirs = state
                .feed(*shard, *after, *until)
                .filter(|event| event.tenant == tenant);
            events.extend(theirs.take(limit as usize).cloned().map(Ok));
        }
        Ok(cut_page(events, &bounds, limit))
    }

    async fn heads(&self) -> Result<Vec<(Shard, u64)>, Error> {
        Ok(self.reach()?.heads())
    }

    async fn due_timers(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<DueTimer>, Error> {
        Ok(self.reach()?.due_timers(now, limit))
    }

    async fn claimant(
        &self,
        kind: &'static str,
        scope: ClaimHolder,
        key: &str,
    ) -> Result<Option<Claimant>, Error> {
        let key = ClaimKey::at(kind, scope, key);
        Ok(self.reach()?.claimant(&key))
    }

    async fn requests(&self, keys: &[(String, String)]) -> Result<Vec<Option<RequestRow>>, Error> {
        let state = self.reach()?;
        Ok(keys.iter().map(|key| state.request(key)).collect())
    }

    async fn list(&self, query: &Query) -> Result<Vec<Document>, Error> {
        let needle = query.search.as_deref().unwrap_or_default();
        if !is_storable(needle) {
            return Ok(Vec::new());
        }
        Ok(self.reach()?.list(query))
    }

    async fn checkpoints(&self, subscriber: &str) -> Result<Vec<(Shard, u64)>, Error> {
        Ok(self.reach()?.checkpoints(subscriber))
    }

    async fn parked(
        &self,
        subscriber: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error> {
        Ok(self.reach()?.parked(subscriber, after, limit))
    }

    async fn parked_event(&self, subscriber: &str, event: &str) -> Result<Option<Parked>, Error> {
        Ok(self.reach()?.parked_event(subscriber, event))
    }

    async fn prune_requests(
        &self,
        clients_before: DateTime<Utc>,
        policies_before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        Ok(self.reach()?.prune(clients_before, policies_before))
    }

    async fn prune_documents(
        &self,
        kind: &'static str,
        statuses: &'static [&'static str],
        before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        Ok(self.reach()?.prune_documents(kind, statuses, before))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.reach().map(drop)
    }
}
