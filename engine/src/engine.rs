//! Puts the parts together: journals, entities and policies in, a running engine out.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorRef};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::admission::{Admission, Gate};
use crate::committer::{Committer, Leases, Note};
use crate::config::Config;
use crate::displaced::Displaced;
use crate::entity::Entity;
use crate::envelope::Shard;
use crate::error::Error;
use crate::feed::{Feed, Positions, Reader};
use crate::journal::{Journal, NewAnswer, Parked, RequestRow, TenantPage};
use crate::kind::{AnyKind, ContextParts, Kind, NodeParts};
use crate::loader::Loader;
use crate::lookups::Lookups;
use crate::node::{self, Node, Supervisors};
use crate::policy::Policy;
use crate::router::Entities;
use crate::subscriber::{POLICIES, Subscriber};
use crate::verify::{self, Check, Findings, Of};
use crate::{timers, upkeep};

type Register = Box<dyn FnOnce(&mut Registry, &Arc<NodeParts>) -> Result<(), Error> + Send>;

/// Collects what an engine runs.
pub struct Builder {
    config: Config,
    journals: Vec<(&'static str, Arc<dyn Journal>)>,
    entities: Vec<Register>,
    checks: HashMap<&'static str, Arc<dyn Check>>,
    policies: Vec<Policy>,
}

/// What runs, by context and by kind.
#[derive(Default)]
struct Registry {
    contexts: HashMap<&'static str, Arc<ContextParts>>,
    kinds: BTreeMap<&'static str, Arc<dyn AnyKind>>,
    entities: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

/// A running engine.
pub struct Engine {
    contexts: HashMap<&'static str, Arc<ContextParts>>,
    entities: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    subscribers: HashMap<&'static str, Arc<Subscriber>>,
    node: Arc<NodeParts>,
    root: ActorRef<node::Message>,
    tasks: Vec<JoinHandle<()>>,
}

impl Builder {
    /// Adds a context with its journal.
    #[must_use]
    pub fn context(mut self, name: &'static str, journal: Arc<dyn Journal>) -> Self {
        self.journals.push((name, journal));
        self
    }

    /// Adds a kind of entity; its context has to be there as well.
    #[must_use]
    pub fn entity<E: Entity>(mut self) -> Self {
        self.checks.insert(E::KIND, Arc::new(Of::<E>(PhantomData)));
        self.entities.push(Box::new(|registry, node| {
            let context = registry
                .contexts
                .get(E::CONTEXT)
                .ok_or_else(|| unknown(E::CONTEXT))?;
            let kind = Kind::<E>::new(Arc::clone(context), Arc::clone(node));
            registry.kinds.insert(E::KIND, Arc::new(Arc::clone(&kind)));
            registry
                .entities
                .insert(TypeId::of::<E>(), Box::new(Entities::<E>::new(kind)));
            Ok(())
        }));
        self
    }

    /// Adds policies.
    #[must_use]
    pub fn policies(mut self, policies: &[Policy]) -> Self {
        self.policies.extend_from_slice(policies);
        self
    }

    /// Checks what the journals hold, and starts nothing.
    ///
    /// # Errors
    /// When a journal cannot be read at all; what is wrong in it is among the findings.
    pub async fn verify(self) -> Result<Vec<(&'static str, Findings)>, Error> {
        let mut findings = Vec::new();
        for (name, journal) in &self.journals {
            findings.push((
                *name,
                verify::context(journal.as_ref(), &self.checks).await?,
            ));
        }
        Ok(findings)
    }

