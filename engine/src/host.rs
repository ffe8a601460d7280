//! The host of one entity: a ractor actor that decides, hands over to the committer, and answers
//! after the commit.
//!
//! ```text
//!             loaded                    failed commit, panic
//!  Loading -----------> Ready ---------------------------------> Draining
//!     ^                                                             |
//!     '-------------------- everything under way is settled --------'
//!  Loading -- cannot be loaded --> Broken (answers what is queued, then ends)
//! ```
//!
//! It decides on its newest state, which may be ahead of the disk, and does not wait: commits of one
//! entity are pipelined. Every answer, refusals and no-ops included, waits until the version that
//! it rests on is durable. When a decision is dropped, those that rest on it are decided again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tracing::Span;

use crate::admission::{Inside, Permit};
use crate::committer::{Failure, Sink, Submission, Ticket};
use crate::decision::{self, Decision};
use crate::entity::{Context, Entity, Versioned};
use crate::envelope::Meta;
use crate::error::Error;
use crate::journal::{Append, Outcome};
use crate::kind::{Handle, Kind, key};
use crate::loader::Loaded;
use crate::router::Reply;

/// What an entity is asked to do.
pub(crate) enum Order<E: Entity> {
    /// A command.
    Command(E::Command),
    /// Whatever its timer says.
    Timer { name: String, at: DateTime<Utc> },
}

/// An order under way.
pub(crate) struct Call<E: Entity> {
    pub(crate) order: Order<E>,
    pub(crate) meta: Meta,
    pub(crate) reply: oneshot::Sender<Result<Reply<E>, Error>>,
    /// Places taken with the node and the entity until the answer is out.
    pub(crate) places: (Permit, Inside),
    /// From the sender to the decision, for traces.
    pub(crate) waiting: Span,
}

impl<E: Entity> Call<E> {
    fn answer(self, answer: Result<Reply<E>, Error>) {
        let Self { reply, places, .. } = self;
        // Places first: whoever has the answer may rely on them being free.
        drop(places);
        // A caller who has stopped waiting needs no answer.
        let _ = reply.send(answer);
    }
}

/// A host's messages.
pub(crate) enum Message<E: Entity> {
    Call(Box<Call<E>>),
    Settled {
        ticket: u64,
        result: Result<Outcome, Failure>,
    },
    Loaded(Result<Loaded<E>, Error>),
}

impl<E: Entity> ractor::Message for Message<E> {}

/// What a host is started with.
pub(crate) struct Arguments<E: Entity> {
    pub(crate) kind: Arc<Kind<E>>,
    pub(crate) handle: Arc<Handle<E>>,
    /// Whether a former host died: its commits under way are waited for.
    pub(crate) is_recovery: bool,
}

/// Starts a host under a supervisor.
pub(crate) async fn spawn<E: Entity>(
    arguments: Arguments<E>,
    supervisor: ActorCell,
) -> Result<ActorRef<Message<E>>, Error> {
    let host = Host(std::marker::PhantomData);
    let (actor, _) = Actor::spawn_linked(None, host, arguments, supervisor)
        .await
        .map_err(|error| Error::Unavailable(format!("a host did not start: {error}")))?;
    Ok(actor)
}

struct Host<E>(std::marker::PhantomData<fn() -> E>);

impl<E: Entity> Actor for Host<E> {
    type Msg = Message<E>;
    type State = State<E>;
    type Arguments = Arguments<E>;

    async fn pre_start(
        &self,
        myself: ActorRef<Message<E>>,
        arguments: Arguments<E>,
    ) -> Result<State<E>, ActorProcessingErr> {
        let Arguments {
            kind,
            handle,
            is_recovery,
        } = arguments;
        let state = State {
            committed: Arc::new(crate::loader::absent(handle.id)),
            stored_version: 0,
            generation: 0,
            next_ticket: 0,
            pending: VecDeque::new(),
            stash: VecDeque::new(),
            mode: Mode::Loading,
            sink: Arc::new(ActorSink(myself.clone())),
            kind,
            handle,
            myself,
        };
        state.load(is_recovery);
        Ok(state)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message<E>>,
        message: Message<E>,
        state: &mut State<E>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Call(call) => state.called(*call),
            Message::Settled { ticket, result } => state.settled(ticket, result),
            Message::Loaded(result) => state.loaded(result),
        }
        Ok(())
    }
}

