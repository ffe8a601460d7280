//! An engine to try things on, and short ways to ask it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::journal::Journal;
use engine::journal::memory::Memory;
use engine::{
    Config, Engine, Entities, EntityKey, Error, Meta, Policy, Reply, RequestKey, Versioned,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::counter::{Ask, Counter, Fact};
use crate::mirror::Mirror;
use crate::wrapped::Wrapped;

pub(crate) const TENANT: Uuid = Uuid::from_u128(0xA);
pub(crate) const STRANGER: Uuid = Uuid::from_u128(0xB);
pub(crate) const SHARDS: u16 = 4;
/// Far longer than anything here takes, so that only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Answer = Result<Reply<Counter>, Error>;

pub(crate) struct World {
    pub(crate) journal: Arc<Wrapped>,
    pub(crate) engine: Engine,
    pub(crate) counters: Entities<Counter>,
    config: Config,
    policies: Vec<Policy>,
}

/// Bounds as shipped, but quick about what runs by itself.
pub(crate) fn config() -> Config {
    Config {
        timer_ms: 20,
        checkpoint_ms: 20,
        ..Config::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config(), &[]).await
    }

    pub(crate) async fn with(config: Config, policies: &[Policy]) -> Self {
        Self::on(Arc::new(Wrapped::new(SHARDS)), config, policies).await
    }

    pub(crate) async fn on(journal: Arc<Wrapped>, config: Config, policies: &[Policy]) -> Self {
        let engine = Engine::builder(config.clone())
            .context("test", Arc::clone(&journal) as Arc<dyn Journal>)
            .entity::<Counter>()
            .entity::<Mirror>()
            .policies(policies)
            .start()
            .await
            .unwrap();
        Self::of(engine, journal, config, policies)
    }

    pub(crate) fn of(
        engine: Engine,
        journal: Arc<Wrapped>,
        config: Config,
        policies: &[Policy],
    ) -> Self {
        Self {
            counters: engine.entities().unwrap(),
            policies: policies.to_vec(),
            journal,
            engine,
            config,
        }
    }

    /// Another engine on the same journal, as after a crash of this one.
    pub(crate) async fn restarted(self) -> Self {
        let Self {
            journal,
            engine,
            config,
            policies,
            ..
        } = self;
        drop(engine);
        Self::on(journal, config, &policies).await
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.journal.memory
    }

    pub(crate) async fn ask(&self, id: Uuid, command: Ask) -> Answer {
        self.counters.send(id, command, meta()).await
    }

    /// Asks without waiting for the answer.
    pub(crate) fn asking(&self, id: Uuid, command: Ask) -> JoinHandle<Answer> {
        self.asking_as(id, command, meta())
    }

    pub(crate) fn asking_as(&self, id: Uuid, command: Ask, meta: Meta) -> JoinHandle<Answer> {
        let counters = self.counters.clone();
        tokio::spawn(async move { counters.send(id, command, meta).await })
    }

    /// Asks again while the machinery says that it cannot just now.
    pub(crate) async fn insist(&self, id: Uuid, command: Ask) -> Reply<Counter> {
        eventually("an answer", || async {
            self.ask(id, command.clone()).await.ok()
        })
        .await
    }

    pub(crate) async fn get(&self, id: Uuid) -> Option<Arc<Versioned<Counter>>> {
        let deadline = Instant::now() + PATIENCE;
        self.counters.get(TENANT, id, deadline).await.unwrap()
    }

    pub(crate) async fn total(&self, id: Uuid) -> i64 {
        self.get(id).await.map_or(0, |counter| counter.state.total)
    }

    pub(crate) async fn mirror(&self, id: Uuid) -> Mirror {
        let mirrors = self.engine.entities::<Mirror>().unwrap();
        let mirror = mirrors.get(TENANT, id, Instant::now() + PATIENCE).await;
        mirror
            .unwrap()
            .map_or_else(Mirror::default, |it| it.state.clone())
    }

    /// What the journal's events add up to, and how many there are.
    pub(crate) async fn recorded(&self, id: Uuid) -> (i64, usize) {
        let key = EntityKey {
            kind: "counter",
            id,
        };
        let events = self.memory().history(key, 0, u32::MAX).await.unwrap();
        let amount = |event: &engine::Recorded| match event.event::<Counter>().unwrap() {
            Fact::Added { amount } => amount,
            _ => 0,
        };
        (events.iter().map(amount).sum(), events.len())
    }

    /// Waits until so many commands of clients are under way, and have had the time to be decided.
    pub(crate) async fn until_under_way(&self, commands: usize) {
        eventually("commands under way", || async {
            (self.engine.under_way() == commands).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn meta() -> Meta {
    Meta::new(TENANT, "tester", "r-1", PATIENCE)
}

/// A command under a request key.
pub(crate) fn keyed(key: &str) -> Meta {
    let request = RequestKey {
        scope: "tests".into(),
        key: key.into(),
        body_hash: 1,
        is_client: true,
    };
    Meta {
        request: Some(request),
        ..meta()
    }
}

pub(crate) fn id() -> Uuid {
    Uuid::now_v7()
}

/// Tries until there is something, or until it has taken far too long.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl Fn() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came: {what}");
}

/// The state of an entity that did what it was asked.
#[track_caller]
pub(crate) fn done(answer: Answer) -> Arc<Versioned<Counter>> {
    match answer {
        Ok(Reply::Done(entity)) => entity,
        other => panic!("not done: {other:?}"),
    }
}
