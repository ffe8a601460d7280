//! Admission: counts commands under way and refuses before they queue.
//!
//! ractor's mailboxes have no bound, so the bound is kept in front of them: a permit is taken
//! before a command is sent, travels with it, and is given back when its answer is out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use uuid::Uuid;

use crate::config::Config;
use crate::envelope::Shard;
use crate::error::{Bound, Error};
use crate::faults;

/// How long a refused caller is asked to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bounds of a node.
pub(crate) struct Admission {
    node: Arc<Gate>,
    tenants: DashMap<Uuid, Arc<Gate>>,
    tenant_limit: usize,
    is_closed: AtomicBool,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            node: Arc::new(Gate::new(Bound::Node, config.node_pending_max)),
            tenants: DashMap::new(),
            tenant_limit: config.tenant_pending_max,
            is_closed: AtomicBool::new(false),
        }
    }

    /// Takes a place with the node, the company and the shard, or none at all.
    pub(crate) fn admit(&self, tenant: Uuid, shard: &Arc<Gate>) -> Result<Permit, Error> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Unavailable("the engine is stopping".into()));
        }
        let tenant = Arc::clone(
            &self
                .tenants
                .entry(tenant)
                .or_insert_with(|| Arc::new(Gate::new(Bound::Tenant, self.tenant_limit))),
        );
        let mut permit = Permit::default();
        for gate in [&tenant, shard, &self.node] {
            permit.take(gate)?;
        }
        Ok(permit)
    }

    /// Admits nothing any more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Commands under way on the node.
    pub(crate) fn under_way(&self) -> usize {
        self.node.count.load(Ordering::Relaxed)
    }

    /// Forgets companies that have nothing under way.
    pub(crate) fn forget_idle(&self) {
        self.tenants.retain(|_, gate| Arc::strong_count(gate) > 1);
    }
}

/// A counter with a limit.
pub(crate) struct Gate {
    bound: Bound,
    limit: usize,
    count: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(bound: Bound, limit: usize) -> Self {
        Self {
            bound,
            limit,
            count: AtomicUsize::new(0),
        }
    }

    pub(crate) fn for_shards(config: &Config, shards: u16) -> Vec<Arc<Self>> {
        (0..shards)
            .map(|_| Arc::new(Self::new(Bound::Shard, config.shard_pending_max)))
            .collect()
    }

    pub(crate) fn of(gates: &[Arc<Self>], shard: Shard) -> Option<&Arc<Self>> {
        gates.get(usize::from(shard.0))
    }
}

/// Places taken; given back when dropped.
#[derive(Default)]
pub(crate) struct Permit(Vec<Arc<Gate>>);

impl Permit {
    fn take(&mut self, gate: &Arc<Gate>) -> Result<(), Error> {
        if gate.count.fetch_add(1, Ordering::Relaxed) >= gate.limit {
            gate.count.fetch_sub(1, Ordering::Relaxed);
            shed(gate.bound);
            return Err(overloaded(gate.bound));
        }
        self.0.push(Arc::clone(gate));
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for gate in &self.0 {
            gate.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// An entity's own bound, which can also be closed: a closed one lets nobody in any more, and it
/// can be closed only while nobody is in. So an entity that leaves the memory leaves no command
/// behind.
pub(crate) struct Door(AtomicUsize);

/// Set in a door that is closed.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// What came of knocking at a door.
pub(crate) enum Knock {
    Entered(Inside),
    Closed,
    Full,
}

impl Door {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }

    pub(crate) fn enter(self: &Arc<Self>, limit: usize) -> Knock {
        // Never raised before it is certain: whoever finds the door empty may rely on it.
        let entered = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |inside| {
                (inside < limit).then_some(inside + 1)
            });
        match entered {
            Ok(_) => Knock::Entered(Inside(Arc::clone(self))),
            Err(state) if state & CLOSED != 0 => Knock::Closed,
            Err(_) => {
                shed(Bound::Entity);
                Knock::Full
            }
        }
    }

    /// Closes the door if nobody is inside.
    pub(crate) fn close(&self) -> bool {
        if faults::has_bug("passivation-drops-messages") {
            self.force_closed();
            return true;
        }
        self.0
            .compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Closes the door whoever is inside: their host is gone.
    pub(crate) fn force_closed(&self) {
        self.0.fetch_or(CLOSED, Ordering::AcqRel);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether nobody is inside, be it open or closed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) & !CLOSED == 0
            || faults::has_bug("passivation-drops-messages")
    }
}

/// A place inside a door; left when dropped.
pub(crate) struct Inside(Arc<Door>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn shed(bound: Bound) {
    metrics::counter!("quenty_shed_total", "bound" => bound.to_string()).increment(1);
}

/// The refusal for a bound that was met.
pub(crate) fn overloaded(scope: Bound) -> Error {
    Error::Overloaded {
        scope,
        retry_after: RETRY_AFTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_with_somebody_inside_does_not_close() {
        let door = Door::new();
        let Knock::Entered(inside) = door.enter(1) else {
            panic!("an open door lets in")
        };
        assert!(matches!(door.enter(1), Knock::Full));
        assert!(!door.close());
        drop(inside);
        assert!(door.close());
        assert!(matches!(door.enter(1), Knock::Closed));
    }

    #[test]
    fn a_refused_command_takes_no_place() {
        let config = Config {
            node_pending_max: 1,
            ..Config::default()
        };
        let admission = Admission::new(&config);
        let shard = Arc::new(Gate::new(Bound::Shard, 10));
        let first = admission.admit(Uuid::nil(), &shard);
        assert!(first.is_ok());
        assert!(matches!(
            admission.admit(Uuid::nil(), &shard),
            Err(Error::Overloaded {
                scope: Bound::Node,
                ..
            })
        ));
        drop(first);
        assert_eq!(admission.under_way(), 0);
        assert_eq!(shard.count.load(Ordering::Relaxed), 0);
    }
}
