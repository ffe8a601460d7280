//! Group commit: the decisions of many entities share one transaction and one fsync.
//!
//! One committer owns the writing side of a context. It has as many lanes as the journal can commit
//! at the same time, each for some of the shards. A lane takes what has come together while its last
//! transaction was under way, without waiting for more, commits it, announces the events and tells
//! the hosts. A decision that rested on one that was dropped is dropped as well, whether it
//! is in the same batch or still in the queue: its host decides it again.

mod drops;
mod health;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};
use tracing::{Span, dispatcher};
use uuid::Uuid;

use self::drops::Drops;
use self::health::Doubt;
use self::task::Task;
use crate::config::Config;
use crate::displaced::Displaced;
use crate::envelope::Shard;
use crate::error::Error;
use crate::feed::Feed;
use crate::journal::{Append, Checkpoint, Journal, Lease, NewAnswer, Outcome, Parked};

/// Why a decision was not committed for reasons that are not its own.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Nothing was written.
    Unavailable(String),
    /// The journal refuses this very decision, which will be no better another time.
    Refused(String),
    /// What is stored of this very decision's surroundings is damaged; nothing was written.
    Damaged(String),
    /// It is not known; the former transaction has ended since, so a reload tells.
    InDoubt(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(why) => Self::Unavailable(why),
            Failure::Refused(why) => Self::Panicked(format!("writing it down: {why}")),
            Failure::Damaged(what) => Self::Damaged(what),
            Failure::InDoubt(why) => Self::InDoubt(why),
        }
    }
}

/// Where the committer tells a host what became of its decision.
pub(crate) trait Sink: Send + Sync {
    fn settled(&self, ticket: u64, result: Result<Outcome, Failure>);
}

/// A decision on its way to the journal.
pub(crate) struct Submission {
    pub(crate) append: Append,
    pub(crate) ticket: Ticket,
}

/// Identifies a decision to its host.
pub(crate) struct Ticket {
    pub(crate) number: u64,
    /// Which life of the host's state it rests on: dropped with everything of the same life.
    pub(crate) generation: u64,
    pub(crate) sink: Arc<dyn Sink>,
    /// From the decision to the durable commit, for traces.
    pub(crate) span: Span,
}

/// What is not a decision of an entity, but shares the transaction.
pub(crate) enum Note {
    Answer(NewAnswer),
    Checkpoints(Vec<Checkpoint>),
    Park(Parked),
    Unpark { subscriber: String, event: String },
}

enum Work {
    Submission(Box<Submission>),
    Note(Box<Note>, oneshot::Sender<Result<(), Error>>),
    /// Answered when everything before it is settled.
    Barrier(oneshot::Sender<()>),
}

/// The epochs under which this node writes, per shard; 0 where it does not.
pub(crate) struct Leases(Vec<AtomicU64>);

impl Leases {
    pub(crate) fn new(shards: u16) -> Self {
        Self((0..shards).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn set(&self, leases: &[Lease]) {
        for lease in leases {
            if let Some(epoch) = self.0.get(usize::from(lease.shard.0)) {
                epoch.store(lease.epoch, Ordering::Release);
            }
        }
    }

    pub(crate) fn get(&self, shard: Shard) -> Lease {
        let epoch = self
            .0
            .get(usize::from(shard.0))
            .map_or(0, |it| it.load(Ordering::Acquire));
        Lease { shard, epoch }
    }
}

/// A handle to a context's committer.
#[derive(Clone)]
pub(crate) struct Committer {
    context: &'static str,
    /// A shard's is that of its number modulo how many there are.
    lanes: Arc<[Lane]>,
    /// How long a note may take: its turn may come after a commit that times out.
    patience: Duration,
}

struct Lane {
    queue: mpsc::Sender<Work>,
    doubt: Doubt,
}

impl Committer {
    /// Takes all shards over and starts a committer; it ends when every handle is gone and its queue
    /// is empty.
    ///
    /// # Errors
    /// When the journal cannot be taken over, or the system gives no thread.
    pub(crate) async fn start(
        context: &'static str,
        node: Uuid,
        journal: Arc<dyn Journal>,
        leases: Arc<Leases>,
        feed: Arc<Feed>,
        displaced: Displaced,
        config: &Config,
    ) -> Result<Self, Error> {
        // Admission bounds what clients have under way; policies, timers and notes come on top.
        let room = config.node_pending_max + 2 * config.policy_concurrency + 1_024;
        let mut lanes = Vec::new();
        for number in 0..journal.writers().max(1) {
            let (queue, inbox) = mpsc::channel(room);
            let doubt = Doubt::default();
            let task = Task {
                context,
                doubt: doubt.clone(),
                node,
                journal: Arc::clone(&journal),
                leases: Arc::clone(&leases),
                feed: Arc::clone(&feed),
                displaced: displaced.clone(),
                inbox,
                batch_max: config.batch_max,
                timeout: config.commit_timeout(),
                dropped: Drops::default(),
            };
            // The first lane does so for all of them.
            let takes_over = number == 0;
            run_apart(task, takes_over).await?;
            lanes.push(Lane { queue, doubt });
        }
        Ok(Self {
            context,
            lanes: lanes.into(),
            patience: 3 * config.commit_timeout(),
        })
    }

    fn lane(&self, shard: Shard) -> usize {
        usize::from(shard.0) % self.lanes.len()
    }

    /// Whether what is handed over can be expected to be written.
    ///
    /// # Errors
    /// When a task is dead, or has been in doubt for long.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let context = self.context;
        self.lanes.iter().try_for_each(|lane| {
            // While there is a handle, the task ends only by a panic.
            if lane.queue.is_closed() {
                let why = format!("the committer of the context {context} is dead; restart");
                return Err(Error::Unavailable(why));
            }
            lane.doubt.check(context)
        })
    }

    /// Hands a decision over without waiting.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), Error> {
        self.lanes[self.lane(submission.append.lease.shard)]
            .queue
            .try_send(Work::Submission(Box::new(submission)))
            .map_err(|_| Error::Unavailable("the committer takes no more".into()))
    }

