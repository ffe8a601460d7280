//! Readiness: an engine that can no longer write says so, though its journal still answers.

use std::sync::atomic::Ordering;

use engine::Error;
use engine::journal::Journal as _;
use engine::journal::memory::Fault;

use crate::counter::Ask;
use crate::world::{World, done, eventually, id};

/// Waits until the engine says that it is not ready, and gives the reason.
async fn not_ready(world: &World) -> String {
    eventually("a reason", || async {
        match world.engine.ping().await {
            Err(Error::Unavailable(why)) => Some(why),
            other => other.ok().and(None),
        }
    })
    .await
}

#[tokio::test]
async fn a_doubt_that_stays_is_told_and_forgotten_once_settled() {
    let (world, id) = (World::new().await, id());
    world.memory().set_settleable(false);
    let fault = Fault::InDoubt { committed: true };
    world.memory().fail_next_commit(fault);
    let doubtful = world.asking(id, Ask::Add(1));
    let why = not_ready(&world).await;
    assert!(why.contains("context test has been in doubt"), "{why}");
    assert!(world.memory().ping().await.is_ok());
    world.memory().set_settleable(true);
    let answer = doubtful.await.unwrap();
    assert!(matches!(answer, Err(Error::InDoubt(_))), "{answer:?}");
    world.engine.ping().await.unwrap();
    assert_eq!(done(world.ask(id, Ask::Add(1)).await).version, 2);
}

#[tokio::test]
async fn a_doubt_that_is_settled_soon_is_not_told() {
    let (world, id) = (World::new().await, id());
    let fault = Fault::InDoubt { committed: false };
    world.memory().fail_next_commit(fault);
    let doubtful = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(doubtful, Err(Error::InDoubt(_))), "{doubtful:?}");
    world.engine.ping().await.unwrap();
}

#[tokio::test]
async fn a_committer_that_died_is_told() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    world.engine.ping().await.unwrap();
    let fault = Fault::InDoubt { committed: false };
    world.memory().fail_next_commit(fault);
    world.journal.panics_in_doubt.store(true, Ordering::Relaxed);
    let lost = world.asking(id, Ask::Add(1));
    let why = not_ready(&world).await;
    assert!(why.contains("context test is dead"), "{why}");
    lost.abort();
}
