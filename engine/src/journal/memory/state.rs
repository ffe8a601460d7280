//! What the journal in memory holds: the tables of the real ones, as maps.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::entity::Index;
use crate::envelope::{EntityKey, Recorded, Shard};
use crate::journal::plan::{
    ClaimKey, DocumentPlan, EventPlan, Known, LeaseRow, Plan, TimerPlan, claims, fold,
    milliseconds, requests, shards,
};
use crate::journal::{
    Batch, Claimant, Damaged, Document, DueTimer, Error, Lease, Parked, Query, RequestRow,
    StateText, place,
};

pub(super) struct State {
    leases: BTreeMap<Shard, LeaseRow>,
    owners: HashMap<Shard, Uuid>,
    /// The events of each shard: the one at position 1 comes first.
    feeds: HashMap<Shard, Vec<Recorded>>,
    /// For each entity, where its events are: the one of version 1 comes first.
    histories: HashMap<EntityKey, Vec<(Shard, u64)>>,
    documents: HashMap<EntityKey, Stored>,
    claims: HashMap<ClaimKey, Claimant>,
    timers: BTreeMap<(EntityKey, String), (Uuid, DateTime<Utc>)>,
    requests: HashMap<(String, String), (RequestRow, bool)>,
    checkpoints: BTreeMap<(String, Shard), u64>,
    parked: BTreeMap<(String, String), Parked>,
}

struct Stored {
    document: Document,
    index: Index,
    /// Whether the state is stored beside what lists show; what is not cannot be kept.
    is_full: bool,
}

impl State {
    pub(super) fn new(shards: u16) -> Self {
        let free = LeaseRow {
            epoch: 0,
            last_seq: 0,
        };
        Self {
            leases: (0..shards).map(|shard| (Shard(shard), free)).collect(),
            owners: HashMap::new(),
            feeds: HashMap::new(),
            histories: HashMap::new(),
            documents: HashMap::new(),
            claims: HashMap::new(),
            timers: BTreeMap::new(),
            requests: HashMap::new(),
            checkpoints: BTreeMap::new(),
            parked: BTreeMap::new(),
        }
    }

    pub(super) fn take_over(&mut self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        if let Some(shard) = shards.iter().find(|it| !self.leases.contains_key(it)) {
            return Err(Error::Refused(format!("there is no shard {}", shard.0)));
        }
        self.owners
            .extend(shards.iter().map(|shard| (*shard, node)));
        Ok(self.renew(node, shards))
    }

    pub(super) fn renew(&mut self, node: Uuid, shards: &[Shard]) -> Vec<Lease> {
        let mut leases = Vec::with_capacity(shards.len());
        for shard in shards {
            if self.owners.get(shard) == Some(&node)
                && let Some(row) = self.leases.get_mut(shard)
            {
                row.epoch += 1;
                leases.push(Lease {
                    shard: *shard,
                    epoch: row.epoch,
                });
            }
        }
        leases
    }

    pub(super) fn known(&self, batch: &Batch) -> Known {
        let mut known = Known::default();
        for shard in shards(batch) {
            let row = self.leases.get(&shard).copied();
            known.leases.extend(row.map(|row| (shard, row)));
        }
        for request in requests(batch) {
            let key = (request.scope.clone(), request.key.clone());
            let row = self.requests.get(&key).map(|(row, _)| row.clone());
            known.requests.extend(row.map(|row| (key, row)));
        }
        for claim in claims(batch) {
            let holder = self.claims.get(&claim).copied();
            known.claims.extend(holder.map(|holder| (claim, holder)));
        }
        known
    }

    /// Writes all of a plan, or nothing if a document is not at the version planned on.
    pub(super) fn apply(&mut self, plan: &Plan<'_>) -> Result<(), Error> {
        for planned in &plan.documents {
            let stored = self.documents.get(&planned.key);
            let present = stored.map_or(0, |stored| stored.document.version);
            if present != planned.base_version {
                let what = format!("{} {}", planned.key.kind, planned.key.id);
                return Err(Error::Refused(format!("{what} is at {present}")));
            }
        }
        for request in &plan.requests {
            let key = (request.key.scope.clone(), request.key.key.clone());
            self.requests
                .insert(key, (request.row(), request.key.is_client));
        }
        for (claim, holder) in &plan.released {
            let present = self.claims.get(claim);
            if present.is_some_and(|present| present.entity == *holder) {
                self.claims.remove(claim);
            }
        }
        self.claims.extend(plan.claimed.iter().cloned());
        for (shard, last_seq) in &plan.heads {
            if let Some(row) = self.leases.get_mut(shard) {
                row.last_seq = *last_seq;
            }
        }
        for event in &plan.events {
            self.record(event);
        }
        for document in &plan.documents {
            self.store(document);
        }
        self.apply_rest(plan);
        Ok(())
    }

