//! Goes through a batch in order: who loses and why, and what the others come to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    ClaimKey, DocumentPlan, EventPlan, Known, LeaseRow, Plan, RequestPlan, TimerPlan, fold,
    milliseconds, text,
};
use crate::entity::Index;
use crate::envelope::{EntityKey, Shard};
use crate::faults;
use crate::journal::{Append, Batch, Claimant, Error, Lease, NewClaim, Outcome, RequestRow};
use crate::panics;

/// Judges a batch.
pub(super) fn judge<'a>(batch: &'a Batch, known: &Known) -> Result<Plan<'a>, Error> {
    let mut judge = Judge::new(known);
    for append in &batch.appends {
        let outcome = judge.outcome(append);
        if let Outcome::Committed { .. } = outcome {
            judge.commit(append)?;
        } else if !append.events.is_empty() {
            judge.lost.insert(append.key);
            if faults::has_bug("position-from-a-serial-column") {
                judge.skip_position(append);
            }
        }
        judge.plan.outcomes.push(outcome);
    }
    judge.finish(batch)
}

struct Judge<'a, 'k> {
    known: &'k Known,
    plan: Plan<'a>,
    /// Entities of which an append with events lost: what was decided on it goes too.
    lost: HashSet<EntityKey>,
    /// Request keys used by this batch.
    requests: HashMap<(&'a str, &'a str), RequestRow>,
    /// Holders of the claims touched by this batch.
    claims: HashMap<ClaimKey, Option<Claimant>>,
    /// Versions that entities have by now, as far as this batch tells.
    versions: HashMap<EntityKey, u64>,
    /// For every entity with events: the version that is stored, and the last append with events.
    documents: HashMap<EntityKey, (u64, &'a Append)>,
    /// Ends of the timers touched, in an order that does not depend on hashing.
    timers: BTreeMap<(EntityKey, &'a str), Option<TimerPlan<'a>>>,
    released: HashSet<ClaimKey>,
}

impl<'a, 'k> Judge<'a, 'k> {
    fn new(known: &'k Known) -> Self {
        Self {
            known,
            plan: Plan::default(),
            lost: HashSet::new(),
            requests: HashMap::new(),
            claims: HashMap::new(),
            versions: HashMap::new(),
            documents: HashMap::new(),
            timers: BTreeMap::new(),
            released: HashSet::new(),
        }
    }

    fn outcome(&self, append: &'a Append) -> Outcome {
        let Some(lease) = held(self.known, append.lease) else {
            return Outcome::Fenced;
        };
        if self.lost.contains(&append.key) {
            return Outcome::Superseded;
        }
        if let Some(row) = self.seen(append) {
            return Outcome::Duplicate(row);
        }
        if let Some(index) = self.taken(append) {
            return Outcome::ClaimTaken(index);
        }
        let last_seq = self.last_seq(append.lease.shard, lease);
        Outcome::Committed {
            first_seq: last_seq + u64::from(!append.events.is_empty()),
        }
    }

    fn last_seq(&self, shard: Shard, lease: LeaseRow) -> u64 {
        let head = self.plan.heads.get(&shard);
        head.copied().unwrap_or(lease.last_seq)
    }

    fn seen(&self, append: &'a Append) -> Option<RequestRow> {
        let request = append.request.as_ref()?;
        let here = self.requests.get(&(&*request.scope, &*request.key));
        here.cloned().or_else(|| {
            let key = (request.scope.clone(), request.key.clone());
            self.known.requests.get(&key).cloned()
        })
    }

    /// The first claim that is held by another entity, or by an event.
    fn taken(&self, append: &Append) -> Option<usize> {
        append.claim.iter().position(|claim| {
            let key = ClaimKey::of(append, claim);
            self.holder(&key)
                .is_some_and(|holder| holder != claimant(append, claim))
        })
    }

    fn holder(&self, key: &ClaimKey) -> Option<Claimant> {
        let here = self.claims.get(key).copied();
        here.unwrap_or_else(|| self.known.claims.get(key).copied())
    }

    fn commit(&mut self, append: &'a Append) -> Result<(), Error> {
        let version = self.follow(append)?;
        self.record_events(append);
        self.record_request(append, version);
        self.move_claims(append);
        for name in &append.clear_timers {
            self.timers.insert((append.key, name), None);
        }
        for (name, at) in &append.set_timers {
            let timer = TimerPlan {
                key: append.key,
                tenant: append.tenant,
                name,
                at: milliseconds(*at),
            };
            self.timers.insert((append.key, name), Some(timer));
        }
        Ok(())
    }

    /// Checks that the append follows on what the batch did to the entity before it.
    fn follow(&mut self, append: &'a Append) -> Result<u64, Error> {
        let base = append.base_version;
        let present = *self.versions.entry(append.key).or_insert(base);
        let version = base + append.events.len() as u64;
        if present != base {
            return Err(refused(append, &format!("but it is at {present}")));
        }
        if !append.events.is_empty() {
            if append.snapshot.version() != version {
                let wrong = append.snapshot.version();
                return Err(refused(append, &format!("with a state of {wrong}")));
            }
            let entry = self.documents.entry(append.key).or_insert((base, append));
            entry.1 = append;
        }
        self.versions.insert(append.key, version);
        Ok(version)
    }

    fn record_events(&mut self, append: &'a Append) {
        let shard = append.lease.shard;
        let Some(lease) = held(self.known, append.lease) else {
            return;
        };
        if faults::has_bug("document-without-events") {
            return;
        }
        let at = milliseconds(append.at);
        let mut seq = self.last_seq(shard, lease);
        for (event, version) in append.events.iter().zip(append.base_version + 1..) {
            seq += 1;
            self.plan.events.push(EventPlan {
                append,
                event,
                seq,
                version,
                at,
            });
        }
        if !append.events.is_empty() {
            self.plan.heads.insert(shard, seq);
        }
    }

    /// A planted bug: positions are used up by what is not written, as those of a sequence are.
    fn skip_position(&mut self, append: &Append) {
        if let Some(lease) = held(self.known, append.lease) {
            let shard = append.lease.shard;
            let last = self.last_seq(shard, lease) + 1;
            self.plan.heads.insert(shard, last);
        }
    }

    fn record_request(&mut self, append: &'a Append, version: u64) {
        let Some(key) = &append.request else {
            return;
        };
        let request = RequestPlan {
            key,
            entity: append.key,
            version,
            refusal: append.refusal.as_deref(),
            at: milliseconds(append.at),
        };
        let place = (&*key.scope, &*key.key);
        self.requests.insert(place, request.row());
        self.plan.requests.push(request);
    }

    fn move_claims(&mut self, append: &Append) {
        let holder = append.key.id;
        for claim in &append.disclaim {
            let key = ClaimKey::of(append, claim);
            // Whoever does not look claims up does not know the holder; the delete does.
            let present = self.holder(&key);
            if present.is_none_or(|present| present == claimant(append, claim)) {
                self.claims.insert(key.clone(), None);
                self.released.insert(key.clone());
                self.plan.released.push((key, holder));
            }
        }
        for claim in &append.claim {
            let key = ClaimKey::of(append, claim);
            self.claims.insert(key, Some(claimant(append, claim)));
        }
    }

    fn finish(mut self, batch: &'a Batch) -> Result<Plan<'a>, Error> {
        self.finish_claims();
        self.finish_documents()?;
        for ((key, name), timer) in std::mem::take(&mut self.timers) {
            match timer {
                Some(timer) => self.plan.timers_set.push(timer),
                None => self.plan.timers_cleared.push((key, name)),
            }
        }
        self.finish_rest(batch);
        Ok(self.plan)
    }

    fn finish_claims(&mut self) {
        for (key, holder) in std::mem::take(&mut self.claims) {
            let Some(holder) = holder else { continue };
            let stays = self.known.claims.get(&key) == Some(&holder);
            if !stays || self.released.contains(&key) {
                self.plan.claimed.push((key, holder));
            }
        }
        // In an order of their own, so that two writers cannot wait for each other.
        self.plan.claimed.sort_unstable();
        self.plan.released.sort_unstable();
        self.plan.released.dedup();
    }

    fn finish_documents(&mut self) -> Result<(), Error> {
        for (key, (base_version, append)) in std::mem::take(&mut self.documents) {
            // The domain's code writes its state here: a panic of its is this append's, not all's.
            let written = AssertUnwindSafe(|| document(key, base_version, append));
            let document = catch_unwind(written)
                .map_err(|panic| refused(append, &panics::text(panic.as_ref())))?
                .map_err(|error| refused(append, &error.to_string()))?;
            text::check_document(&document)?;
            self.plan.documents.push(document);
        }
        self.plan
            .documents
            .sort_unstable_by_key(|document| document.key);
        Ok(())
    }

    fn finish_rest(&mut self, batch: &'a Batch) {
        let mut answered = HashSet::new();
        for answer in &batch.answers {
            if answered.insert((&answer.scope, &answer.key)) {
                self.plan.answers.push(answer);
            }
        }

        let mut checkpoints = BTreeMap::new();
        for point in &batch.checkpoints {
            if held(self.known, point.lease).is_some() {
                checkpoints.insert((&point.subscriber, point.lease.shard), point);
            }
        }
        self.plan.checkpoints = checkpoints.into_values().collect();

        let mut parks = BTreeMap::new();
        for parked in &batch.parks {
            parks.insert((&parked.subscriber, &parked.id), parked);
        }
        self.plan.parks = parks.into_values().collect();
        let unparks = batch.unparks.iter();
        self.plan.unparks = unparks.map(|(who, what)| (&**who, &**what)).collect();
    }
}

fn held(known: &Known, lease: Lease) -> Option<LeaseRow> {
    let row = known.leases.get(&lease.shard).copied();
    row.filter(|row| row.epoch == lease.epoch || faults::has_bug("no-epoch-check"))
}

fn claimant(append: &Append, claim: &NewClaim) -> Claimant {
    Claimant {
        entity: append.key.id,
        version: claim.version,
    }
}

fn document(
    key: EntityKey,
    base_version: u64,
    append: &Append,
) -> Result<DocumentPlan, serde_json::Error> {
    let snapshot = &append.snapshot;
    let index = snapshot.index();
    Ok(DocumentPlan {
        key,
        tenant: append.tenant,
        base_version,
        version: snapshot.version(),
        schema: snapshot.schema(),
        created_at: milliseconds(snapshot.created_at()),
        updated_at: milliseconds(snapshot.updated_at()),
        index: Index {
            text: fold(&index.text),
            ..index
        },
        listed: snapshot.listed()?,
        state: snapshot.state()?,
    })
}

fn refused(append: &Append, why: &str) -> Error {
    Error::Refused(format!(
        "{} {} on version {}, {why}",
        append.key.kind, append.key.id, append.base_version
    ))
}
