//! Remembers which lives of entities' states lost a decision, so that what rests on it goes too.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::{Sink, Ticket};
use crate::envelope::EntityKey;

/// Entries up to which nothing is looked through.
const FEW: usize = 1_024;

/// Entities with a dropped decision: what rests on that generation or an older one is dropped.
///
/// Generations come from one counter of the node, and what a host hands over stays in order; so
/// the first decision of a younger generation tells that no older one of its host will follow.
#[derive(Default)]
pub(super) struct Drops {
    entries: HashMap<EntityKey, Drop>,
    /// How many entries there may be before those of hosts that are gone are looked for.
    limit: usize,
}

struct Drop {
    generation: u64,
    /// Held by the host and by each of its decisions in the queue: once it is gone, nothing that
    /// could rest on the dropped decision is left.
    sink: Weak<dyn Sink>,
}

impl Drops {
    /// Remembers that a decision was dropped.
    pub(super) fn add(&mut self, key: EntityKey, ticket: &Ticket) {
        if self.entries.len() >= self.limit.max(FEW) {
            self.entries
                .retain(|_, entry| entry.sink.strong_count() > 0);
            self.limit = 2 * self.entries.len();
        }
        let entry = Drop {
            generation: ticket.generation,
            sink: Arc::downgrade(&ticket.sink),
        };
        self.entries.insert(key, entry);
    }

    /// Whether a decision of this generation rests on nothing that was dropped.
    pub(super) fn lets_pass(&mut self, key: EntityKey, generation: u64) -> bool {
        let is_dropped = self
            .entries
            .get(&key)
            .is_some_and(|entry| generation <= entry.generation);
        if !is_dropped {
            self.entries.remove(&key);
        }
        !is_dropped
    }
}

#[cfg(test)]
mod tests {
    use tracing::Span;
    use uuid::Uuid;

    use super::*;
    use crate::committer::Failure;
    use crate::journal::Outcome;

    struct Deaf;

    impl Sink for Deaf {
        fn settled(&self, _: u64, _: Result<Outcome, Failure>) {}
    }

    fn ticket(generation: u64) -> Ticket {
        Ticket {
            number: 1,
            generation,
            sink: Arc::new(Deaf),
            span: Span::none(),
        }
    }

    fn key(id: u128) -> EntityKey {
        EntityKey {
            kind: "parcel",
            id: Uuid::from_u128(id),
        }
    }

    #[test]
    fn what_rests_on_a_dropped_decision_does_not_pass_and_what_does_not_does() {
        let mut drops = Drops::default();
        let dropped = ticket(7);
        drops.add(key(1), &dropped);
        assert!(!drops.lets_pass(key(1), 6));
        assert!(!drops.lets_pass(key(1), 7));
        assert!(drops.lets_pass(key(2), 7));
        assert!(drops.lets_pass(key(1), 8));
    }

    #[test]
    fn a_drop_is_remembered_for_as_long_as_its_host_or_a_decision_of_it_lives() {
        let mut drops = Drops::default();
        let alive = ticket(7);
        drops.add(key(0), &alive);
        for id in 1..=4 * FEW as u128 {
            drops.add(key(id), &ticket(7));
        }
        assert!(drops.entries.len() <= 2 * FEW);
        assert!(!drops.lets_pass(key(0), 7));
    }
}
