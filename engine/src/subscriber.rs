//! Runs the policies of a context: reads its feed from a stored position, sends what they want
//! sent, and parks what cannot be handled.
//!
//! Delivery is at least once; the request key of every command, made of the policy's name and the
//! event's id, makes its effect happen once. Events are handled side by side, so that an event that
//! cannot be handled holds back only its own saga. The stored position is the one up to which
//! everything is handled or parked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::committer::{Committer, Note};
use crate::config::Config;
use crate::envelope::{Meta, Recorded, RequestKey, Shard};
use crate::error::Error;
use crate::feed::{Positions, Reader};
use crate::journal::{Checkpoint, Lease, Parked};
use crate::kind::{AnyKind, Delivered};
use crate::policy::{Outgoing, Policy};

/// The name under which policies store their position and what they park.
pub(crate) const POLICIES: &str = "policies";
/// The first pause between attempts; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Handles events of one context with its policies.
pub(crate) struct Subscriber {
    pub(crate) context: &'static str,
    pub(crate) policies: Vec<Policy>,
    pub(crate) kinds: Arc<HashMap<&'static str, Arc<dyn AnyKind>>>,
    pub(crate) committer: Committer,
    pub(crate) config: Config,
}

impl Subscriber {
    /// Follows the feed until it is aborted.
    pub(crate) async fn run(self: Arc<Self>, mut reader: Reader, from: Positions) {
        let room = Arc::new(Semaphore::new(self.config.policy_concurrency));
        let (done, handled) = mpsc::channel(self.config.policy_concurrency.max(1));
        let keeper = Keeper {
            subscriber: Arc::clone(&self),
            progress: Progress::new(from),
        };
        // Aborted with this task, since it owns the only other end of the channel.
        let keeping = tokio::spawn(keeper.run(handled));
        loop {
            match reader.next().await {
                Ok(events) => {
                    for event in events {
                        self.take(event, &room, &done).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(context = self.context, %error, "policies cannot read the feed");
                    tokio::time::sleep(FIRST_PAUSE * 10).await;
                }
            }
            if keeping.is_finished() {
                return;
            }
        }
    }

    /// Handles one event: at once if no policy cares, else in a task of its own.
    async fn take(
        self: &Arc<Self>,
        event: Arc<Recorded>,
        room: &Arc<Semaphore>,
        done: &mpsc::Sender<(Shard, u64)>,
    ) {
        let place = (event.shard, event.seq);
        let (outgoing, unreadable) = self.react(&event);
        if outgoing.is_empty() && unreadable.is_none() {
            let _ = done.send(place).await;
            return;
        }
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return;
        };
        let (subscriber, done) = (Arc::clone(self), done.clone());
        tokio::spawn(async move {
            subscriber
                .handle(&event, outgoing, unreadable, permit)
                .await;
            let _ = done.send(place).await;
        });
    }

    /// What the policies want sent, with the key of each command; and why one could not say.
    fn react(&self, event: &Recorded) -> (Vec<(String, Policy, Outgoing)>, Option<String>) {
        let mut wanted = Vec::new();
        for policy in &self.policies {
            match (policy.react)(event) {
                Ok(outgoing) => {
                    wanted.extend(outgoing.into_iter().enumerate().map(|(index, outgoing)| {
                        (format!("{}/{index}", event.id()), *policy, outgoing)
                    }))
                }
                Err(error) => return (Vec::new(), Some(format!("{error}: {}", error.source))),
            }
        }
        (wanted, None)
    }

    async fn handle(
        &self,
        event: &Recorded,
        outgoing: Vec<(String, Policy, Outgoing)>,
        unreadable: Option<String>,
        _permit: OwnedSemaphorePermit,
    ) {
        let mut reason = unreadable;
        for (key, policy, outgoing) in &outgoing {
            if let Err(why) = self.deliver(event, key, *policy, outgoing).await {
                reason = Some(format!("{}: {why}", policy.name));
            }
        }
        if let Some(reason) = reason {
            self.park(event, reason).await;
        }
    }