struct ActorSink<E: Entity>(ActorRef<Message<E>>);

impl<E: Entity> Sink for ActorSink<E> {
    fn settled(&self, ticket: u64, result: Result<Outcome, Failure>) {
        // A host that is gone has nobody left to answer.
        let _ = self.0.send_message(Message::Settled { ticket, result });
    }
}

enum Mode {
    Loading,
    Ready,
    /// A commit failed or a decision panicked: nothing is decided until all is settled and the
    /// state is loaded again.
    Draining,
    /// It cannot be loaded.
    Broken {
        is_damaged: bool,
        why: String,
    },
}

/// A decision whose commit is under way, or an answer that waits for the ones before it.
struct Pending<E: Entity> {
    /// `None` for an answer that needs no commit of its own.
    ticket: Option<u64>,
    after: Arc<Versioned<E>>,
    answer: Answer<E>,
    call: Call<E>,
    has_events: bool,
    stores_state: bool,
    /// How the command is refused if a claim is lost, in the order of the claims.
    losses: Vec<E::Rejection>,
    /// From the decision to the durable commit, for traces.
    committing: Span,
}

enum Answer<E: Entity> {
    Done,
    Refused(E::Rejection),
    Stale,
}

pub(crate) struct State<E: Entity> {
    kind: Arc<Kind<E>>,
    handle: Arc<Handle<E>>,
    myself: ActorRef<Message<E>>,
    sink: Arc<dyn Sink>,
    mode: Mode,
    committed: Arc<Versioned<E>>,
    /// The version of the full state that is stored, for entities with a summary.
    stored_version: u64,
    generation: u64,
    next_ticket: u64,
    pending: VecDeque<Pending<E>>,
    /// Calls that wait until the state is loaded.
    stash: VecDeque<Call<E>>,
}

impl<E: Entity> State<E> {
    fn called(&mut self, call: Call<E>) {
        match &self.mode {
            Mode::Ready => self.decide(call),
            Mode::Loading | Mode::Draining => self.stash.push_back(call),
            Mode::Broken { is_damaged, why } => {
                call.answer(Err(broken(*is_damaged, why)));
                self.end_if_unused();
            }
        }
    }

    /// Loads the state in the background; the result comes as a message.
    fn load(&self, is_recovery: bool) {
        let (kind, id, myself) = (Arc::clone(&self.kind), self.handle.id, self.myself.clone());
        tokio::spawn(async move {
            let result = async {
                if is_recovery {
                    kind.context.committer.barrier().await?;
                }
                kind.context.loader.load::<E>(id).await
            };
            let _ = myself.send_message(Message::Loaded(result.await));
        });
    }

    fn loaded(&mut self, result: Result<Loaded<E>, Error>) {
        match result {
            Ok(Loaded {
                entity,
                stored_version,
            }) => {
                self.renew_generation();
                self.committed = Arc::new(entity);
                self.stored_version = stored_version;
                self.handle.publish(Arc::clone(&self.committed));
                self.mode = Mode::Ready;
                for call in std::mem::take(&mut self.stash) {
                    self.called(call);
                }
            }
            Err(error) => {
                tracing::error!(kind = E::KIND, id = %self.handle.id, %error, "cannot be loaded");
                let is_damaged = matches!(error, Error::Damaged(_));
                self.mode = Mode::Broken {
                    is_damaged,
                    why: error.to_string(),
                };
                // Whoever comes from now on starts another host, which tries again.
                self.handle.fail();
                self.kind.remove(&self.handle);
                for call in std::mem::take(&mut self.stash) {
                    self.called(call);
                }
                self.end_if_unused();
            }
        }
    }

    fn end_if_unused(&self) {
        if self.handle.door.is_empty() {
            self.myself.stop(None);
        }
    }

    fn latest(&self) -> &Arc<Versioned<E>> {
        self.pending
            .back()
            .map_or(&self.committed, |pending| &pending.after)
    }

