//! How a host decides, and what it hands to the committer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};
use tracing::Span;

use super::{Answer, Call, Order, Pending, State};
use crate::committer::{Submission, Ticket};
use crate::decision::{self, Decision};
use crate::entity::{Context, Entity, Versioned};
use crate::error::Error;
use crate::journal::plan::milliseconds;
use crate::journal::{Append, Lease};
use crate::kind::key;
use crate::panics;

/// About how long the text of an event is, with what is recorded of it beside.
const EVENT_BYTES: u64 = 500;

impl<E: Entity> State<E> {
    pub(super) fn decide(&mut self, call: Call<E>) {
        let before = Arc::clone(self.latest());
        if Instant::now() > call.meta.deadline {
            return call.answer(Err(Error::Late));
        }
        if before.version > 0 && before.tenant != call.meta.tenant {
            return self.answer_in_turn(before, Answer::NotFound, call);
        }
        if call
            .meta
            .if_version
            .is_some_and(|wanted| wanted != before.version)
        {
            return self.answer_in_turn(before, Answer::Stale, call);
        }
        let clock = clock();
        let at = clock.max(before.updated_at);
        let waiting = call.waiting.clone();
        let decided = waiting.in_scope(|| guarded(|| decide(&before, &call, (at, clock))));
        match decided {
            Err(what) => self.panicked(what, call),
            Ok(Ok(decision)) => self.accept(before, decision, call, at),
            Ok(Err(decision::Refusal::Rejected(rejection))) => {
                self.refuse(before, rejection, call, at);
            }
            Ok(Err(decision::Refusal::Unwritable(error))) => {
                call.answer(Err(Error::Panicked(format!("writing an event: {error}"))));
            }
        }
    }

    pub(super) fn panicked(&mut self, what: String, call: Call<E>) {
        tracing::error!(kind = E::KIND, id = %self.handle.id, what, "a decision panicked");
        metrics::counter!("quenty_panics_total", "kind" => E::KIND).increment(1);
        call.answer(Err(Error::Panicked(what)));
        self.drain();
    }

    fn accept(
        &mut self,
        before: Arc<Versioned<E>>,
        decision: Decision<E>,
        call: Call<E>,
        at: DateTime<Utc>,
    ) {
        let is_plain = call.meta.request.is_none() && matches!(call.order, Order::Command(_));
        if decision.events.is_empty() && is_plain {
            return self.answer_in_turn(before, Answer::Done, call);
        }
        self.submit(&before, decision, Answer::Done, None, call, at);
    }