    /// Takes the shards over and starts.
    ///
    /// # Errors
    /// When a journal cannot be reached, or a kind's context is missing.
    pub async fn start(self) -> Result<Engine, Error> {
        let node = Arc::new(NodeParts {
            admission: Admission::new(&self.config),
            config: self.config,
            displaced: Displaced::default(),
            residents: AtomicUsize::new(0),
            generations: AtomicU64::new(0),
            started: Instant::now(),
            kinds: OnceLock::new(),
        });
        let id = Uuid::now_v7();
        let mut registry = Registry::default();
        for (name, journal) in self.journals {
            let context = start_context(name, journal, id, &node).await?;
            registry.contexts.insert(name, Arc::new(context));
        }
        for register in self.entities {
            register(&mut registry, &node)?;
        }
        let Registry {
            contexts,
            kinds,
            entities,
        } = registry;
        if let Some(policy) = self
            .policies
            .iter()
            .find(|it| !contexts.contains_key(it.context))
        {
            return Err(unknown(policy.context));
        }
        let kinds = Arc::new(kinds);
        let _ = node.kinds.set(Arc::downgrade(&kinds));
        let supervisors = contexts.values().map(|it| it.supervisors.clone()).collect();
        let (root, _) = Actor::spawn(None, Node, supervisors)
            .await
            .map_err(|error| Error::Unavailable(format!("no supervisor: {error}")))?;
        let mut engine = Engine {
            contexts,
            entities,
            subscribers: HashMap::new(),
            node,
            root,
            tasks: Vec::new(),
        };
        engine.start_background(&kinds, &self.policies).await?;
        Ok(engine)
    }
}

fn of_context(policies: &[Policy], context: &str) -> Vec<Policy> {
    policies
        .iter()
        .filter(|policy| policy.context == context)
        .copied()
        .collect()
}

fn unknown(what: &str) -> Error {
    Error::UnknownKind(what.to_owned())
}

async fn start_context(
    name: &'static str,
    journal: Arc<dyn Journal>,
    id: Uuid,
    node: &NodeParts,
) -> Result<ContextParts, Error> {
    let config = &node.config;
    let shards = journal.shards();
    let leases = Arc::new(Leases::new(shards));
    let feed = Arc::new(Feed::new(Arc::clone(&journal), config.feed_batches));
    let committer = Committer::start(
        name,
        id,
        Arc::clone(&journal),
        leases,
        Arc::clone(&feed),
        node.displaced.clone(),
        config,
    );
    let committer = committer.await?;
    Ok(ContextParts {
        name,
        committer,
        loader: Loader::start(Arc::clone(&journal)),
        requests: Lookups::start(Arc::clone(&journal)),
        feed,
        gates: Gate::for_shards(config, shards),
        supervisors: Supervisors::new(shards),
        journal,
    })
}

impl Engine {
    /// Begins an engine.
    #[must_use]
    pub fn builder(config: Config) -> Builder {
        Builder {
            config,
            journals: Vec::new(),
            entities: Vec::new(),
            checks: HashMap::new(),
            policies: Vec::new(),
        }
    }

    /// The entities of a kind.
    ///
    /// # Errors
    /// When the engine was built without that kind.
    pub fn entities<E: Entity>(&self) -> Result<Entities<E>, Error> {
        self.entities
            .get(&TypeId::of::<E>())
            .and_then(|entities| entities.downcast_ref::<Entities<E>>())
            .cloned()
            .ok_or_else(|| unknown(E::KIND))
    }

    /// The names of the contexts.
    pub fn contexts(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.contexts.keys().copied()
    }

    /// Keeps an answer under its request key, so that it can be replayed byte for byte.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn answer(&self, context: &str, answer: NewAnswer) -> Result<(), Error> {
        self.context(context)?
            .committer
            .note(Note::Answer(answer))
            .await
    }

    /// What is known of a request.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn request(
        &self,
        context: &str,
        scope: &str,
        key: &str,
    ) -> Result<Option<RequestRow>, Error> {
        let name = (scope.to_owned(), key.to_owned());
        self.context(context)?.requests.find(name).await
    }

