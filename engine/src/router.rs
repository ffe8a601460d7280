//! The only way in: admits or sheds, finds the entity's host, and waits for its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::admission::{Gate, Inside, Knock, Permit, overloaded};
use crate::entity::{Entity, Versioned};
use crate::envelope::{Meta, Recorded};
use crate::error::{Bound, Error};
use crate::faults;
use crate::host::{Call, Message, Order};
use crate::journal::{ClaimHolder, Document, Query, RequestRow};
use crate::kind::{Handle, Kind};
use crate::loader;

/// How long after its deadline a caller still waits: a command decided just in time should be told
/// its outcome rather than a doubt.
const GRACE: Duration = Duration::from_millis(500);

/// How long a list waits for hosts to hear of commits that it shows.
const HEARSAY: Duration = Duration::from_secs(1);

/// How long a reader waits before it asks the next host.
const HASTE: Duration = Duration::from_millis(10);

/// An entity's answer to a command; everything that it rests on is durable.
#[derive(Debug)]
pub enum Reply<E: Entity> {
    /// It was done, or there was nothing to do: the state after it.
    Done(Arc<Versioned<E>>),
    /// The domain said no; nothing changed.
    Refused(E::Rejection),
    /// The request key was used before: what is known of that request. Nothing changed now.
    Seen(RequestRow),
}

/// All entities of one kind.
pub struct Entities<E: Entity> {
    kind: Arc<Kind<E>>,
}

impl<E: Entity> Clone for Entities<E> {
    fn clone(&self) -> Self {
        Self {
            kind: Arc::clone(&self.kind),
        }
    }
}

impl<E: Entity> Entities<E> {
    pub(crate) fn new(kind: Arc<Kind<E>>) -> Self {
        Self { kind }
    }

    /// Sends a command and waits until its outcome is durable.
    ///
    /// # Errors
    /// When there is no outcome; whether it may have had an effect nevertheless is told by the kind
    /// of error.
    pub async fn send(
        &self,
        id: E::Id,
        command: E::Command,
        meta: Meta,
    ) -> Result<Reply<E>, Error> {
        self.admit(id.into(), false, command, meta).await
    }

    /// Sends the first command to an entity whose id was made for it a moment ago, so that nobody
    /// needs to look whether something is stored of it.
    ///
    /// # Errors
    /// As [`Entities::send`].
    pub async fn create(
        &self,
        id: E::Id,
        command: E::Command,
        meta: Meta,
    ) -> Result<Reply<E>, Error> {
        self.admit(id.into(), true, command, meta).await
    }

    async fn admit(
        &self,
        id: Uuid,
        is_new: bool,
        command: E::Command,
        meta: Meta,
    ) -> Result<Reply<E>, Error> {
        let shard = self.kind.context.shard(id);
        let gate = Gate::of(&self.kind.context.gates, shard)
            .ok_or_else(|| Error::Unavailable(format!("shard {} is not here", shard.0)))?;
        let permit = self.kind.node.admission.admit(meta.tenant, gate)?;
        let order = Order::Command(command);
        deliver(&self.kind, (id, is_new), order, meta, permit).await
    }

    /// The last durable state of an entity; `None` if it does not exist or is another company's.
    ///
    /// # Errors
    /// When it cannot be loaded in time.
    pub async fn get(
        &self,
        tenant: Uuid,
        id: E::Id,
        deadline: Instant,
    ) -> Result<Option<Arc<Versioned<E>>>, Error> {
        self.wait(tenant, id, deadline, |_| true).await
    }

    /// Waits until the durable state satisfies `until`, and returns the latest one when it does or
    /// when the deadline passes; `None` if the entity does not exist or is another company's.
    ///
    /// # Errors
    /// When it cannot be loaded in time.
    pub async fn wait(
        &self,
        tenant: Uuid,
        id: E::Id,
        deadline: Instant,
        until: impl Fn(&Versioned<E>) -> bool,
    ) -> Result<Option<Arc<Versioned<E>>>, Error> {
        let is_theirs = |entity: &Versioned<E>| entity.version > 0 && entity.tenant == tenant;
        self.visible(id, deadline, is_theirs, until).await
    }