    pub(super) fn refuse(
        &mut self,
        before: Arc<Versioned<E>>,
        rejection: E::Rejection,
        call: Call<E>,
        at: DateTime<Utc>,
    ) {
        let is_timer = matches!(call.order, Order::Timer { .. });
        if call.meta.request.is_none() && !is_timer {
            return self.answer_in_turn(before, Answer::Refused(rejection), call);
        }
        // Kept under the request key, so that a repeat is refused alike.
        let text = match guarded(|| serde_json::to_string(&rejection)) {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                let what = format!("writing a refusal: {error}");
                return call.answer(Err(Error::Panicked(what)));
            }
            Err(what) => return self.panicked(what, call),
        };
        let mut decision = Decision::nothing(&before);
        decision.clear_fired(&call.order);
        self.submit(
            &before,
            decision,
            Answer::Refused(rejection),
            Some(text),
            call,
            at,
        );
    }

    /// Answers once everything decided before is durable.
    fn answer_in_turn(&mut self, after: Arc<Versioned<E>>, answer: Answer<E>, call: Call<E>) {
        self.pending.push_back(Pending {
            ticket: None,
            after,
            answer,
            call,
            has_events: false,
            stores_state: false,
            losses: Vec::new(),
            committing: Span::none(),
        });
        self.answer_waiting();
    }

    fn submit(
        &mut self,
        before: &Arc<Versioned<E>>,
        mut decision: Decision<E>,
        answer: Answer<E>,
        refusal: Option<String>,
        call: Call<E>,
        at: DateTime<Utc>,
    ) {
        let (after, has_events) = (Arc::clone(&decision.after), !decision.events.is_empty());
        let stores_state =
            has_events && (self.is_state_due || self.is_worth_storing(after.version));
        let losses = std::mem::take(&mut decision.losses);
        let append = Append {
            refusal,
            ..self.append(before, decision, stores_state, &call, at)
        };
        let committing = tracing::debug_span!(
            target: crate::TRACES,
            parent: &call.waiting,
            "commit",
            kind = E::KIND
        );
        self.next_ticket += 1;
        let ticket = Ticket {
            number: self.next_ticket,
            generation: self.generation,
            sink: Arc::clone(&self.sink),
            span: committing.clone(),
        };
        let submission = Submission { append, ticket };
        if let Err(error) = self.kind.context.committer.submit(submission) {
            return call.answer(Err(error));
        }
        self.pending.push_back(Pending {
            ticket: Some(self.next_ticket),
            after,
            answer,
            call,
            has_events,
            stores_state,
            losses,
            committing,
        });
    }

    /// Whether so much has happened since the full state was stored that it should be again. A large
    /// state waits longer: writing it costs no more than writing its events does.
    fn is_worth_storing(&self, version: u64) -> bool {
        let worth = self.state_bytes.load(Ordering::Relaxed) / EVENT_BYTES;
        version - self.stored_version >= self.kind.node.config.snapshot_events.max(worth)
    }

    fn append(
        &self,
        before: &Arc<Versioned<E>>,
        decision: Decision<E>,
        stores_state: bool,
        call: &Call<E>,
        at: DateTime<Utc>,
    ) -> Append {
        Append {
            // The committer stamps the epoch.
            lease: Lease {
                shard: self.kind.context.shard(self.handle.id),
                epoch: 0,
            },
            key: key::<E>(self.handle.id),
            tenant: decision.after.tenant,
            base_version: before.version,
            at,
            principal: Arc::clone(&call.meta.principal),
            request_id: Arc::clone(&call.meta.request_id),
            cause: call.meta.cause.as_deref().map(Into::into),
            events: decision.events,
            snapshot: decision::snapshot(
                decision.after,
                stores_state.then(|| Arc::clone(&self.state_bytes)),
            ),
            claim: decision.claim,
            disclaim: decision.disclaim,
            set_timers: decision.set_timers,
            clear_timers: decision.clear_timers,
            request: call.meta.request.clone(),
            refusal: None,
        }
    }
}

/// The time of a decision. An entity's time never runs backwards, even where a clock does.
pub(super) fn now<E>(before: &Versioned<E>) -> DateTime<Utc> {
    clock().max(before.updated_at)
}

fn clock() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// Runs the domain's code; a panic of it comes back as its message.
pub(super) fn guarded<T>(domain: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(domain)).map_err(|panic| panics::text(panic.as_ref()))
}

fn decide<E: Entity>(
    before: &Arc<Versioned<E>>,
    call: &Call<E>,
    (now, clock): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Decision<E>, decision::Refusal<E::Rejection>> {
    let context = Context {
        entity: before.id,
        version: before.version,
        tenant: call.meta.tenant,
        now,
        clock,
        principal: call.meta.principal.to_string(),
        request_id: call.meta.request_id.to_string(),
    };
    let mut decision = match &call.order {
        Order::Command(command) => decision::make(before, command, &context)?,
        Order::Timer { name, at } => {
            let mut timers = before.state.timers().into_iter();
            match timers.find(|timer| timer.name == *name && milliseconds(timer.at) == *at) {
                Some(timer) => decision::make(before, &timer.command, &context)?,
                // The state has moved on: nothing but the stored timer is left to clear.
                None => Decision::nothing(before),
            }
        }
    };
    decision.clear_fired(&call.order);
    Ok(decision)
}