    fn decide(&mut self, call: Call<E>) {
        let before = Arc::clone(self.latest());
        if Instant::now() > call.meta.deadline {
            return call.answer(Err(Error::Late));
        }
        if before.version > 0 && before.tenant != call.meta.tenant {
            return call.answer(Err(Error::NotFound));
        }
        if call
            .meta
            .if_version
            .is_some_and(|wanted| wanted != before.version)
        {
            return self.answer_in_turn(before, Answer::Stale, call);
        }
        let at = Utc::now().trunc_subsecs(3);
        let waiting = call.waiting.clone();
        let decided =
            waiting.in_scope(|| catch_unwind(AssertUnwindSafe(|| decide(&before, &call, at))));
        match decided {
            Err(panic) => {
                let what = panic_text(panic.as_ref());
                tracing::error!(kind = E::KIND, id = %self.handle.id, what, "a decision panicked");
                metrics::counter!("quenty_panics_total", "kind" => E::KIND).increment(1);
                call.answer(Err(Error::Panicked(what)));
                self.drain();
            }
            Ok(Ok(decision)) => self.accept(before, decision, call, at),
            Ok(Err(decision::Refusal::Rejected(rejection))) => {
                self.refuse(before, rejection, call, at);
            }
            Ok(Err(decision::Refusal::Unwritable(error))) => {
                call.answer(Err(Error::Panicked(format!("writing an event: {error}"))));
            }
        }
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

    fn refuse(
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
        let text = serde_json::to_string(&rejection).unwrap_or_else(|_| "null".into());
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
        decision: Decision<E>,
        answer: Answer<E>,
        refusal: Option<String>,
        call: Call<E>,
        at: DateTime<Utc>,
    ) {
        self.next_ticket += 1;
        let (after, has_events) = (Arc::clone(&decision.after), !decision.events.is_empty());
        let stores_state = after.version - self.stored_version
            >= self.kind.node.config.snapshot_events
            && has_events;
        let append = Append {
            // The committer stamps the epoch.
            lease: crate::journal::Lease {
                shard: self.kind.context.shard(self.handle.id),
                epoch: 0,
            },
            key: key::<E>(self.handle.id),
            tenant: after.tenant,
            base_version: before.version,
            at,
            principal: Arc::clone(&call.meta.principal),
            request_id: Arc::clone(&call.meta.request_id),
            cause: call.meta.cause.as_deref().map(Into::into),
            events: decision.events,
            snapshot: decision::snapshot(Arc::clone(&after), stores_state),
            claim: decision.claim,
            disclaim: decision.disclaim,
            set_timers: decision.set_timers,
            clear_timers: decision.clear_timers,
            request: call.meta.request.clone(),
            refusal,
        };
        let ticket = Ticket {
            number: self.next_ticket,
            generation: self.generation,
            sink: Arc::clone(&self.sink),
        };
        if let Err(error) = self
            .kind
            .context
            .committer
            .submit(Submission { append, ticket })
        {
            return call.answer(Err(error));
        }
        let committing = tracing::info_span!(parent: &call.waiting, "commit", kind = E::KIND);
        self.pending.push_back(Pending {
            ticket: Some(self.next_ticket),
            after,
            answer,
            call,
            has_events,
            stores_state,
            losses: decision.losses,
            committing,
        });
    }

    fn settled(&mut self, ticket: u64, result: Result<Outcome, Failure>) {
        // What was decided again is settled twice: the first time does not count.
        if self
            .pending
            .front()
            .is_none_or(|front| front.ticket != Some(ticket))
        {
            return;
        }
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        match result {
            Ok(Outcome::Committed { .. }) => {
                self.commit(pending);
                self.answer_waiting();
            }
            Ok(Outcome::Duplicate(row)) => {
                let has_events = pending.has_events;
                pending.call.answer(Ok(Reply::Seen(row)));
                if has_events {
                    self.decide_again()
                } else {
                    self.answer_waiting()
                }
            }
            Ok(Outcome::ClaimTaken(index)) => self.claim_lost(pending, index),
            Ok(Outcome::Superseded) => {
                self.pending.push_front(pending);
                self.decide_again();
            }
            Ok(Outcome::Fenced) => {
                pending
                    .call
                    .answer(Err(Error::Unavailable("another node owns it".into())));
                self.drain();
            }
            Err(failure) => {
                pending.call.answer(Err(failure.into()));
                self.drain();
            }
        }
        if matches!(self.mode, Mode::Draining) {
            self.drain();
        }
    }

    fn commit(&mut self, pending: Pending<E>) {
        if pending.has_events {
            self.committed = Arc::clone(&pending.after);
            self.handle.publish(Arc::clone(&pending.after));
        }
        if pending.stores_state {
            self.stored_version = pending.after.version;
        }
        pending.finish();
    }

    /// Answers those at the front that need no commit of their own.
    fn answer_waiting(&mut self) {
        while self
            .pending
            .front()
            .is_some_and(|front| front.ticket.is_none())
        {
            if let Some(pending) = self.pending.pop_front() {
                pending.finish();
            }
        }
    }

    fn claim_lost(&mut self, mut pending: Pending<E>, index: usize) {
        self.renew_generation();
        let rest = std::mem::take(&mut self.pending);
        if index < pending.losses.len() {
            let rejection = pending.losses.swap_remove(index);
            let before = Arc::clone(&self.committed);
            let at = Utc::now().trunc_subsecs(3);
            self.refuse(before, rejection, pending.call, at);
        } else {
            let why = "a claim was lost that was never made".to_owned();
            pending.call.answer(Err(Error::Unavailable(why)));
        }
        self.decide_each(rest);
    }

    /// Decides everything under way again: something before it was dropped.
    fn decide_again(&mut self) {
        self.renew_generation();
        let rest = std::mem::take(&mut self.pending);
        self.decide_each(rest);
    }

    /// What is decided from now on does not rest on what was dropped.
    fn renew_generation(&mut self) {
        self.generation = self.kind.node.generations.fetch_add(1, Ordering::Relaxed) + 1;
    }

    fn decide_each(&mut self, rest: VecDeque<Pending<E>>) {
        for pending in rest {
            self.called(pending.call);
        }
    }

    /// Stops deciding; once nothing is under way, loads the state again.
    fn drain(&mut self) {
        self.mode = Mode::Draining;
        while self
            .pending
            .front()
            .is_some_and(|front| front.ticket.is_none())
        {
            if let Some(pending) = self.pending.pop_front() {
                self.stash.push_back(pending.call);
            }
        }
        if self.pending.is_empty() {
            self.mode = Mode::Loading;
            self.load(false);
        }
    }
}

impl<E: Entity> Pending<E> {
    fn finish(self) {
        drop(self.committing);
        let answer = match self.answer {
            Answer::Done => Ok(Reply::Done(self.after)),
            Answer::Refused(rejection) => Ok(Reply::Refused(rejection)),
            Answer::Stale => Err(Error::Stale {
                actual: self.after.version,
            }),
        };
        self.call.answer(answer);
    }
}

fn decide<E: Entity>(
    before: &Arc<Versioned<E>>,
    call: &Call<E>,
    at: DateTime<Utc>,
) -> Result<Decision<E>, decision::Refusal<E::Rejection>> {
    let context = Context {
        entity: before.id,
        version: before.version,
        tenant: call.meta.tenant,
        now: at,
        principal: call.meta.principal.to_string(),
        request_id: call.meta.request_id.to_string(),
    };
    let mut decision = match &call.order {
        Order::Command(command) => decision::make(before, command, &context)?,
        Order::Timer { name, at } => {
            let mut timers = before.state.timers().into_iter();
            match timers.find(|timer| timer.name == *name && timer.at == *at) {
                Some(timer) => decision::make(before, &timer.command, &context)?,
                // The state has moved on: nothing but the stored timer is left to clear.
                None => Decision::nothing(before),
            }
        }
    };
    decision.clear_fired(&call.order);
    Ok(decision)
}

fn broken(is_damaged: bool, why: &str) -> Error {
    if is_damaged {
        Error::Damaged(why.to_owned())
    } else {
        Error::Unavailable(why.to_owned())
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}
