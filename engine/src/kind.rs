//! What the hosts of one kind of entity share: the directory of who is in memory, and the parts of
//! their context.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dashmap::{DashMap, DashSet};
use ractor::{ActorCell, ActorId, ActorRef};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::admission::{Admission, Door, Gate};
use crate::committer::Committer;
use crate::config::Config;
use crate::entity::{Entity, Versioned};
use crate::envelope::{EntityKey, Meta, Shard};
use crate::error::{Bound, Error};
use crate::feed::Feed;
use crate::host;
use crate::journal::Journal;
use crate::loader::Loader;
use crate::node::Supervisors;
use crate::shard;

/// One context's running parts.
pub(crate) struct ContextParts {
    pub(crate) name: &'static str,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) committer: Committer,
    pub(crate) loader: Loader,
    pub(crate) feed: Arc<Feed>,
    pub(crate) gates: Vec<Arc<Gate>>,
    pub(crate) supervisors: Supervisors,
}

impl ContextParts {
    pub(crate) fn shard(&self, entity: Uuid) -> Shard {
        Shard::of(entity, self.journal.shards())
    }
}

/// What the node's kinds share.
pub(crate) struct NodeParts {
    pub(crate) config: Config,
    pub(crate) admission: Admission,
    pub(crate) residents: AtomicUsize,
    /// Gives every life of a host's state a number of its own.
    pub(crate) generations: AtomicU64,
    pub(crate) started: Instant,
}

/// The hosts of one kind.
pub(crate) struct Kind<E: Entity> {
    pub(crate) context: Arc<ContextParts>,
    pub(crate) node: Arc<NodeParts>,
    directory: DashMap<Uuid, Arc<Handle<E>>>,
    /// Entities whose host died with commits perhaps under way.
    failed: DashSet<Uuid>,
}

/// One resident entity as others see it.
pub(crate) struct Handle<E: Entity> {
    pub(crate) id: Uuid,
    pub(crate) door: Arc<Door>,
    pub(crate) actor: OnceLock<ActorRef<host::Message<E>>>,
    committed: ArcSwapOption<Versioned<E>>,
    changed: Notify,
    /// When it was last addressed, in seconds since the node started.
    touched: AtomicU64,
}

impl<E: Entity> Handle<E> {
    /// The last durable state, once it is loaded.
    pub(crate) fn committed(&self) -> Option<Arc<Versioned<E>>> {
        self.committed.load_full()
    }

    /// Makes a durable state visible.
    pub(crate) fn publish(&self, entity: Arc<Versioned<E>>) {
        self.committed.store(Some(entity));
        self.changed.notify_waiters();
    }

    /// Marks the handle as unusable: its host is gone.
    pub(crate) fn fail(&self) {
        self.door.force_closed();
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
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the state is read, so that no change falls in between.
            changed.as_mut().enable();
            let committed = self.committed();
            if let Some(entity) = &committed
                && until(entity)
            {
                return committed;
            }
            if self.door.is_closed() {
                return None;
            }
            if tokio::time::timeout_at(deadline.into(), changed)
                .await
                .is_err()
            {
                return committed;
            }
        }
    }
}

impl<E: Entity> Kind<E> {
    pub(crate) fn new(context: Arc<ContextParts>, node: Arc<NodeParts>) -> Arc<Self> {
        Arc::new(Self {
            context,
            node,
            directory: DashMap::new(),
            failed: DashSet::new(),
        })
    }

    /// The resident entity, started if need be.
    pub(crate) async fn resolve(self: &Arc<Self>, id: Uuid) -> Result<Arc<Handle<E>>, Error> {
        for _ in 0..3 {
            if let Some(handle) = self.resident(id) {
                return Ok(handle);
            }
            self.make_room()?;
            let starter: Arc<dyn Starter> = Arc::clone(self) as _;
            shard::start(&self.context, id, starter).await?;
        }
        Err(Error::Unavailable("the entity keeps leaving".into()))
    }

    fn resident(&self, id: Uuid) -> Option<Arc<Handle<E>>> {
        let handle = Arc::clone(self.directory.get(&id)?.value());
        if handle.door.is_closed() {
            self.remove(&handle);
            return None;
        }
        handle
            .touched
            .store(self.node.started.elapsed().as_secs(), Ordering::Relaxed);
        Some(handle)
    }

