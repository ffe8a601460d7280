//! Keeps the position up to which every event is handled, and stores it now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::{POLICIES, Subscriber};
use crate::committer::Note;
use crate::envelope::Shard;
use crate::faults;
use crate::feed::Positions;
use crate::journal::{Checkpoint, Lease};

/// Stores how far the events are handled.
pub(super) struct Keeper {
    subscriber: Arc<Subscriber>,
    progress: Progress,
    /// Places for events that are not handled, or not everything before them is.
    ahead: Arc<Semaphore>,
}

impl Keeper {
    pub(super) fn new(subscriber: Arc<Subscriber>, from: Positions, ahead: Arc<Semaphore>) -> Self {
        let progress = Progress::new(from);
        Self {
            subscriber,
            progress,
            ahead,
        }
    }

    /// Takes note of the places that are handled until nobody can send one any more.
    pub(super) async fn run(mut self, mut handled: mpsc::Receiver<(Shard, u64)>) {
        let every = Duration::from_millis(self.subscriber.config.checkpoint_ms.max(1));
        let mut ticks = tokio::time::interval(every);
        loop {
            tokio::select! {
                // Ticks first: however much is handled, what is stored keeps up.
                biased;
                _ = ticks.tick() => self.store().await,
                place = handled.recv() => match place {
                    Some((shard, seq)) => self.ahead.add_permits(self.progress.handled(shard, seq)),
                    None => break,
                },
            }
        }
        self.store().await;
    }

    async fn store(&mut self) {
        let moved = self.progress.moved();
        if moved.is_empty() {
            return;
        }
        faults::reach("before-checkpoint", []);
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

    /// Returns over how many events the position moved.
    fn handled(&mut self, shard: Shard, seq: u64) -> usize {
        let mut moved = 0;
        let progress = self.shards.entry(shard).or_default();
        progress.beyond.insert(seq);
        while progress.beyond.remove(&(progress.all_up_to + 1)) {
            progress.all_up_to += 1;
            moved += 1;
            self.changed.insert(shard);
        }
        moved
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
        assert_eq!(progress.handled(shard, 12), 0);
        assert_eq!(progress.handled(shard, 13), 0);
        assert_eq!(progress.moved(), []);
        assert_eq!(progress.handled(shard, 11), 3);
        assert_eq!(progress.moved(), [(shard, 13)]);
        assert_eq!(progress.handled(shard, 14), 1);
        progress.stored(&[(shard, 13)]);
        assert_eq!(progress.moved(), [(shard, 14)]);
    }
}
