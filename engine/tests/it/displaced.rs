//! Another process takes the shards over: this one gives them up, and says so.

use std::time::Instant;

use engine::journal::memory::Fault;
use engine::journal::{Journal, Lease};
use engine::{Error, Shard};
use uuid::Uuid;

use crate::counter::Ask;
use crate::world::{PATIENCE, SHARDS, TENANT, World, done, id};

/// Takes everything over, as another process would.
async fn displace(world: &World) -> Vec<Lease> {
    let shards: Vec<_> = (0..SHARDS).map(Shard).collect();
    let taken = world.memory().take_over(Uuid::now_v7(), &shards).await;
    taken.unwrap()
}

fn is_displaced<T>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable(why)) if why.contains("displaced"))
}

#[tokio::test]
async fn whoever_was_displaced_serves_nothing_and_is_not_ready() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    assert!(world.engine.ping().await.is_ok());
    displace(&world).await;
    // Nothing tells until something is written.
    let fenced = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(fenced, Err(Error::Unavailable(_))), "{fenced:?}");
    assert!(is_displaced(world.ask(id, Ask::Add(1)).await));
    let read = world.counters.get(TENANT, id, Instant::now() + PATIENCE);
    assert!(is_displaced(read.await));
    assert!(is_displaced(world.engine.ping().await));
}

#[tokio::test]
async fn a_doubt_takes_nothing_back_from_whoever_took_over() {
    let (world, id) = (World::new().await, id());
    world.memory().pause();
    let fault = Fault::InDoubt { committed: false };
    world.memory().fail_next_commit(fault);
    let doubtful = world.asking(id, Ask::Add(1));
    world.until_under_way(1).await;
    let taken = displace(&world).await;
    world.memory().resume();
    let doubtful = doubtful.await.unwrap();
    assert!(matches!(doubtful, Err(Error::InDoubt(_))), "{doubtful:?}");
    assert!(is_displaced(world.engine.ping().await));
    for (before, after) in taken.iter().zip(displace(&world).await) {
        assert_eq!(after.epoch, before.epoch + 1);
    }
}
