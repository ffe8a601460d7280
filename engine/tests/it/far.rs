//! Policies whose addressees live in another context, with a journal of its own that fails by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::journal::Journal;
use engine::journal::memory::{Fault, Memory};
use engine::{Config, Engine, Reply};
use uuid::Uuid;

use crate::counter::{Ask, Counter};
use crate::mirror::{FAR_MIRRORING, MIRRORING, Mirror};
use crate::world::{PATIENCE, TENANT, config, eventually, id, meta};

struct Contexts {
    near: Arc<Memory>,
    far: Arc<Memory>,
    engine: Engine,
}

impl Contexts {
    async fn with(config: Config) -> Self {
        let (near, far) = (Arc::new(Memory::new(1)), Arc::new(Memory::new(1)));
        let engine = Engine::builder(config)
            .context("test", Arc::clone(&near) as Arc<dyn Journal>)
            .context("far", Arc::clone(&far) as Arc<dyn Journal>)
            .entity::<Counter>()
            .entity::<Mirror>()
            .entity::<Mirror<true>>()
            .policies(&[MIRRORING, FAR_MIRRORING])
            .start()
            .await
            .unwrap();
        Self { near, far, engine }
    }

    async fn add_one(&self, id: Uuid) {
        let counters = self.engine.entities::<Counter>().unwrap();
        let added = counters.send(id, Ask::Add(1), meta()).await;
        assert!(matches!(added, Ok(Reply::Done(_))), "{added:?}");
    }

    /// How far policies have stored that they have come with the near feed.
    async fn checkpoint(&self) -> u64 {
        let checkpoints = self.near.checkpoints("policies").await.unwrap();
        checkpoints.iter().map(|(_, seq)| seq).sum()
    }

    /// How many notes a mirror has taken.
    async fn notes<const FAR: bool>(&self, id: Uuid) -> u32 {
        let mirrors = self.engine.entities::<Mirror<FAR>>().unwrap();
        let mirror = mirrors.get(TENANT, id, Instant::now() + PATIENCE).await;
        mirror.unwrap().map_or(0, |mirror| mirror.state.notes)
    }

    async fn until_noted<const FAR: bool>(&self, id: Uuid, notes: u32) {
        eventually("the notes", || async {
            (self.notes::<FAR>(id).await == notes).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_context_that_is_away_keeps_policies_from_no_other() {
    let contexts = Contexts::with(Config {
        policy_concurrency: 2,
        ..config()
    })
    .await;
    let id = id();
    contexts.far.set_available(false);
    for _ in 0..10 {
        contexts.add_one(id).await;
    }
    contexts.until_noted::<false>(id, 10).await;
    contexts.far.set_available(true);
    eventually("the far notes", || async {
        let mirrors = contexts.engine.entities::<Mirror<true>>().unwrap();
        let mirror = mirrors.get(TENANT, id, Instant::now() + PATIENCE).await;
        mirror.ok()?.filter(|it| it.state.notes == 10)
    })
    .await;
}

#[tokio::test]
async fn nothing_is_parked_because_a_journal_is_away() {
    let contexts = Contexts::with(Config {
        policy_attempts: 1,
        ..config()
    })
    .await;
    let (resident, cold) = (id(), id());
    contexts.add_one(resident).await;
    contexts.until_noted::<true>(resident, 1).await;
    contexts.far.set_available(false);
    // One that is in memory cannot commit, one that is not cannot be loaded.
    contexts.add_one(resident).await;
    contexts.add_one(cold).await;
    contexts.until_noted::<false>(cold, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let far = contexts.engine.entities::<Mirror<true>>().unwrap();
    let away = far.get(TENANT, cold, Instant::now()).await;
    assert!(away.is_err(), "{away:?}");
    contexts.far.set_available(true);
    contexts
        .far
        .fail_next_commit(Fault::InDoubt { committed: false });
    eventually("the far notes", || async {
        let deadline = Instant::now() + PATIENCE;
        let resident = far.get(TENANT, resident, deadline).await.ok()??;
        let cold = far.get(TENANT, cold, deadline).await.ok()??;
        (resident.state.notes == 2 && cold.state.notes == 1).then_some(())
    })
    .await;
    let parked = contexts.engine.parked("test", None, 10).await.unwrap();
    assert_eq!(parked, []);
}

#[tokio::test]
async fn the_checkpoint_never_passes_what_is_not_handled() {
    let contexts = Contexts::with(config()).await;
    let id = id();
    contexts.add_one(id).await;
    contexts.until_noted::<true>(id, 1).await;
    // The counter's event, and that of the mirror nearby.
    eventually("the checkpoint", || async {
        (contexts.checkpoint().await == 2).then_some(())
    })
    .await;
    contexts.far.pause();
    contexts.add_one(id).await;
    contexts.until_noted::<false>(id, 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(contexts.checkpoint().await, 2);
    contexts.far.resume();
    eventually("the checkpoint", || async {
        (contexts.checkpoint().await == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn policies_read_no_further_than_so_far_beyond_what_they_cannot_handle() {
    let contexts = Contexts::with(Config {
        policy_ahead_max: 4,
        ..config()
    })
    .await;
    let id = id();
    contexts.far.pause();
    for _ in 0..10 {
        contexts.add_one(id).await;
    }
    // What the near mirror notes is in the same feed, and counts.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let noted = contexts.notes::<false>(id).await;
    assert!((1..=4).contains(&noted), "{noted}");
    contexts.far.resume();
    contexts.until_noted::<true>(id, 10).await;
    contexts.until_noted::<false>(id, 10).await;
}

#[tokio::test]
async fn a_command_that_waits_for_its_commit_is_not_sent_over_and_over() {
    let contexts = Contexts::with(Config {
        policy_timeout_ms: 100,
        ..config()
    })
    .await;
    let id = id();
    contexts.far.pause();
    contexts.add_one(id).await;
    // Long enough for several attempts to time out.
    tokio::time::sleep(Duration::from_secs(3)).await;
    contexts.far.resume();
    contexts.until_noted::<true>(id, 1).await;
    contexts.engine.stop(Duration::from_secs(5)).await;
    let decisions: usize = contexts.far.commits().iter().sum();
    assert!(decisions <= 2, "{decisions}");
}
