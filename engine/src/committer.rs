//! Group commit: the decisions of many entities share one transaction and one fsync.
//!
//! One committer owns the writing side of a context. It takes what has come together while the
//! last transaction was under way, without waiting for more, commits it, announces the events and
//! tells the hosts. A decision that rested on one that was dropped is dropped as well, whether it
//! is in the same batch or still in the queue: its host decides it again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::config::Config;
use crate::envelope::{EntityKey, Recorded, Shard};
use crate::error::Error;
use crate::feed::Feed;
use crate::journal::{self, Append, Batch, Checkpoint, Journal, Lease, NewAnswer, Outcome, Parked};

/// How long a dropped generation is remembered: far longer than a queue takes to drain.
const MEMORY_OF_DROPS: Duration = Duration::from_secs(120);

/// Why a decision was not committed for reasons that are not its own.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// Nothing was written.
    Unavailable(String),
    /// It is not known; the former transaction has ended since, so a reload tells.
    InDoubt(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(why) => Self::Unavailable(why),
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
    queue: mpsc::Sender<Work>,
}

impl Committer {
    /// Starts a committer; it ends when every handle is gone and its queue is empty.
    pub(crate) fn start(
        context: &'static str,
        node: Uuid,
        journal: Arc<dyn Journal>,
        leases: Arc<Leases>,
        feed: Arc<Feed>,
        config: &Config,
    ) -> Self {
        // Admission bounds what clients have under way; policies, timers and notes come on top.
        let room = config.node_pending_max + 2 * config.policy_concurrency + 1_024;
        let (queue, inbox) = mpsc::channel(room);
        let task = Task {
            context,
            node,
            journal,
            leases,
            feed,
            inbox,
            batch_max: config.batch_max,
            timeout: config.commit_timeout(),
            dropped: HashMap::new(),
        };
        tokio::spawn(task.run());
        Self { queue }
    }

    /// Hands a decision over without waiting.
    pub(crate) fn submit(&self, submission: Submission) -> Result<(), Error> {
        self.queue
            .try_send(Work::Submission(Box::new(submission)))
            .map_err(|_| Error::Unavailable("the committer takes no more".into()))
    }

    /// Writes a note and waits until it is durable.
    pub(crate) async fn note(&self, note: Note) -> Result<(), Error> {
        let (done, result) = oneshot::channel();
        self.send(Work::Note(Box::new(note), done)).await?;
        result.await.map_err(|_| stopped())?
    }

    /// Waits until everything handed over before is settled.
    pub(crate) async fn barrier(&self) -> Result<(), Error> {
        let (done, passed) = oneshot::channel();
        self.send(Work::Barrier(done)).await?;
        passed.await.map_err(|_| stopped())
    }

    async fn send(&self, work: Work) -> Result<(), Error> {
        self.queue.send(work).await.map_err(|_| stopped())
    }
}

fn stopped() -> Error {
    Error::Unavailable("the engine is stopping".into())
}

struct Task {
    context: &'static str,
    node: Uuid,
    journal: Arc<dyn Journal>,
    leases: Arc<Leases>,
    feed: Arc<Feed>,
    inbox: mpsc::Receiver<Work>,
    batch_max: usize,
    timeout: Duration,
    /// Entities with a dropped decision: what rests on that generation or an older one goes too.
    dropped: HashMap<EntityKey, (u64, Instant)>,
}

type Notes = Vec<(Note, oneshot::Sender<Result<(), Error>>)>;

impl Task {
    async fn run(mut self) {
        let mut works = Vec::with_capacity(self.batch_max);
        while self.inbox.recv_many(&mut works, self.batch_max).await > 0 {
            let (mut submissions, mut notes, mut barriers) = (Vec::new(), Vec::new(), Vec::new());
            for work in works.drain(..) {
                match work {
                    Work::Submission(submission) => submissions.push(*submission),
                    Work::Note(note, done) => notes.push((*note, done)),
                    Work::Barrier(done) => barriers.push(done),
                }
            }
            self.commit(submissions, notes).await;
            for barrier in barriers {
                let _ = barrier.send(());
            }
        }
    }

    /// Commits everything, in halves where the journal refuses the whole: one bad decision never
    /// harms its neighbours.
    async fn commit(&mut self, submissions: Vec<Submission>, notes: Notes) {
        let mut rest = vec![(submissions, notes)];
        while let Some((submissions, notes)) = rest.pop() {
            let mut submissions = self.without_dropped(submissions);
            if submissions.is_empty() && notes.is_empty() {
                continue;
            }
            let (batch, tickets) = self.batch(&mut submissions, &notes);
            match self.try_commit(&batch).await {
                Ok(outcomes) => self.committed(batch, tickets, outcomes, notes),
                Err(journal::Error::Refused(why)) if batch.appends.len() + notes.len() > 1 => {
                    tracing::warn!(
                        context = self.context,
                        why,
                        "batch refused; trying in halves"
                    );
                    let mut first: Vec<_> = batch
                        .appends
                        .into_iter()
                        .zip(tickets)
                        .map(|(append, ticket)| Submission { append, ticket })
                        .collect();
                    let second = first.split_off(first.len() / 2);
                    // Later decisions come last: they may rest on earlier ones.
                    rest.extend(notes.into_iter().map(|note| (Vec::new(), vec![note])));
                    rest.push((second, Vec::new()));
                    rest.push((first, Vec::new()));
                }
                Err(error) => self.failed(batch, tickets, notes, error).await,
            }
        }
    }