    fn apply_rest(&mut self, plan: &Plan<'_>) {
        for (key, name) in &plan.timers_cleared {
            self.timers.remove(&(*key, (*name).to_owned()));
        }
        for TimerPlan {
            key,
            tenant,
            name,
            at,
        } in &plan.timers_set
        {
            let timer = (*key, (*name).to_owned());
            self.timers.insert(timer, (*tenant, *at));
        }
        for answer in &plan.answers {
            let key = (answer.scope.clone(), answer.key.clone());
            if let Some((row, _)) = self.requests.get_mut(&key) {
                row.answer.get_or_insert_with(|| answer.answer.clone());
            }
        }
        for point in &plan.checkpoints {
            let key = (point.subscriber.clone(), point.lease.shard);
            self.checkpoints.insert(key, point.seq);
        }
        for parked in &plan.parks {
            if parked
                .event
                .as_ref()
                .is_ok_and(|event| !self.is_recorded(event))
            {
                continue;
            }
            let key = (parked.subscriber.clone(), parked.id.clone());
            let at = milliseconds(parked.at);
            let parked = Parked {
                at,
                ..(*parked).clone()
            };
            self.parked.insert(key, parked);
        }
        for (subscriber, event) in &plan.unparks {
            let key = ((*subscriber).to_owned(), (*event).to_owned());
            self.parked.remove(&key);
        }
    }

    fn is_recorded(&self, event: &Recorded) -> bool {
        let mut found = self.feed(event.shard, event.seq.saturating_sub(1), event.seq);
        found.any(|it| it.entity == event.entity && it.version == event.version)
    }

    fn record(&mut self, planned: &EventPlan<'_>) {
        let recorded = planned.recorded();
        let place = (recorded.shard, recorded.seq);
        let feed = self.feeds.entry(recorded.shard).or_default();
        feed.push(recorded);
        let history = self.histories.entry(planned.append.key).or_default();
        history.push(place);
    }

    fn store(&mut self, planned: &DocumentPlan) {
        let kept = self.documents.remove(&planned.key);
        let state = match &planned.state {
            StateText::Listed => Some((planned.version, planned.listed.clone())),
            StateText::Full(text) => Some((planned.version, text.clone())),
            StateText::Kept => kept
                .filter(|kept| kept.is_full)
                .and_then(|kept| kept.document.state),
        };
        let document = Document {
            id: planned.key.id,
            tenant: planned.tenant,
            version: planned.version,
            schema: planned.schema,
            created_at: planned.created_at,
            updated_at: planned.updated_at,
            listed: Some(planned.listed.clone()),
            state,
        };
        let index = planned.index.clone();
        let is_full = planned.state != StateText::Listed;
        let stored = Stored {
            document,
            index,
            is_full,
        };
        self.documents.insert(planned.key, stored);
    }

    pub(super) fn document(&self, key: EntityKey) -> Option<Document> {
        self.documents
            .get(&key)
            .map(|stored| stored.document.clone())
    }

    pub(super) fn history(&self, key: EntityKey, after: u64, limit: u32) -> Vec<Recorded> {
        let places = self.histories.get(&key).map_or(&[][..], Vec::as_slice);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let page = places.iter().skip(skipped).take(limit as usize);
        page.filter_map(|(shard, seq)| self.feed(*shard, seq - 1, *seq).next().cloned())
            .collect()
    }

    /// The events of a shard after a position, up to another.
    pub(super) fn feed(
        &self,
        shard: Shard,
        after: u64,
        until: u64,
    ) -> impl Iterator<Item = &Recorded> {
        let feed = self.feeds.get(&shard).map_or(&[][..], Vec::as_slice);
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        feed.iter()
            .skip(skipped)
            .take_while(move |event| event.seq <= until)
    }

    pub(super) fn heads(&self) -> Vec<(Shard, u64)> {
        let heads = self
            .leases
            .iter()
            .map(|(shard, row)| (*shard, row.last_seq));
        heads.filter(|(_, last_seq)| *last_seq > 0).collect()
    }

