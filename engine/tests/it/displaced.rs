//! Another process takes the shards over: this one gives them up, and says so.

use engine::journal::memory::Fault;
use engine::journal::{Journal, Lease};
use engine::{Error, Shard};
use uuid::Uuid;

use crate::counter::Ask;
use crate::world::{SHARDS, World, done, id};

/// Takes everything over, as another process would.
async fn displace(world: &World) -> Vec<Lease> {
    let shards: Vec<_> = (0..SHARDS).map(Shard).collect();
    let taken = world.memory().take_over(Uuid::now_v7(), &shards).await;
    taken.unwrap()
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
    let fenced = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(fenced, Err(Error::Unavailable(_))), "{fenced:?}");
    for (before, after) in taken.iter().zip(displace(&world).await) {
        assert_eq!(after.epoch, before.epoch + 1);
    }
}