    /// Waits for the first durable state, from a known one on, that satisfies `until`: always the
    /// same one, however late it is asked for. The latest state when the deadline passes before.
    ///
    /// What a decision comes to is what counts, not what it passes through: `until` must not be
    /// satisfied by some of a decision's events, and still be by all of them.
    ///
    /// # Errors
    /// When it cannot be loaded in time.
    pub async fn first(
        &self,
        known: Arc<Versioned<E>>,
        deadline: Instant,
        until: impl Fn(&Versioned<E>) -> bool + Send + Sync,
    ) -> Result<Arc<Versioned<E>>, Error> {
        if until(&known) {
            return Ok(known);
        }
        // Up to which version none satisfies it: what is shown may leave versions out.
        let none_up_to = AtomicU64::new(known.version);
        let found = self.wait(known.tenant, known.id.into(), deadline, |entity| {
            let is_found = until(entity);
            if !is_found && follows(entity, none_up_to.load(Ordering::Relaxed)) {
                none_up_to.store(entity.version, Ordering::Relaxed);
            }
            is_found
        });
        let found = found.await?.ok_or(Error::NotFound)?;
        let is_next = follows(&found, none_up_to.into_inner());
        if is_next || !until(&found) {
            return Ok(found);
        }
        let known = Arc::unwrap_or_clone(known);
        let first = self.replayed(known, |entity, _| !until(entity)).await?;
        Ok(Arc::new(first))
    }

    /// The durable state once it is at a version or beyond; `None` if the entity is another
    /// company's. For what the journal is known to have: while a commit is in doubt, the state that
    /// is shown may be the one before.
    ///
    /// # Errors
    /// When it cannot be loaded in time, or is still at an earlier version.
    pub async fn at_least(
        &self,
        tenant: Uuid,
        id: E::Id,
        version: u64,
        deadline: Instant,
    ) -> Result<Option<Arc<Versioned<E>>>, Error> {
        let is_early = |entity: &Versioned<E>| entity.version < version;
        let is_theirs = |entity: &Versioned<E>| is_early(entity) || entity.tenant == tenant;
        let found = self.visible(id, deadline, is_theirs, |it| !is_early(it));
        match found.await? {
            Some(entity) if is_early(&entity) => Err(Error::Timeout),
            found => Ok(found),
        }
    }

    /// The last durable state of an entity, whichever company it belongs to; `None` if it does not
    /// exist. For callers that prove otherwise that they may see it, such as sign-in and public
    /// tracking.
    ///
    /// # Errors
    /// When it cannot be loaded in time.
    pub async fn get_anywhere(
        &self,
        id: E::Id,
        deadline: Instant,
    ) -> Result<Option<Arc<Versioned<E>>>, Error> {
        let exists = |entity: &Versioned<E>| entity.version > 0;
        self.visible(id, deadline, exists, |_| true).await
    }

    async fn visible(
        &self,
        id: E::Id,
        deadline: Instant,
        is_visible: impl Fn(&Versioned<E>) -> bool,
        until: impl Fn(&Versioned<E>) -> bool,
    ) -> Result<Option<Arc<Versioned<E>>>, Error> {
        let id = id.into();
        loop {
            let handle = self.kind.resolve(id, false).await?;
            let entity = handle
                .wait(deadline, |it| !is_visible(it) || until(it))
                .await;
            self.kind.node.displaced.check()?;
            match entity {
                Some(entity) if is_visible(&entity) => return Ok(Some(entity)),
                Some(_) => return Ok(None),
                // The host left or failed meanwhile: ask the next one, in bounded haste.
                None => Self::may_ask_again(&handle, deadline)?,
            }
            tokio::time::sleep(HASTE).await;
        }
    }

    fn may_ask_again(handle: &Handle<E>, deadline: Instant) -> Result<(), Error> {
        let is_over = Instant::now() >= deadline;
        match handle.broken() {
            Some(broken) if is_over || broken.is_damaged() => Err(broken.into()),
            None if is_over => Err(Error::Unavailable("it could not be loaded in time".into())),
            _ => Ok(()),
        }
    }