    pub(super) fn due_timers(&self, now: DateTime<Utc>, limit: u32) -> Vec<DueTimer> {
        let due = self.timers.iter().filter(|(_, (_, at))| *at <= now);
        let mut due: Vec<_> = due
            .map(|((key, name), (tenant, at))| DueTimer {
                kind: key.kind.to_owned(),
                entity: key.id,
                tenant: *tenant,
                name: name.clone(),
                at: *at,
            })
            .collect();
        due.sort_by_key(|timer| timer.at);
        due.truncate(limit as usize);
        due
    }

    pub(super) fn claimant(&self, key: &ClaimKey) -> Option<Claimant> {
        self.claims.get(key).copied()
    }

    pub(super) fn request(&self, key: &(String, String)) -> Option<RequestRow> {
        self.requests.get(key).map(|(row, _)| row.clone())
    }

    pub(super) fn list(&self, query: &Query) -> Vec<Document> {
        let needle = query.search.as_deref().map(fold);
        let matching = self.documents.iter().filter(|(key, stored)| {
            key.kind == query.kind && matches(query, needle.as_deref(), stored)
        });
        let mut page: Vec<_> = matching.map(|(_, stored)| &stored.document).collect();
        page.sort_by_key(|document| (document.created_at, document.id));
        if query.descending {
            page.reverse();
        }
        let page = page.into_iter().take(query.limit as usize);
        page.map(|document| Document {
            state: None,
            ..document.clone()
        })
        .collect()
    }

    pub(super) fn checkpoints(&self, subscriber: &str) -> Vec<(Shard, u64)> {
        let theirs = self.checkpoints.iter();
        let theirs = theirs.filter(|((who, _), _)| who == subscriber);
        theirs.map(|((_, shard), seq)| (*shard, *seq)).collect()
    }

    pub(super) fn parked(&self, subscriber: &str, after: Option<&str>, limit: u32) -> Vec<Parked> {
        let parked = self.parked.iter();
        let wanted = parked.filter(|((who, event), _)| {
            who == subscriber && after.is_none_or(|after| event.as_str() > after)
        });
        let page = wanted.take(limit as usize);
        page.map(|(_, parked)| self.as_it_is(parked)).collect()
    }

    pub(super) fn parked_event(&self, subscriber: &str, event: &str) -> Option<Parked> {
        let key = (subscriber.to_owned(), event.to_owned());
        self.parked.get(&key).map(|parked| self.as_it_is(parked))
    }

    /// A parked event as it is recorded now.
    fn as_it_is(&self, parked: &Parked) -> Parked {
        let (shard, seq) = place(&parked.event);
        let event = self.feed(shard, seq.saturating_sub(1), seq).next();
        Parked {
            event: event.cloned().ok_or_else(|| Damaged {
                shard,
                seq,
                what: "it is not there".into(),
            }),
            ..parked.clone()
        }
    }

    pub(super) fn prune(&mut self, clients: DateTime<Utc>, policies: DateTime<Utc>) -> u64 {
        let before = self.requests.len();
        self.requests
            .retain(|_, (row, is_client)| row.at >= if *is_client { clients } else { policies });
        (before - self.requests.len()) as u64
    }

    pub(super) fn prune_documents(
        &mut self,
        kind: &str,
        statuses: &[&str],
        before: DateTime<Utc>,
    ) -> u64 {
        let count = self.documents.len();
        self.documents.retain(|key, stored| {
            key.kind != kind
                || !statuses.contains(&stored.index.status)
                || stored.document.updated_at >= before
        });
        (count - self.documents.len()) as u64
    }
}

fn matches(query: &Query, needle: Option<&str>, stored: &Stored) -> bool {
    let Stored {
        document, index, ..
    } = stored;
    let at = document.created_at;
    let place = (at, document.id);
    let is_after = |after: (DateTime<Utc>, Uuid)| match query.descending {
        false => place > after,
        true => place < after,
    };
    query.tenant.is_none_or(|it| it == document.tenant)
        && (query.reference.is_none() || query.reference == index.reference)
        && (query.status.is_empty() || query.status.iter().any(|it| it == index.status))
        && (query.parent.is_none() || query.parent == index.parent)
        && (query.site.is_none() || query.site == index.site)
        && query.flagged.is_none_or(|it| it == index.flagged)
        && needle.is_none_or(|needle| index.text.contains(needle))
        && query.created_from.is_none_or(|from| at >= from)
        && query.created_before.is_none_or(|before| at < before)
        && query.after.is_none_or(is_after)
}
