//! What the hosts of one kind of entity share: the directory of who is in memory, and the parts of
//! their context.

mod handle;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dashmap::{DashMap, DashSet};
use ractor::{ActorCell, ActorId, ActorRef};
use uuid::Uuid;

pub(crate) use self::handle::{Broken, Handle};
use crate::admission::{Admission, Gate};
use crate::committer::Committer;
use crate::config::Config;
use crate::displaced::Displaced;
use crate::entity::Entity;
use crate::envelope::{EntityKey, Meta, Shard};
use crate::error::{Bound, Error};
use crate::faults;
use crate::feed::Feed;
use crate::host::{self, Origin};
use crate::journal::Journal;
use crate::loader::Loader;
use crate::lookups::Lookups;
use crate::node::Supervisors;
use crate::shard;

/// One context's running parts.
pub(crate) struct ContextParts {
    pub(crate) name: &'static str,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) committer: Committer,
    pub(crate) loader: Loader,
    /// By scope and key.
    pub(crate) requests: Lookups<(String, String)>,
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
    pub(crate) displaced: Displaced,
    pub(crate) admission: Admission,
    pub(crate) residents: AtomicUsize,
    /// Gives every life of a host's state a number of its own.
    pub(crate) generations: AtomicU64,
    pub(crate) started: Instant,
    /// All kinds, which make room for each other.
    pub(crate) kinds: OnceLock<Weak<BTreeMap<&'static str, Arc<dyn AnyKind>>>>,
}

impl NodeParts {
    /// Takes a place in memory, if need be that of an entity of whatever kind that is idle.
    fn take_place(&self) -> Result<(), Error> {
        let max = self.config.residents_max;
        let is_taken = || {
            let more = |residents| (residents < max).then_some(residents + 1);
            self.residents
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
                .is_ok()
        };
        while !is_taken() {
            if !self.make_room() {
                return Err(crate::admission::overloaded(Bound::Node));
            }
        }
        Ok(())
    }

    /// Lets one entity go: of the kind that has the longest idle, if it can.
    fn make_room(&self) -> bool {
        let Some(kinds) = self.kinds.get().and_then(Weak::upgrade) else {
            return false;
        };
        let mut idle: Vec<_> = kinds
            .values()
            .filter_map(|kind| Some((kind.idle_since()?, kind)))
            .collect();
        idle.sort_by_key(|(since, _)| *since);
        idle.iter().any(|(_, kind)| kind.evict_one())
    }