    /// The entity that holds a claim.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn find(&self, holder: ClaimHolder, claim: &str) -> Result<Option<E::Id>, Error> {
        let journal = &self.kind.context.journal;
        let holder = journal.claimant(E::KIND, holder, claim).await?;
        Ok(holder.map(|holder| E::Id::from(holder.entity)))
    }

    /// A company's event that took a claim for good.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn find_event(&self, tenant: Uuid, claim: &str) -> Result<Option<Recorded>, Error> {
        let journal = &self.kind.context.journal;
        let place = ClaimHolder::Tenant(tenant);
        let holder = journal.claimant(E::KIND, place, claim).await?;
        let Some((entity, version)) = holder.and_then(|it| Some((it.entity, it.version?))) else {
            return Ok(None);
        };
        let before = version.saturating_sub(1);
        let events = self.history(tenant, entity.into(), before, 1).await?;
        Ok(events.into_iter().find(|event| event.version == version))
    }

    /// A page of entities as stored: consistent with the caller's own finished commands, and what it
    /// shows is shown by the entities from then on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn list(&self, query: &Query) -> Result<Vec<Document>, Error> {
        let documents = self.kind.context.journal.list(query).await?;
        // Should a host hear nothing for long, then what it has not heard of is read nevertheless.
        let deadline = Instant::now() + HEARSAY;
        for document in &documents {
            self.heard(document, deadline).await;
        }
        Ok(documents)
    }

    /// Waits until a host has heard of the commit that others have read already, so that nobody is
    /// shown an earlier version afterwards.
    async fn heard(&self, document: &Document, deadline: Instant) {
        if let Some(handle) = self.kind.peek(document.id) {
            let is_heard = |it: &Versioned<E>| it.version >= document.version;
            handle.wait(deadline, is_heard).await;
        }
    }

    /// The entity's events after a version, at most `limit`; none if it is another company's.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn history(
        &self,
        tenant: Uuid,
        id: E::Id,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let journal = &self.kind.context.journal;
        let history = loader::history::<E>(journal.as_ref(), id.into(), after_version, limit);
        let mut events = history.await?;
        events.retain(|event| event.tenant == tenant);
        Ok(events)
    }

    /// The entity as it was at a version: `None` if it never had that version or is another
    /// company's.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn at_version(
        &self,
        tenant: Uuid,
        id: E::Id,
        version: u64,
    ) -> Result<Option<Versioned<E>>, Error> {
        let stored = self.kind.context.loader.up_to(id.into(), version).await?;
        let is_early = |_: &_, event: &Recorded| event.version <= version;
        let entity = self.replayed(stored, is_early).await?;
        Ok(Some(entity).filter(|it| it.version == version && version > 0 && it.tenant == tenant))
    }

    /// The entity as it was at a moment: `None` if it did not exist then or is another company's.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn at_time(
        &self,
        tenant: Uuid,
        id: E::Id,
        moment: DateTime<Utc>,
    ) -> Result<Option<Versioned<E>>, Error> {
        let absent = loader::absent(id.into());
        let is_early = |_: &_, event: &Recorded| event.at <= moment;
        let entity = self.replayed(absent, is_early).await?;
        Ok(Some(entity).filter(|it| it.version > 0 && it.tenant == tenant))
    }

    async fn replayed(
        &self,
        from: Versioned<E>,
        wanted: impl Fn(&Versioned<E>, &Recorded) -> bool + Send,
    ) -> Result<Versioned<E>, Error> {
        loader::replay(self.kind.context.journal.as_ref(), from, wanted).await
    }
}

/// Whether an entity was as it is now right after it had been at a version.
fn follows<E>(entity: &Versioned<E>, version: u64) -> bool {
    entity.version == version || entity.base_version == Some(version)
}

/// Sends an order of the engine's own. It passes the bounds that clients share: it finishes what
/// was admitted before, and its senders have bounds of their own.
pub(crate) async fn internal<E: Entity>(
    kind: &Arc<Kind<E>>,
    id: Uuid,
    order: Order<E>,
    meta: Meta,
) -> Result<Reply<E>, Error> {
    deliver(kind, (id, false), order, meta, Permit::default()).await
}

async fn deliver<E: Entity>(
    kind: &Arc<Kind<E>>,
    (id, is_new): (Uuid, bool),
    order: Order<E>,
    meta: Meta,
    permit: Permit,
) -> Result<Reply<E>, Error> {
    kind.node.displaced.check()?;
    let deadline = meta.deadline;
    let (handle, inside) = enter(kind, id, is_new, deadline).await?;
    let (reply, answer) = oneshot::channel();
    let waiting = tracing::debug_span!(target: crate::TRACES, "mailbox", kind = E::KIND, %id);
    let call = Call {
        order,
        meta,
        reply,
        places: (permit, inside),
        waiting,
    };
    let is_sent = handle
        .actor
        .get()
        .is_some_and(|actor| actor.send_message(Message::Call(Box::new(call))).is_ok());
    if !is_sent {
        // The host died before its supervisor took it out of the directory.
        kind.bury(&handle);
        return Err(Error::Unavailable("the entity is being restarted".into()));
    }
    match tokio::time::timeout_at((deadline + GRACE).into(), answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Error::HostFailed),
        Err(_) => match handle.committed() {
            Some(entity) if faults::has_bug("late-is-ok") => Ok(Reply::Done(entity)),
            _ => Err(Error::Timeout),
        },
    }
}

/// A place with the entity's host, started if need be.
async fn enter<E: Entity>(
    kind: &Arc<Kind<E>>,
    id: Uuid,
    is_new: bool,
    deadline: Instant,
) -> Result<(Arc<Handle<E>>, Inside), Error> {
    loop {
        let handle = kind.resolve(id, is_new).await?;
        match handle.door.enter(kind.node.config.entity_pending_max) {
            Knock::Entered(inside) => return Ok((handle, inside)),
            Knock::Full => return Err(overloaded(Bound::Entity)),
            Knock::Closed => {}
        }
        if let Some(broken) = handle.broken() {
            return Err(broken.into());
        }
        if Instant::now() > deadline {
            return Err(Error::Late);
        }
    }
}
