//! A journal that keeps everything in memory, can damage what is read from it, and may have weather.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::journal::memory::Memory;
use engine::journal::{
    Batch, ClaimHolder, Claimant, Damaged, Document, DueTimer, Error, Journal, Lease, Outcome,
    Parked, Query, RequestRow, TenantPage, place,
};
use engine::{EntityKey, Recorded, Shard};
use uuid::Uuid;

use crate::weather::{Fate, Weather};

pub(crate) struct Wrapped {
    pub(crate) memory: Memory,
    /// Entities whose documents read as damaged.
    damaged_documents: Mutex<HashSet<EntityKey>>,
    /// Entities whose events read as damaged.
    damaged_events: Mutex<HashSet<EntityKey>>,
    /// Entities of which no row can be read: whatever touches one fails as a whole.
    damaged_rows: Mutex<HashSet<Uuid>>,
    /// What was asked of [`Journal::history`]: entity and version.
    replays: Mutex<Vec<(Uuid, u64)>>,
    /// Whether the next commit panics.
    pub(crate) panics: AtomicBool,
    /// Whether whoever settles a doubt panics.
    pub(crate) panics_in_doubt: AtomicBool,
    weather: Option<Weather>,
}

impl Wrapped {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            memory: Memory::new(shards),
            damaged_documents: Mutex::default(),
            damaged_events: Mutex::default(),
            damaged_rows: Mutex::default(),
            replays: Mutex::default(),
            panics: AtomicBool::new(false),
            panics_in_doubt: AtomicBool::new(false),
            weather: None,
        }
    }

    /// The same under weather.
    pub(crate) fn under(weather: Weather, shards: u16) -> Self {
        Self {
            weather: Some(weather),
            ..Self::new(shards)
        }
    }

    /// From now on nothing fails any more.
    pub(crate) fn clear_up(&self) {
        self.weather.iter().for_each(Weather::clear);
    }

    async fn endure(&self) -> Result<(), Error> {
        match &self.weather {
            Some(weather) => weather.read().await,
            None => Ok(()),
        }
    }

    /// Makes a stored document unreadable.
    pub(crate) fn damage_document(&self, kind: &'static str, id: Uuid) {
        let mut damaged = self.damaged_documents.lock().unwrap();
        damaged.insert(EntityKey { kind, id });
    }

    /// Makes all that is stored of an entity unreadable.
    pub(crate) fn damage(&self, kind: &'static str, id: Uuid) {
        self.damage_document(kind, id);
        let mut damaged = self.damaged_events.lock().unwrap();
        damaged.insert(EntityKey { kind, id });
    }

    /// Makes everything fail that reads or writes an entity together with others or alone.
    pub(crate) fn damage_rows(&self, id: Uuid) {
        self.damaged_rows.lock().unwrap().insert(id);
    }

    /// Fails if one of the entities is damaged; slowly, so that others come together meanwhile.
    async fn read_rows(&self, mut ids: impl Iterator<Item = Uuid>) -> Result<(), Error> {
        let damaged = self.damaged_rows.lock().unwrap().clone();
        if damaged.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if ids.any(|id| damaged.contains(&id)) {
            return Err(Error::Damaged("a row".into()));
        }
        Ok(())
    }

    /// Leaves the event out if it is damaged.
    fn hide(&self, parked: &mut Parked) {
        let (shard, seq) = place(&parked.event);
        let damaged = self.damaged_rows.lock().unwrap();
        if parked
            .event
            .as_ref()
            .is_ok_and(|it| damaged.contains(&it.entity))
        {
            let what = "a row".into();
            parked.event = Err(Damaged { shard, seq, what });
        }
    }

    /// Makes everything readable again.
    pub(crate) fn mend(&self) {
        self.damaged_documents.lock().unwrap().clear();
        self.damaged_events.lock().unwrap().clear();
        self.damaged_rows.lock().unwrap().clear();
    }

    /// The versions from which the entity was replayed.
    pub(crate) fn replays_of(&self, id: Uuid) -> Vec<u64> {
        let replays = self.replays.lock().unwrap();
        let theirs = replays.iter().filter(|(entity, _)| *entity == id);
        theirs.map(|(_, version)| *version).collect()
    }
}

#[async_trait]
impl Journal for Wrapped {
    fn shards(&self) -> u16 {
        self.memory.shards()
    }