    /// Takes a handle out of the directory, if it is still the one there.
    pub(crate) fn remove(&self, handle: &Arc<Handle<E>>) {
        if self
            .directory
            .remove_if(&handle.id, |_, there| Arc::ptr_eq(there, handle))
            .is_some()
        {
            self.node.residents.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Marks a host as dead with commits perhaps under way: the next one waits for them.
    pub(crate) fn bury(&self, handle: &Arc<Handle<E>>) {
        self.failed.insert(handle.id);
        handle.fail();
        self.remove(handle);
    }

    /// Lets the entity leave the memory, if nothing is under way.
    pub(crate) fn dismiss(&self, handle: &Arc<Handle<E>>) -> bool {
        if !handle.door.close() {
            return false;
        }
        self.remove(handle);
        handle.changed.notify_waiters();
        if let Some(actor) = handle.actor.get() {
            actor.stop(None);
        }
        true
    }

    fn make_room(&self) -> Result<(), Error> {
        if self.node.residents.load(Ordering::Relaxed) < self.node.config.residents_max {
            return Ok(());
        }
        if self.evict_one() {
            return Ok(());
        }
        Err(crate::admission::overloaded(Bound::Node))
    }

    /// Dismisses the longest idle of the first few entities that can go.
    fn evict_one(&self) -> bool {
        let mut candidates: Vec<Arc<Handle<E>>> = self
            .directory
            .iter()
            .filter(|entry| entry.door.is_empty() && entry.committed().is_some())
            .take(32)
            .map(|entry| Arc::clone(entry.value()))
            .collect();
        candidates.sort_by_key(|handle| handle.touched.load(Ordering::Relaxed));
        candidates.iter().any(|handle| self.dismiss(handle))
    }
}

/// Starts and ends hosts without knowing what they host.
#[async_trait]
pub(crate) trait Starter: Send + Sync {
    /// Starts a host under a supervisor, unless one is there; returns its actor if one was started.
    async fn start(
        self: Arc<Self>,
        id: Uuid,
        supervisor: ActorCell,
    ) -> Result<Option<ActorCell>, Error>;

    /// Forgets a host that has failed.
    fn forget(&self, id: Uuid, actor: ActorId);
}

#[async_trait]
impl<E: Entity> Starter for Kind<E> {
    async fn start(
        self: Arc<Self>,
        id: Uuid,
        supervisor: ActorCell,
    ) -> Result<Option<ActorCell>, Error> {
        if self.resident(id).is_some() {
            return Ok(None);
        }
        let handle = Arc::new(Handle {
            id,
            door: Door::new(),
            actor: OnceLock::new(),
            committed: ArcSwapOption::empty(),
            changed: Notify::new(),
            touched: AtomicU64::new(self.node.started.elapsed().as_secs()),
        });
        let is_recovery = self.failed.remove(&id).is_some();
        let arguments = host::Arguments {
            kind: Arc::clone(&self),
            handle: Arc::clone(&handle),
            is_recovery,
        };
        let actor = host::spawn(arguments, supervisor).await?;
        let cell = actor.get_cell();
        // Set before anybody can find the handle.
        let _ = handle.actor.set(actor);
        self.directory.insert(id, handle);
        self.node.residents.fetch_add(1, Ordering::Relaxed);
        Ok(Some(cell))
    }

    fn forget(&self, id: Uuid, actor: ActorId) {
        let handle = self
            .directory
            .get(&id)
            .map(|entry| Arc::clone(entry.value()));
        if let Some(handle) =
            handle.filter(|it| it.actor.get().is_some_and(|it| it.get_id() == actor))
        {
            self.bury(&handle);
        }
    }
}

/// A kind without its type, for those who learn at run time whom they address.
#[async_trait]
pub(crate) trait AnyKind: Send + Sync {
    /// Sends a command of the kind's own type.
    async fn deliver(
        &self,
        id: Uuid,
        command: &(dyn Any + Send + Sync),
        meta: Meta,
    ) -> Result<Delivered, Error>;

    /// Fires a timer.
    async fn fire(&self, id: Uuid, name: &str, at: DateTime<Utc>, meta: Meta) -> Result<(), Error>;

    /// Dismisses entities that have been idle for so long; returns how many.
    fn sweep(&self, idle: Duration) -> usize;
}

/// What became of a delivered command.
pub(crate) enum Delivered {
    /// It has had its effect, now or before.
    Done,
    /// The entity refused: what for.
    Refused(String),
}

#[async_trait]
impl<E: Entity> AnyKind for Arc<Kind<E>> {
    async fn deliver(
        &self,
        id: Uuid,
        command: &(dyn Any + Send + Sync),
        meta: Meta,
    ) -> Result<Delivered, Error> {
        let command = command
            .downcast_ref::<E::Command>()
            .ok_or_else(|| Error::UnknownKind(format!("{} of another type", E::KIND)))?
            .clone();
        match crate::router::internal(self, id, host::Order::Command(command), meta).await? {
            crate::router::Reply::Refused(rejection) => {
                Ok(Delivered::Refused(rejection.to_string()))
            }
            crate::router::Reply::Seen(row) => {
                Ok(row.refusal.map_or(Delivered::Done, Delivered::Refused))
            }
            crate::router::Reply::Done(_) => Ok(Delivered::Done),
        }
    }

    async fn fire(&self, id: Uuid, name: &str, at: DateTime<Utc>, meta: Meta) -> Result<(), Error> {
        let order = host::Order::Timer {
            name: name.to_owned(),
            at,
        };
        crate::router::internal(self, id, order, meta)
            .await
            .map(drop)
    }

    fn sweep(&self, idle: Duration) -> usize {
        let now = self.node.started.elapsed().as_secs();
        let idle_handles: Vec<_> = self
            .directory
            .iter()
            .filter(|entry| {
                now.saturating_sub(entry.touched.load(Ordering::Relaxed)) >= idle.as_secs()
                    && entry.door.is_empty()
            })
            .map(|entry| Arc::clone(entry.value()))
            .collect();
        idle_handles
            .iter()
            .filter(|handle| self.dismiss(handle))
            .count()
    }
}

/// Names an entity of a kind.
pub(crate) fn key<E: Entity>(id: Uuid) -> EntityKey {
    EntityKey { kind: E::KIND, id }
}