    fn leave_place(&self) {
        self.residents.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The hosts of one kind.
pub(crate) struct Kind<E: Entity> {
    pub(crate) context: Arc<ContextParts>,
    pub(crate) node: Arc<NodeParts>,
    directory: DashMap<Uuid, Arc<Handle<E>>>,
    /// Entities whose host died with commits perhaps under way.
    failed: DashSet<Uuid>,
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

    /// The resident entity, started if need be; without loading it if it is new.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        id: Uuid,
        is_new: bool,
    ) -> Result<Arc<Handle<E>>, Error> {
        for _ in 0..3 {
            if let Some(handle) = self.resident(id) {
                return Ok(handle);
            }
            let starter: Arc<dyn Starter> = Arc::clone(self) as _;
            shard::start(&self.context, id, is_new, starter).await?;
        }
        Err(Error::Unavailable("the entity keeps leaving".into()))
    }

    fn resident(&self, id: Uuid) -> Option<Arc<Handle<E>>> {
        let handle = self.peek(id)?;
        if handle.is_spent() {
            self.remove(&handle);
            return None;
        }
        let now = self.node.started.elapsed().as_secs();
        // Written once a second at most: all of a company's requests read its handle.
        if handle.touched.load(Ordering::Relaxed) != now {
            handle.touched.store(now, Ordering::Relaxed);
        }
        Some(handle)
    }

    /// The resident entity, as far as there is one.
    pub(crate) fn peek(&self, id: Uuid) -> Option<Arc<Handle<E>>> {
        Some(Arc::clone(self.directory.get(&id)?.value()))
    }

    /// Lets a host be found.
    pub(crate) fn enter(&self, handle: &Arc<Handle<E>>, actor: ActorRef<host::Message<E>>) {
        let _ = handle.actor.set(actor);
        self.directory.insert(handle.id, Arc::clone(handle));
    }

    /// Takes a handle out of the directory, if it is still the one there.
    fn remove(&self, handle: &Arc<Handle<E>>) -> bool {
        let is_there = |_: &Uuid, there: &Arc<Handle<E>>| Arc::ptr_eq(there, handle);
        let was_there = self.directory.remove_if(&handle.id, is_there).is_some();
        if was_there {
            self.node.leave_place();
        }
        was_there
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
        faults::reach("passivating", [(E::KIND, "")]);
        handle.wake();
        if let Some(actor) = handle.actor.get() {
            actor.stop(None);
        }
        true
    }

    /// Some of those that nobody waits for.
    fn some_idle(&self) -> impl Iterator<Item = Arc<Handle<E>>> {
        let entries = self.directory.iter();
        let idle = entries.filter(|entry| entry.door.is_empty());
        idle.take(32).map(|entry| Arc::clone(entry.value()))
    }

    /// Lets one go whose host has ended, or that is idle and has nothing to wait for: what is still
    /// being loaded may have to wait for commits of its former host.
    fn let_go(&self, handle: &Arc<Handle<E>>) -> bool {
        if handle.door.is_closed() {
            return self.remove(handle);
        }
        handle.committed().is_some() && self.dismiss(handle)
    }
}

/// Starts and ends hosts without knowing what they host.
#[async_trait]
pub(crate) trait Starter: Send + Sync {
    /// Starts a host under a supervisor, unless one is there; returns its actor if one was started.
    async fn start(
        self: Arc<Self>,
        id: Uuid,
        is_new: bool,
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
        is_new: bool,
        supervisor: ActorCell,
    ) -> Result<Option<ActorCell>, Error> {
        if self.resident(id).is_some() {
            return Ok(None);
        }
        self.node.take_place()?;
        let handle = Handle::new(id, self.node.started.elapsed().as_secs());
        // A former host of what was new may have commits under way.
        let origin = match (self.failed.remove(&id).is_some(), is_new) {
            (true, _) => Origin::Recovered,
            (false, true) => Origin::New,
            (false, false) => Origin::Stored,
        };
        let arguments = host::Arguments {
            kind: Arc::clone(&self),
            handle: Arc::clone(&handle),
            origin,
        };
        match host::spawn(arguments, supervisor).await {
            Ok(actor) => Ok(Some(actor.get_cell())),
            Err(error) => {
                self.bury(&handle);
                if handle.actor.get().is_none() {
                    self.node.leave_place();
                }
                Err(error)
            }
        }
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
    /// [`Entity::CONTEXT`].
    fn context(&self) -> &'static str;

    /// Waits until what the kind's context has to commit by now is settled.
    async fn settled(&self) -> Result<(), Error>;

    /// Sends a command of the kind's own type.
    async fn deliver(
        &self,
        id: Uuid,
        command: &(dyn Any + Send + Sync),
        meta: Meta,
    ) -> Result<Delivered, Error>;

    /// Fires a timer.
    async fn fire(&self, id: Uuid, name: &str, at: DateTime<Utc>, meta: Meta) -> Result<(), Error>;

    /// [`Entity::KIND`] and [`Entity::SPENT`].
    fn spent(&self) -> (&'static str, &'static [&'static str]);

    /// Dismisses entities that have been idle for so long; returns how many.
    fn sweep(&self, idle: Duration) -> usize;

    /// When the longest idle of the first few entities that can go was last asked for.
    fn idle_since(&self) -> Option<u64>;

    /// Dismisses the longest idle of the first few entities that can go.
    fn evict_one(&self) -> bool;
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
    fn context(&self) -> &'static str {
        E::CONTEXT
    }

    fn spent(&self) -> (&'static str, &'static [&'static str]) {
        (E::KIND, E::SPENT)
    }

    async fn settled(&self) -> Result<(), Error> {
        self.context.committer.barrier().await
    }

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
            // What was done elsewhere was not done here.
            crate::router::Reply::Seen(row) if (row.kind.as_str(), row.entity) != (E::KIND, id) => {
                let elsewhere = format!("{} {}", row.kind, row.entity);
                Err(Error::Panicked(format!("its key was used for {elsewhere}")))
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
        let is_idle = |handle: &Handle<E>| {
            now.saturating_sub(handle.touched.load(Ordering::Relaxed)) >= idle.as_secs()
        };
        // Collected first: letting go locks the directory.
        let entries = self.directory.iter();
        let mut idle: Vec<_> = entries
            .filter(|entry| entry.door.is_empty() && is_idle(entry))
            .map(|entry| Arc::clone(entry.value()))
            .collect();
        idle.sort_by_key(|handle| handle.id);
        idle.iter().filter(|handle| self.let_go(handle)).count()
    }

    fn idle_since(&self) -> Option<u64> {
        let touched = |handle: Arc<Handle<E>>| handle.touched.load(Ordering::Relaxed);
        self.some_idle().map(touched).min()
    }

    fn evict_one(&self) -> bool {
        let mut candidates: Vec<_> = self.some_idle().collect();
        candidates.sort_by_key(|handle| (handle.touched.load(Ordering::Relaxed), handle.id));
        candidates.iter().any(|handle| self.let_go(handle))
    }
}

/// Names an entity of a kind.
pub(crate) fn key<E: Entity>(id: Uuid) -> EntityKey {
    EntityKey { kind: E::KIND, id }
}