    /// Follows a context's committed events from the given positions, or from now on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn follow(&self, context: &str, from: Option<Positions>) -> Result<Reader, Error> {
        self.context(context)?.feed.follow(from).await
    }

    /// The last position of every shard of a context that has events.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn heads(&self, context: &str) -> Result<Positions, Error> {
        Ok(self
            .context(context)?
            .journal
            .heads()
            .await?
            .into_iter()
            .collect())
    }

    /// Events of one company in a context after the given positions, in all shards; see
    /// [`Journal::tenant_feed`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn tenant_feed(
        &self,
        context: &str,
        tenant: Uuid,
        after: &Positions,
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, Error> {
        let journal = &self.context(context)?.journal;
        let after: Vec<_> = (0..journal.shards())
            .map(|shard| (Shard(shard), after.get(&Shard(shard)).copied().unwrap_or(0)))
            .collect();
        Ok(journal.tenant_feed(tenant, &after, span, limit).await?)
    }

    /// Events of a context that policies could not handle, in order of their ids as text, from the
    /// one after a given id.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn parked(
        &self,
        context: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error> {
        let journal = &self.context(context)?.journal;
        Ok(journal.parked(POLICIES, after, limit).await?)
    }

    /// An event of a context that policies could not handle, by its id.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn parked_event(&self, context: &str, event: &str) -> Result<Option<Parked>, Error> {
        let journal = &self.context(context)?.journal;
        Ok(journal.parked_event(POLICIES, event).await?)
    }

    /// Handles a parked event again; it stays parked if that fails again.
    ///
    /// # Errors
    /// When the outcome could not be stored.
    pub async fn retry_parked(&self, context: &str, parked: &Parked) -> Result<(), Error> {
        let subscriber = self
            .subscribers
            .get(context)
            .ok_or_else(|| unknown(context))?;
        subscriber.retry(parked).await
    }

    /// Whether this process may and can write to its journals, as far as it knows by itself.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason: another process has taken shards over, or what
    /// writes is dead or has been stuck for long.
    pub fn writable(&self) -> Result<(), Error> {
        self.node.displaced.check()?;
        let mut contexts = self.contexts.values();
        contexts.try_for_each(|context| context.committer.check())
    }

    /// Whether every journal answers, and this process can write to it.
    ///
    /// # Errors
    /// When a journal does not answer, and as [`Engine::writable`].
    pub async fn ping(&self) -> Result<(), Error> {
        self.writable()?;
        for context in self.contexts.values() {
            context.journal.ping().await?;
        }
        Ok(())
    }

    /// Commands under way on this node.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.node.admission.under_way()
    }

    /// Ends in good order: what was admitted gets its answer, within the time given; then policies
    /// and timers end (they go on where they were after the next start), then the hosts.
    pub async fn stop(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let rest = || deadline.saturating_duration_since(Instant::now());
        self.node.admission.close();
        while self.under_way() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for task in &self.tasks {
            task.abort();
        }
        for context in self.contexts.values() {
            let _ = tokio::time::timeout(rest(), context.committer.barrier()).await;
        }
        self.root.stop_children_and_wait(None, Some(rest())).await;
        self.root.stop(None);
    }

    /// Starts what runs by itself: policies, timers, upkeep.
    async fn start_background(
        &mut self,
        kinds: &Arc<BTreeMap<&'static str, Arc<dyn AnyKind>>>,
        policies: &[Policy],
    ) -> Result<(), Error> {
        let node = &self.node;
        let every = Duration::from_millis(node.config.timer_ms.max(1));
        let sweep = upkeep::sweep(Arc::clone(node), Arc::clone(kinds));
        self.tasks.push(tokio::spawn(sweep));
        let observe = upkeep::observe(Arc::clone(node));
        self.tasks.push(tokio::spawn(observe));
        for context in self.contexts.values() {
            let journal = &context.journal;
            let timers = timers::run(Arc::clone(journal), Arc::clone(kinds), every);
            self.tasks.push(tokio::spawn(timers));
            let theirs = kinds.values().filter(|kind| kind.context() == context.name);
            let theirs = theirs.cloned().collect();
            let prune = upkeep::prune(Arc::clone(node), Arc::clone(journal), theirs);
            self.tasks.push(tokio::spawn(prune));
            let subscriber = Arc::new(Subscriber {
                context: context.name,
                policies: of_context(policies, context.name),
                kinds: Arc::clone(kinds),
                committer: context.committer.clone(),
                rooms: self.policy_rooms(),
                config: node.config.clone(),
            });
            if !subscriber.policies.is_empty() {
                let from: Positions = journal.checkpoints(POLICIES).await?.into_iter().collect();
                let reader = context.feed.follow(Some(from.clone())).await?;
                let run = Arc::clone(&subscriber).run(reader, from);
                self.tasks.push(tokio::spawn(run));
            }
            self.subscribers.insert(context.name, subscriber);
        }
        Ok(())
    }

    /// Places for commands of one context's policies, in each context.
    fn policy_rooms(&self) -> HashMap<&'static str, Semaphore> {
        let room = || Semaphore::new(self.node.config.policy_concurrency.max(1));
        self.contexts().map(|name| (name, room())).collect()
    }

    fn context(&self, name: &str) -> Result<&Arc<ContextParts>, Error> {
        self.contexts.get(name).ok_or_else(|| unknown(name))
    }
}

impl Drop for Engine {
    /// Ends at once what [`Engine::stop`] has not ended in good order.
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.root.stop_children(None);
        self.root.stop(None);
    }
}