    /// Writes a note and waits until it is durable, but not for ever.
    pub(crate) async fn note(&self, note: Note) -> Result<(), Error> {
        let notes = self.by_lane(note).into_iter();
        let written = try_join_all(notes.map(|(lane, note)| self.lanes[lane].note(note)));
        let written = tokio::time::timeout(self.patience, written).await;
        written.unwrap_or(Err(Error::Timeout)).map(drop)
    }

    /// Checkpoints go where their shards' events do, anything else to the first lane.
    fn by_lane(&self, note: Note) -> BTreeMap<usize, Note> {
        let Note::Checkpoints(checkpoints) = note else {
            return BTreeMap::from([(0, note)]);
        };
        let mut by_lane = BTreeMap::<_, Vec<_>>::new();
        for point in checkpoints {
            let lane = self.lane(point.lease.shard);
            by_lane.entry(lane).or_default().push(point);
        }
        let notes = by_lane.into_iter();
        notes
            .map(|(lane, points)| (lane, Note::Checkpoints(points)))
            .collect()
    }

    /// Waits until everything handed over before is settled.
    pub(crate) async fn barrier(&self) -> Result<(), Error> {
        let passed = self.lanes.iter().map(Lane::barrier);
        try_join_all(passed).await.map(drop)
    }
}

impl Lane {
    async fn note(&self, note: Note) -> Result<(), Error> {
        let (done, result) = oneshot::channel();
        self.send(Work::Note(Box::new(note), done)).await?;
        result.await.map_err(|_| stopped())?
    }

    async fn barrier(&self) -> Result<(), Error> {
        let (done, passed) = oneshot::channel();
        self.send(Work::Barrier(done)).await?;
        passed.await.map_err(|_| stopped())
    }

    async fn send(&self, work: Work) -> Result<(), Error> {
        self.queue.send(work).await.map_err(|_| stopped())
    }
}

/// Runs a lane on a thread of its own, once it has taken the shards over if it is to. A commit is
/// some exchanges with the database, one after the other, and everybody waits for it: among the
/// other tasks it would wait each time for its turn behind hundreds of them, for half of its time.
/// The connection is made here, too, since it is served by the runtime that made it.
///
/// Where there is one thread in all, everything stays on it: with its clock paused, a seed decides
/// the whole schedule.
async fn run_apart(task: Task, takes_over: bool) -> Result<(), Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        if takes_over {
            task.take_over().await?;
        }
        tokio::spawn(task.run());
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| no_thread(&error))?;
    let (started, result) = oneshot::channel();
    let run = async move {
        let taken = if takes_over {
            task.take_over().await
        } else {
            Ok(())
        };
        let is_taken = taken.is_ok();
        // Whoever starts the engine may have gone away; then all handles have, too.
        let _ = started.send(taken);
        if is_taken {
            task.run().await;
        }
    };
    // Spans go where those of whoever starts the engine go.
    let traces = dispatcher::get_default(Clone::clone);
    std::thread::Builder::new()
        .name("committer".into())
        .spawn(move || dispatcher::with_default(&traces, || runtime.block_on(run)))
        .map_err(|error| no_thread(&error))?;
    result.await.map_err(|_| stopped())?
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::Unavailable(format!("no thread for a committer: {error}"))
}

fn stopped() -> Error {
    Error::Unavailable("the engine is stopping".into())
}
