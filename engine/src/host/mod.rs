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

mod decide;
mod settle;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tracing::Span;

use crate::admission::{Inside, Permit};
use crate::committer::{Failure, Sink};
use crate::entity::{Entity, Versioned};
use crate::envelope::Meta;
use crate::error::Error;
use crate::faults;
use crate::journal::Outcome;
use crate::kind::{Broken, Handle, Kind};
use crate::loader::Loaded;
use crate::panics;
use crate::router::Reply;

/// How long what does not exist stays in memory: whoever asked may be about to create it.
const LINGER: Duration = Duration::from_secs(1);

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
        let outcome = match &answer {
            Ok(Reply::Done(_)) => "done",
            Ok(Reply::Refused(_)) => "refused",
            Ok(Reply::Seen(_)) => "seen",
            Err(_) => "failed",
        };
        metrics::counter!("quenty_decisions_total", "kind" => E::KIND, "outcome" => outcome)
            .increment(1);
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
    /// Leave the memory if the entity still does not exist.
    Leave,
}

/// What a host is started with.
pub(crate) struct Arguments<E: Entity> {
    pub(crate) kind: Arc<Kind<E>>,
    pub(crate) handle: Arc<Handle<E>>,
    pub(crate) origin: Origin,
}

/// Where the state of an entity comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// There is nothing yet: its id was made a moment ago.
    New,
    /// The journal.
    Stored,
    /// The journal, after a former host died: its commits under way are waited for.
    Recovered,
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
            origin,
        } = arguments;
        let mut state = State {
            committed: Arc::new(crate::loader::absent(handle.id)),
            stored_version: 0,
            state_bytes: Arc::default(),
            is_state_due: false,
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
        // Before it can be loaded, or leave: nobody is to find a host that has gone already.
        state.kind.enter(&state.handle, state.myself.clone());
        match origin {
            Origin::New => state.begin(Loaded::nothing(state.handle.id)),
            Origin::Stored | Origin::Recovered => state.load(origin),
        }
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
            Message::Leave => {
                state.leave();
                return Ok(());
            }
        }
        state.linger();
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
    Broken(Broken),
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
    /// It is another company's.
    NotFound,
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
    /// How long the text of the full state was when it was last read or written.
    state_bytes: Arc<AtomicU64>,
    /// Whether that state is of no use, so that the next decision stores another.
    is_state_due: bool,
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
            Mode::Broken(broken) => {
                call.answer(Err(broken.into()));
                self.end_if_unused();
            }
        }
    }

    /// Loads the state in the background; the result comes as a message.
    fn load(&self, origin: Origin) {
        let (kind, id, myself) = (Arc::clone(&self.kind), self.handle.id, self.myself.clone());
        tokio::spawn(async move {
            let load = async {
                if origin == Origin::Recovered {
                    kind.context.committer.barrier().await?;
                }
                let loaded = kind.context.loader.load::<E>(id).await;
                faults::reach("loading", [(E::KIND, "")]);
                loaded
            };
            // Old events and states run through the domain's code here.
            let result = AssertUnwindSafe(load).catch_unwind().await;
            let result = result.unwrap_or_else(|panic| {
                let what = panics::text(panic.as_ref());
                Err(Error::Damaged(format!(
                    "replaying {} {id} panicked: {what}",
                    E::KIND
                )))
            });
            let _ = myself.send_message(Message::Loaded(result));
        });
    }

    fn loaded(&mut self, result: Result<Loaded<E>, Error>) {
        match result {
            Ok(loaded) => self.begin(loaded),
            Err(error) => self.give_up(&error),
        }
    }

    fn begin(&mut self, loaded: Loaded<E>) {
        self.renew_generation();
        self.committed = Arc::new(loaded.entity);
        self.stored_version = loaded.stored_version;
        self.state_bytes
            .store(loaded.state_bytes, Ordering::Relaxed);
        self.is_state_due = loaded.is_state_due;
        self.handle.publish(Arc::clone(&self.committed));
        self.mode = Mode::Ready;
        for call in std::mem::take(&mut self.stash) {
            self.called(call);
        }
    }

    /// Lets what does not exist go after a while.
    fn linger(&self) {
        let is_idle = matches!(self.mode, Mode::Ready) && self.pending.is_empty();
        if is_idle && self.committed.version == 0 {
            self.myself.send_after(LINGER, || Message::Leave);
        }
    }

    fn give_up(&mut self, error: &Error) {
        tracing::error!(kind = E::KIND, id = %self.handle.id, %error, "cannot be loaded");
        let broken = Broken::of(error);
        self.mode = Mode::Broken(broken.clone());
        // Whoever comes from now on is told why, until another host tries again.
        self.handle.give_up(broken);
        for call in std::mem::take(&mut self.stash) {
            self.called(call);
        }
        self.end_if_unused();
    }

    /// Nothing is kept for what does not exist, unless somebody is creating it.
    fn leave(&self) {
        if self.committed.version == 0 {
            self.kind.dismiss(&self.handle);
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

    /// What is decided from now on does not rest on what was dropped.
    fn renew_generation(&mut self) {
        self.generation = self.kind.node.generations.fetch_add(1, Ordering::Relaxed) + 1;
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
            self.load(Origin::Stored);
        }
    }
}

impl<E: Entity> Drop for State<E> {
    /// However the host ends: unless it was let go, commits of it may be under way, and nobody is
    /// to find it any more.
    fn drop(&mut self) {
        if !self.handle.door.is_closed() {
            self.kind.bury(&self.handle);
        }
    }
}
