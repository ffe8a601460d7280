//! Leases as the last commits left them.

use std::sync::{Mutex, PoisonError};

use engine::Shard;

use super::commit::Leases;

/// What can be planned with before the leases are locked, since writing checks them. Whatever is
/// being written is taken out, so that nothing is left here of a commit whose end is not known.
#[derive(Default)]
pub(super) struct Seen(Mutex<Leases>);

impl Seen {
    /// Takes the leases of shards out; `None` unless all of them are known.
    pub(super) fn take(&self, shards: &[Shard]) -> Option<Leases> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: Leases = shards
            .iter()
            .filter_map(|shard| Some((*shard, all.remove(shard)?)))
            .collect();
        (taken.len() == shards.len()).then_some(taken)
    }

    pub(super) fn put(&self, leases: Leases) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(leases);
    }
}