    /// As a database with several connections.
    fn writers(&self) -> usize {
        2
    }

    async fn take_over(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        self.memory.take_over(node, shards).await
    }

    async fn renew(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        let panics = self.panics_in_doubt.load(Ordering::Relaxed);
        assert!(!panics, "told to panic");
        self.endure().await?;
        self.memory.renew(node, shards).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Vec<Outcome>, Error> {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "told to panic");
        self.read_rows(batch.appends.iter().map(|append| append.key.id))
            .await?;
        let fate = match &self.weather {
            Some(weather) => weather.fate().await,
            None => Fate::Done,
        };
        match fate {
            Fate::Done => self.memory.commit(batch).await,
            Fate::Failed(failure) => Err(failure.error()),
            Fate::Lost { is_done, how } => {
                if is_done {
                    self.memory.commit(batch).await?;
                }
                Err(how.error().await)
            }
        }
    }

    async fn load(&self, keys: &[EntityKey]) -> Result<Vec<Option<Document>>, Error> {
        self.read_rows(keys.iter().map(|key| key.id)).await?;
        self.endure().await?;
        let mut documents = self.memory.load(keys).await?;
        let damaged = self.damaged_documents.lock().unwrap();
        for (document, key) in documents.iter_mut().zip(keys) {
            if let Some(document) = document.as_mut().filter(|_| damaged.contains(key)) {
                (document.listed, document.state) = (None, None);
            }
        }
        Ok(documents)
    }

    async fn history(
        &self,
        key: EntityKey,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        self.replays.lock().unwrap().push((key.id, after_version));
        self.endure().await?;
        let mut events = self.memory.history(key, after_version, limit).await?;
        if self.damaged_events.lock().unwrap().contains(&key) {
            for event in &mut events {
                event.data = "{\"type\":\"Unheard\"}".into();
            }
        }
        Ok(events)
    }

    async fn feed(&self, shard: Shard, after: u64, limit: u32) -> Result<Vec<Recorded>, Error> {
        self.endure().await?;
        let events = self.memory.feed(shard, after, limit).await?;
        self.read_rows(events.iter().map(|event| event.entity))
            .await?;
        Ok(events)
    }

    async fn tenant_feed(
        &self,
        tenant: Uuid,
        after: &[(Shard, u64)],
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, Error> {
        self.memory.tenant_feed(tenant, after, span, limit).await
    }

    async fn heads(&self) -> Result<Vec<(Shard, u64)>, Error> {
        self.endure().await?;
        self.memory.heads().await
    }

    async fn due_timers(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<DueTimer>, Error> {
        self.endure().await?;
        self.memory.due_timers(now, limit).await
    }

    async fn claimant(
        &self,
        kind: &'static str,
        scope: ClaimHolder,
        key: &str,
    ) -> Result<Option<Claimant>, Error> {
        self.memory.claimant(kind, scope, key).await
    }

    async fn requests(&self, keys: &[(String, String)]) -> Result<Vec<Option<RequestRow>>, Error> {
        self.memory.requests(keys).await
    }

    async fn list(&self, query: &Query) -> Result<Vec<Document>, Error> {
        self.memory.list(query).await
    }

    async fn checkpoints(&self, subscriber: &str) -> Result<Vec<(Shard, u64)>, Error> {
        self.memory.checkpoints(subscriber).await
    }

    async fn parked(
        &self,
        subscriber: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error> {
        let mut parked = self.memory.parked(subscriber, after, limit).await?;
        parked.iter_mut().for_each(|it| self.hide(it));
        Ok(parked)
    }

    async fn parked_event(&self, subscriber: &str, event: &str) -> Result<Option<Parked>, Error> {
        let mut parked = self.memory.parked_event(subscriber, event).await?;
        parked.iter_mut().for_each(|it| self.hide(it));
        Ok(parked)
    }

    async fn prune_requests(
        &self,
        clients_before: DateTime<Utc>,
        policies_before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let journal = &self.memory;
        journal
            .prune_requests(clients_before, policies_before)
            .await
    }

    async fn prune_documents(
        &self,
        kind: &'static str,
        statuses: &'static [&'static str],
        before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        self.memory.prune_documents(kind, statuses, before).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.memory.ping().await
    }
}
