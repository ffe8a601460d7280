//! A decision made ready for the journal: events as text, and what they change in claims and timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use crate::entity::{Context, Entity, Index, Versioned};
use crate::envelope::NewEvent;
use crate::host::Order;
use crate::journal::plan::milliseconds;
use crate::journal::{NewClaim, Snapshot, StateText};
use crate::loader;

/// What a command does to an entity.
pub(crate) struct Decision<E: Entity> {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) after: Arc<Versioned<E>>,
    pub(crate) claim: Vec<NewClaim>,
    pub(crate) disclaim: Vec<NewClaim>,
    /// The refusals for losing the claims, in their order.
    pub(crate) losses: Vec<E::Rejection>,
    pub(crate) set_timers: Vec<(String, DateTime<Utc>)>,
    pub(crate) clear_timers: Vec<String>,
}

/// Why there is no decision.
pub(crate) enum Refusal<R> {
    /// The domain said no.
    Rejected(R),
    /// An event has no JSON form: a mistake in the domain.
    Unwritable(serde_json::Error),
}

impl<E: Entity> Decision<E> {
    /// The decision that changes nothing.
    pub(crate) fn nothing(before: &Arc<Versioned<E>>) -> Self {
        Self {
            events: Vec::new(),
            after: Arc::clone(before),
            claim: Vec::new(),
            disclaim: Vec::new(),
            losses: Vec::new(),
            set_timers: Vec::new(),
            clear_timers: Vec::new(),
        }
    }

    /// Clears the timer that was fired, whatever came of it, unless it is set for another moment:
    /// by this decision, or by one that came before the firing.
    pub(crate) fn clear_fired(&mut self, order: &Order<E>) {
        let Order::Timer { name, at } = order else {
            return;
        };
        let is_set_anew = self.set_timers.iter().any(|(set, _)| set == name);
        let timers = self.after.state.timers();
        let mut others = timers.iter().filter(|it| milliseconds(it.at) != *at);
        if !is_set_anew && !others.any(|it| it.name == *name) && !self.clear_timers.contains(name) {
            self.clear_timers.push(name.clone());
        }
    }
}

/// Decides a command and works out what the decision changes.
pub(crate) fn make<E: Entity>(
    before: &Arc<Versioned<E>>,
    command: &E::Command,
    context: &Context,
) -> Result<Decision<E>, Refusal<E::Rejection>> {
    let events = before
        .state
        .decide(command, context)
        .map_err(Refusal::Rejected)?;
    if events.is_empty() {
        return Ok(Decision::nothing(before));
    }
    let tenant = if before.version == 0 {
        context.tenant
    } else {
        before.tenant
    };
    let mut after = Versioned::clone(before);
    let mut written = Vec::with_capacity(events.len());
    for event in &events {
        written.push(NewEvent::encode(event).map_err(Refusal::Unwritable)?);
        after = loader::apply(after, event, tenant, context.now);
    }
    after.base_version = Some(before.version);
    let (mut claim, disclaim, mut losses) = claims(&before.state, &after.state);
    for (event, version) in events.iter().zip(before.version + 1..) {
        for mark in E::marks(event) {
            claim.push(NewClaim {
                scope: mark.scope,
                key: mark.key,
                version: Some(version),
            });
            losses.push(mark.rejection);
        }
    }
    let (set_timers, clear_timers) = timers(&before.state, &after.state);
    Ok(Decision {
        events: written,
        after: Arc::new(after),
        claim,
        disclaim,
        losses,
        set_timers,
        clear_timers,
    })
}

/// Claims that the new state has and the old one had not, those given up, and the refusals for
/// losing the new ones.
fn claims<E: Entity>(before: &E, after: &E) -> (Vec<NewClaim>, Vec<NewClaim>, Vec<E::Rejection>) {
    let claims_of = |state: &E| -> Vec<(NewClaim, E::Rejection)> {
        let claims = state.claims().into_iter();
        claims
            .map(|it| {
                (
                    NewClaim {
                        scope: it.scope,
                        key: it.key,
                        version: None,
                    },
                    it.rejection,
                )
            })
            .collect()
    };
    let (old, new) = (claims_of(before), claims_of(after));
    let holds = |all: &[(NewClaim, E::Rejection)], one: &NewClaim| {
        all.iter().any(|(claim, _)| claim == one)
    };
    let disclaim = old
        .iter()
        .filter(|(claim, _)| !holds(&new, claim))
        .map(|(claim, _)| claim.clone());
    let disclaim = disclaim.collect();
    let (claim, losses) = new
        .into_iter()
        .filter(|(claim, _)| !holds(&old, claim))
        .unzip();
    (claim, disclaim, losses)
}

/// Timers to set, with their moments, and names of timers to clear.
fn timers<E: Entity>(before: &E, after: &E) -> (Vec<(String, DateTime<Utc>)>, Vec<String>) {
    let timers_of = |state: &E| -> Vec<(String, DateTime<Utc>)> {
        state
            .timers()
            .into_iter()
            .map(|timer| (timer.name, timer.at))
            .collect()
    };
    let (old, new) = (timers_of(before), timers_of(after));
    let gone = old
        .iter()
        .filter(|(name, _)| !new.iter().any(|(kept, _)| kept == name));
    let clear = gone.map(|(name, _)| name.clone()).collect();
    (
        new.into_iter()
            .filter(|timer| !old.contains(timer))
            .collect(),
        clear,
    )
}

/// The state as the journal wants it: text only if it is written. The full state is if there is a
/// place to say how long it was.
pub(crate) fn snapshot<E: Entity>(
    entity: Arc<Versioned<E>>,
    state_bytes: Option<Arc<AtomicU64>>,
) -> Arc<dyn Snapshot> {
    Arc::new(EntitySnapshot {
        entity,
        state_bytes,
    })
}

struct EntitySnapshot<E> {
    entity: Arc<Versioned<E>>,
    state_bytes: Option<Arc<AtomicU64>>,
}

impl<E: Entity> Snapshot for EntitySnapshot<E> {
    fn created_at(&self) -> DateTime<Utc> {
        self.entity.created_at
    }

    fn updated_at(&self) -> DateTime<Utc> {
        self.entity.updated_at
    }

    fn version(&self) -> u64 {
        self.entity.version
    }

    fn schema(&self) -> u32 {
        E::SCHEMA
    }

    fn index(&self) -> Index {
        self.entity.state.index()
    }

    fn listed(&self) -> Result<String, serde_json::Error> {
        match self.entity.state.summary() {
            Some(summary) => serde_json::to_string(&summary),
            None => serde_json::to_string(&self.entity.state),
        }
    }

    fn state(&self) -> Result<StateText, serde_json::Error> {
        if self.entity.state.summary().is_none() {
            return Ok(StateText::Listed);
        }
        let Some(state_bytes) = &self.state_bytes else {
            return Ok(StateText::Kept);
        };
        let text = serde_json::to_string(&self.entity.state)?;
        state_bytes.store(text.len() as u64, Ordering::Relaxed);
        Ok(StateText::Full(text))
    }
}