    /// Sends a command until it has had its effect, for as long as only the machinery is in the
    /// way; gives up when the command itself is.
    async fn deliver(
        &self,
        event: &Recorded,
        key: &str,
        policy: Policy,
        outgoing: &Outgoing,
    ) -> Result<(), String> {
        let kind = self
            .kinds
            .get(outgoing.kind)
            .ok_or("an addressee of unknown kind")?;
        let (mut attempts, mut pause) = (0, FIRST_PAUSE);
        loop {
            let meta = self.meta(event, key, policy);
            match kind
                .deliver(outgoing.entity, outgoing.command.as_ref(), meta)
                .await
            {
                Ok(Delivered::Done) => return Ok(()),
                Ok(Delivered::Refused(why)) => return Err(format!("refused: {why}")),
                Err(
                    error @ (Error::Panicked(_)
                    | Error::Damaged(_)
                    | Error::UnknownKind(_)
                    | Error::NotFound
                    | Error::Stale { .. }),
                ) => {
                    attempts += 1;
                    if attempts >= self.config.policy_attempts {
                        return Err(error.to_string());
                    }
                }
                Err(
                    Error::Overloaded { .. }
                    | Error::Late
                    | Error::Timeout
                    | Error::Unavailable(_)
                    | Error::InDoubt(_),
                ) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn meta(&self, event: &Recorded, key: &str, policy: Policy) -> Meta {
        let principal = format!("policy:{}", policy.name);
        let request = RequestKey {
            scope: principal.clone(),
            key: key.to_owned(),
            body_hash: 0,
            is_client: false,
        };
        let within = self.config.policy_timeout();
        Meta {
            request: Some(request),
            cause: Some(event.id()),
            ..Meta::new(
                event.tenant,
                principal,
                Arc::clone(&event.request_id),
                within,
            )
        }
    }

    async fn park(&self, event: &Recorded, reason: String) {
        tracing::error!(
            context = self.context, event = event.id(), name = %event.name, reason,
            "an event was parked"
        );
        metrics::counter!("quenty_parked_total", "context" => self.context).increment(1);
        let parked = Parked {
            subscriber: POLICIES.into(),
            event: event.clone(),
            reason,
            attempts: 1,
            at: Utc::now(),
        };
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.committer.note(Note::Park(parked.clone())).await {
            tracing::warn!(context = self.context, %error, "cannot park an event yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Handles a parked event again; it stays parked if that fails again.
    pub(crate) async fn retry(&self, parked: &Parked) -> Result<(), Error> {
        let (outgoing, unreadable) = self.react(&parked.event);
        let mut failure = unreadable;
        for (key, policy, outgoing) in &outgoing {
            // The key of the first attempt holds its refusal, so a retry needs one of its own. It
            // is safe for a command that was done before: commands of policies have their effect
            // once by construction as well.
            let key = format!("{key}#{}", parked.attempts);
            if let Err(why) = self.deliver(&parked.event, &key, *policy, outgoing).await {
                failure = Some(format!("{}: {why}", policy.name));
            }
        }
        let note = match failure {
            Some(reason) => Note::Park(Parked {
                reason,
                attempts: parked.attempts + 1,
                at: Utc::now(),
                ..parked.clone()
            }),
            None => Note::Unpark {
                subscriber: parked.subscriber.clone(),
                event: parked.event.id(),
            },
        };
        self.committer.note(note).await
    }
}

/// Stores how far the events are handled.
struct Keeper {
    subscriber: Arc<Subscriber>,
    progress: Progress,
}

impl Keeper {
    async fn run(mut self, mut handled: mpsc::Receiver<(Shard, u64)>) {
        let every = Duration::from_millis(self.subscriber.config.checkpoint_ms.max(1));
        let mut ticks = tokio::time::interval(every);
        loop {
            tokio::select! {
                place = handled.recv() => match place {
                    Some((shard, seq)) => self.progress.handled(shard, seq),
                    None => break,
                },
                _ = ticks.tick() => self.store().await,
            }
        }
        self.store().await;
    }

    async fn store(&mut self) {
        let moved = self.progress.moved();
        if moved.is_empty() {
            return;
        }
        let checkpoints = moved
            .iter()
            .map(|&(shard, seq)| Checkpoint {
                subscriber: POLICIES.into(),
                lease: Lease { shard, epoch: 0 },
                seq,
            })
            .collect();
        match self
            .subscriber
            .committer
            .note(Note::Checkpoints(checkpoints))
            .await
        {
            Ok(()) => self.progress.stored(&moved),
            // Nothing is lost: the events up to here would be handled again, to no effect.
            Err(error) => tracing::warn!(%error, "cannot store how far policies have come"),
        }
    }
}

/// Up to where everything is handled, per shard.
struct Progress {
    shards: BTreeMap<Shard, ShardProgress>,
    changed: BTreeSet<Shard>,
}

#[derive(Default)]
struct ShardProgress {
    all_up_to: u64,
    beyond: BTreeSet<u64>,
}

impl Progress {
    fn new(from: Positions) -> Self {
        let shards = from.into_iter().map(|(shard, all_up_to)| {
            (
                shard,
                ShardProgress {
                    all_up_to,
                    beyond: BTreeSet::new(),
                },
            )
        });
        Self {
            shards: shards.collect(),
            changed: BTreeSet::new(),
        }
    }

    fn handled(&mut self, shard: Shard, seq: u64) {
        let progress = self.shards.entry(shard).or_default();
        progress.beyond.insert(seq);
        while progress.beyond.remove(&(progress.all_up_to + 1)) {
            progress.all_up_to += 1;
            self.changed.insert(shard);
        }
    }

    fn moved(&self) -> Vec<(Shard, u64)> {
        let position = |shard: &Shard| Some((*shard, self.shards.get(shard)?.all_up_to));
        self.changed.iter().filter_map(position).collect()
    }

    fn stored(&mut self, moved: &[(Shard, u64)]) {
        for (shard, seq) in moved {
            if self
                .shards
                .get(shard)
                .is_some_and(|progress| progress.all_up_to == *seq)
            {
                self.changed.remove(shard);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_never_passes_an_event_that_is_not_handled() {
        let shard = Shard(3);
        let mut progress = Progress::new(Positions::from([(shard, 10)]));
        progress.handled(shard, 12);
        progress.handled(shard, 13);
        assert_eq!(progress.moved(), []);
        progress.handled(shard, 11);
        assert_eq!(progress.moved(), [(shard, 13)]);
        progress.handled(shard, 14);
        progress.stored(&[(shard, 13)]);
        assert_eq!(progress.moved(), [(shard, 14)]);
    }
}
