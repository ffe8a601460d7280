//! One resident entity as those see it who look for it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use ractor::ActorRef;
use tokio::sync::Notify;
use tokio::time;
use uuid::Uuid;

use crate::admission::Door;
use crate::entity::{Entity, Versioned};
use crate::error::Error;
use crate::host;

/// How long an entity that could not be loaded is not tried again.
const REST: Duration = Duration::from_millis(100);

/// One resident entity as others see it.
pub(crate) struct Handle<E: Entity> {
    pub(crate) id: Uuid,
    pub(crate) door: Arc<Door>,
    pub(crate) actor: OnceLock<ActorRef<host::Message<E>>>,
    /// When it was last addressed, in seconds since the node started.
    pub(super) touched: AtomicU64,
    committed: ArcSwapOption<Versioned<E>>,
    changed: Notify,
    broken: OnceLock<(Broken, time::Instant)>,
}

/// Why an entity cannot be loaded.
#[derive(Clone)]
pub(crate) struct Broken {
    is_damaged: bool,
    why: String,
}

impl Broken {
    pub(crate) fn of(error: &Error) -> Self {
        let (is_damaged, why) = match error {
            Error::Damaged(why) => (true, why.clone()),
            Error::Unavailable(why) => (false, why.clone()),
            other => (false, other.to_string()),
        };
        Self { is_damaged, why }
    }

    /// Whether it will be no better in a moment.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged
    }
}

impl From<&Broken> for Error {
    fn from(broken: &Broken) -> Self {
        let why = broken.why.clone();
        if broken.is_damaged {
            Self::Damaged(why)
        } else {
            Self::Unavailable(why)
        }
    }
}

impl<E: Entity> Handle<E> {
    pub(super) fn new(id: Uuid, touched: u64) -> Arc<Self> {
        Arc::new(Self {
            id,
            door: Door::new(),
            actor: OnceLock::new(),
            touched: AtomicU64::new(touched),
            committed: ArcSwapOption::empty(),
            changed: Notify::new(),
            broken: OnceLock::new(),
        })
    }

    /// The last durable state, once it is loaded.
    pub(crate) fn committed(&self) -> Option<Arc<Versioned<E>>> {
        self.committed.load_full()
    }

    /// Makes a durable state visible.
    pub(crate) fn publish(&self, entity: Arc<Versioned<E>>) {
        self.committed.store(Some(entity));
        self.wake();
    }

    /// Shows nothing until a state is published again: the one that was is not the last any more.
    pub(crate) fn hide(&self) {
        self.committed.store(None);
    }

    /// Marks the handle as unusable: its host is gone.
    pub(crate) fn fail(&self) {
        self.door.force_closed();
        self.wake();
    }

    /// Marks the handle as unusable, since the entity cannot be loaded.
    pub(crate) fn give_up(&self, broken: Broken) {
        let _ = self.broken.set((broken, time::Instant::now()));
        self.fail();
    }

    /// Why the entity cannot be loaded, if it cannot.
    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.get().map(|(broken, _)| broken)
    }

    /// Whether another host is to be started for whoever comes. What cannot be loaded rests first,
    /// so that crowds of callers do not load it over and over.
    pub(super) fn is_spent(&self) -> bool {
        let rests = || {
            let broken = self.broken.get();
            broken.is_some_and(|(_, since)| since.elapsed() < REST)
        };
        self.door.is_closed() && !rests()
    }

    /// Makes those who wait look again.
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until the durable state satisfies `until`; the latest one when the deadline passes,
    /// `None` if the host is gone before.
    pub(crate) async fn wait(
        &self,
        deadline: Instant,
        until: impl Fn(&Versioned<E>) -> bool,
    ) -> Option<Arc<Versioned<E>>> {
        loop {
            // Made before the state is read: from then on it hears of every change, and where there
            // is nothing to wait for it costs next to nothing.
            let changed = self.changed.notified();
            let committed = self.committed();
            if let Some(entity) = &committed
                && until(entity)
            {
                return committed;
            }
            if self.door.is_closed() {
                return None;
            }
            if time::timeout_at(deadline.into(), changed).await.is_err() {
                return committed;
            }
        }
    }
}
