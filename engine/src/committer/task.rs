//! The task behind a committer: batches, halves, doubts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::drops::Drops;
use super::health::Doubt;
use super::{Failure, Leases, Note, Submission, Ticket, Work};
use crate::displaced::Displaced;
use crate::envelope::{Recorded, Shard};
use crate::error::Error;
use crate::faults;
use crate::feed::Feed;
use crate::journal::plan::{self, EventPlan};
use crate::journal::{self, Append, Batch, Journal, Lease, Outcome};
use crate::panics;

pub(super) struct Task {
    pub(super) context: &'static str,
    pub(super) node: Uuid,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) leases: Arc<Leases>,
    pub(super) feed: Arc<Feed>,
    pub(super) displaced: Displaced,
    pub(super) doubt: Doubt,
    pub(super) inbox: mpsc::Receiver<Work>,
    pub(super) batch_max: usize,
    pub(super) timeout: Duration,
    pub(super) dropped: Drops,
}

type Notes = Vec<(Note, oneshot::Sender<Result<(), Error>>)>;

impl Task {
    /// Makes this node the owner of all shards.
    pub(super) async fn take_over(&self) -> Result<(), Error> {
        let all: Vec<Shard> = (0..self.journal.shards()).map(Shard).collect();
        let leases = self.journal.take_over(self.node, &all).await?;
        self.leases.set(&leases);
        Ok(())
    }

    pub(super) async fn run(mut self) {
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

    /// Commits everything, in halves where the journal refuses the whole or meets damage: one bad
    /// decision, or one damaged row, never harms its neighbours.
    async fn commit(&mut self, submissions: Vec<Submission>, notes: Notes) {
        let mut rest = vec![(submissions, notes)];
        while let Some((submissions, notes)) = rest.pop() {
            let mut submissions = self.without_dropped(submissions);
            if submissions.is_empty() && notes.is_empty() {
                continue;
            }
            let (batch, tickets) = self.batch(&mut submissions, &notes);
            match self.try_commit(&batch, &tickets).await {
                Ok(outcomes) => self.committed(batch, tickets, outcomes, notes),
                Err(error @ (journal::Error::Refused(_) | journal::Error::Damaged(_)))
                    if batch.appends.len() + notes.len() > 1 =>
                {
                    tracing::warn!(context = self.context, %error, "trying in halves");
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
        let (kept, gone): (Vec<_>, Vec<_>) = submissions
            .into_iter()
            .partition(|it| self.dropped.lets_pass(it.append.key, it.ticket.generation));
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

    async fn try_commit(
        &self,
        batch: &Batch,
        tickets: &[Ticket],
    ) -> Result<Vec<Outcome>, journal::Error> {
        faults::reach_with_batch("before-append", batch);
        if faults::has_bug("acknowledge-before-commit") {
            for ticket in tickets {
                let outcome = Outcome::Committed { first_seq: 0 };
                ticket.sink.settled(ticket.number, Ok(outcome));
            }
        }
        let started = Instant::now();
        // A journal that panics must not end the context: whether it wrote is not known.
        let commit = AssertUnwindSafe(self.journal.commit(batch))
            .catch_unwind()
            .instrument(self.span(batch, tickets));
        let result = tokio::time::timeout(self.timeout, commit).await;
        metrics::histogram!("quenty_commit_seconds", "context" => self.context)
            .record(started.elapsed());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch is far smaller than 2^52"
        )]
        metrics::histogram!("quenty_commit_decisions", "context" => self.context)
            .record(batch.appends.len() as f64);
        let doubt = |why| Err(journal::Error::InDoubt(why));
        match result {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => doubt(format!("a panic: {}", panics::text(panic.as_ref()))),
            Err(_) => doubt(format!("no answer within {:?}", self.timeout)),
        }
    }

    /// A batch belongs to no request; it is linked to the commits that it carries.
    fn span(&self, batch: &Batch, tickets: &[Ticket]) -> Span {
        let decisions = batch.appends.len();
        let span = tracing::debug_span!(
            target: crate::TRACES,
            parent: None,
            "batch",
            context = self.context,
            decisions
        );
        for ticket in tickets {
            span.follows_from(&ticket.span);
        }
        span
    }

    fn committed(
        &mut self,
        batch: Batch,
        tickets: Vec<Ticket>,
        outcomes: Vec<Outcome>,
        notes: Notes,
    ) {
        faults::reach_with_batch("after-commit", &batch);
        if outcomes.contains(&Outcome::Fenced) {
            self.displaced.set(self.context);
        }
        let mut events = Vec::new();
        for (append, outcome) in batch.appends.iter().zip(&outcomes) {
            if let Outcome::Committed { first_seq } = outcome {
                events.extend(recorded(append, *first_seq));
            }
        }
        // Appends of one shard were numbered in their order, so the batch is in feed order.
        self.feed.publish(events);
        faults::reach_with_batch("before-reply", &batch);
        for ((append, ticket), outcome) in batch.appends.into_iter().zip(tickets).zip(outcomes) {
            if !matches!(outcome, Outcome::Committed { .. }) && !append.events.is_empty() {
                self.dropped.add(append.key, &ticket);
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
                self.doubt.begin();
                self.end_former_transaction(&batch).await;
                self.doubt.end();
                // What happened after all was not announced.
                self.feed.look();
                Failure::InDoubt(why)
            }
            journal::Error::Refused(why) => Failure::Refused(why),
            journal::Error::Damaged(what) => Failure::Damaged(what),
            journal::Error::Unavailable(why) => Failure::Unavailable(why),
        };
        for (append, ticket) in batch.appends.into_iter().zip(tickets) {
            if !append.events.is_empty() {
                self.dropped.add(append.key, &ticket);
            }
            ticket.sink.settled(ticket.number, Err(failure.clone()));
        }
        for (_, done) in notes {
            let _ = done.send(Err(failure.clone().into()));
        }
    }

    /// Raises the node's own epoch on the shards of a batch that is in doubt. That waits for the
    /// former transaction, so whoever reloads afterwards sees whether it happened. Shards that
    /// another process has taken over meanwhile stay with that one.
    async fn end_former_transaction(&self, batch: &Batch) {
        let shards = plan::shards(batch);
        let mut pause = Duration::from_millis(50);
        loop {
            match self.journal.renew(self.node, &shards).await {
                Ok(leases) => return self.renewed(&shards, &leases),
                Err(error) => {
                    tracing::warn!(context = self.context, %error, "cannot settle a doubt yet");
                }
            }
            if self.inbox.is_closed() {
                // The engine has stopped: whoever starts the next one takes the shards over.
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn renewed(&self, shards: &[Shard], leases: &[Lease]) {
        let none = |shard: &Shard| Lease {
            shard: *shard,
            epoch: 0,
        };
        let none: Vec<_> = shards.iter().map(none).collect();
        self.leases.set(&none);
        self.leases.set(leases);
        if leases.len() < shards.len() {
            self.displaced.set(self.context);
        }
    }
}

/// The events of a committed append as the feed shows them.
fn recorded(append: &Append, first_seq: u64) -> impl Iterator<Item = Arc<Recorded>> + '_ {
    (0_u64..).zip(&append.events).map(move |(offset, event)| {
        let planned = EventPlan {
            append,
            event,
            seq: first_seq + offset,
            version: append.base_version + 1 + offset,
            at: append.at,
        };
        Arc::new(planned.recorded())
    })
}