    /// Tells the hosts of decisions that rest on a dropped one, and returns the others.
    fn without_dropped(&mut self, submissions: Vec<Submission>) -> Vec<Submission> {
        let (kept, gone): (Vec<_>, Vec<_>) = submissions.into_iter().partition(|submission| {
            let ticket = &submission.ticket;
            match self.dropped.get(&submission.append.key) {
                Some((generation, _)) if ticket.generation <= *generation => false,
                Some(_) => {
                    self.dropped.remove(&submission.append.key);
                    true
                }
                None => true,
            }
        });
        for submission in gone {
            let ticket = submission.ticket;
            ticket.sink.settled(ticket.number, Ok(Outcome::Superseded));
        }
        kept
    }

    fn batch(&self, submissions: &mut Vec<Submission>, notes: &Notes) -> (Batch, Vec<Ticket>) {
        let mut batch = Batch::default();
        let mut tickets = Vec::with_capacity(submissions.len());
        for Submission { mut append, ticket } in submissions.drain(..) {
            // Stamped here and not by the host: the epoch may have been raised by this very node.
            append.lease = self.leases.get(append.lease.shard);
            batch.appends.push(append);
            tickets.push(ticket);
        }
        for (note, _) in notes {
            match note {
                Note::Answer(answer) => batch.answers.push(answer.clone()),
                Note::Checkpoints(checkpoints) => {
                    batch
                        .checkpoints
                        .extend(checkpoints.iter().cloned().map(|mut checkpoint| {
                            checkpoint.lease = self.leases.get(checkpoint.lease.shard);
                            checkpoint
                        }));
                }
                Note::Park(parked) => batch.parks.push(parked.clone()),
                Note::Unpark { subscriber, event } => {
                    batch.unparks.push((subscriber.clone(), event.clone()));
                }
            }
        }
        (batch, tickets)
    }

    async fn try_commit(&self, batch: &Batch) -> Result<Vec<Outcome>, journal::Error> {
        let started = Instant::now();
        let result = tokio::time::timeout(self.timeout, self.journal.commit(batch)).await;
        metrics::histogram!("quenty_commit_seconds", "context" => self.context)
            .record(started.elapsed());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch is far smaller than 2^52"
        )]
        metrics::histogram!("quenty_commit_decisions", "context" => self.context)
            .record(batch.appends.len() as f64);
        result.unwrap_or_else(|_| {
            Err(journal::Error::InDoubt(format!(
                "no answer within {:?}",
                self.timeout
            )))
        })
    }

    fn committed(
        &mut self,
        batch: Batch,
        tickets: Vec<Ticket>,
        outcomes: Vec<Outcome>,
        notes: Notes,
    ) {
        let mut events = Vec::new();
        for (append, outcome) in batch.appends.iter().zip(&outcomes) {
            if let Outcome::Committed { first_seq } = outcome {
                events.extend(recorded(append, *first_seq));
            }
        }
        // Appends of one shard were numbered in their order, so the batch is in feed order.
        self.feed.publish(events);
        for ((append, ticket), outcome) in batch.appends.into_iter().zip(tickets).zip(outcomes) {
            if !matches!(outcome, Outcome::Committed { .. }) && !append.events.is_empty() {
                self.drop_generation(append.key, ticket.generation);
            }
            ticket.sink.settled(ticket.number, Ok(outcome));
        }
        for (_, done) in notes {
            let _ = done.send(Ok(()));
        }
    }

    async fn failed(
        &mut self,
        batch: Batch,
        tickets: Vec<Ticket>,
        notes: Notes,
        error: journal::Error,
    ) {
        tracing::error!(context = self.context, %error, decisions = tickets.len(), "commit failed");
        metrics::counter!("quenty_commit_failures_total", "context" => self.context).increment(1);
        let failure = match error {
            journal::Error::InDoubt(why) => {
                self.end_former_transaction(&batch).await;
                Failure::InDoubt(why)
            }
            other => Failure::Unavailable(other.to_string()),
        };
        for (append, ticket) in batch.appends.into_iter().zip(tickets) {
            if !append.events.is_empty() {
                self.drop_generation(append.key, ticket.generation);
            }
            ticket.sink.settled(ticket.number, Err(failure.clone()));
        }
        for (_, done) in notes {
            let _ = done.send(Err(failure.clone().into()));
        }
    }

    /// Raises the node's own epoch on the shards of a batch that is in doubt. That waits for the
    /// former transaction, so whoever reloads afterwards sees whether it happened.
    async fn end_former_transaction(&self, batch: &Batch) {
        let mut shards: Vec<Shard> = batch.appends.iter().map(|it| it.lease.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        let mut pause = Duration::from_millis(50);
        loop {
            match self.journal.take_over(self.node, &shards).await {
                Ok(leases) => return self.leases.set(&leases),
                Err(error) => {
                    tracing::warn!(context = self.context, %error, "cannot settle a doubt yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn drop_generation(&mut self, key: EntityKey, generation: u64) {
        let now = Instant::now();
        if self.dropped.len() > 1_024 {
            self.dropped
                .retain(|_, (_, at)| now.duration_since(*at) < MEMORY_OF_DROPS);
        }
        self.dropped.insert(key, (generation, now));
    }
}

/// The events of a committed append as the feed shows them.
fn recorded(append: &Append, first_seq: u64) -> impl Iterator<Item = Arc<Recorded>> + '_ {
    (0_u64..).zip(&append.events).map(move |(offset, event)| {
        Arc::new(Recorded {
            shard: append.lease.shard,
            seq: first_seq + offset,
            kind: append.key.kind.into(),
            entity: append.key.id,
            version: append.base_version + 1 + offset,
            tenant: append.tenant,
            at: append.at,
            name: event.name.into(),
            schema: event.schema,
            data: event.data.as_str().into(),
            personal: event.personal.as_deref().map(Into::into),
            principal: Arc::clone(&append.principal),
            request_id: Arc::clone(&append.request_id),
            cause: append.cause.clone(),
        })
    })
}
