//! Panics and hosts that die: told to whoever caused them, repaired for everybody else.

use std::sync::Arc;

use engine::{Error, Reply};

use crate::counter::{Ask, Bomb, HAUNTED};
use crate::world::{World, done, eventually, id};

fn explode() -> Ask {
    Ask::Explode(Bomb::default())
}

#[tokio::test]
async fn a_panic_is_told_to_its_caller_and_harms_nobody_else() {
    let world = World::new().await;
    let (shaken, neighbour) = (id(), id());
    done(world.ask(shaken, Ask::Add(1)).await);
    world.memory().pause();
    let before = world.asking(shaken, Ask::Add(1));
    world.until_under_way(1).await;
    let panicking = world.asking(shaken, Ask::Panic);
    let after = world.asking(shaken, Ask::Add(1));
    let beside = world.asking(neighbour, Ask::Add(1));
    let panicked = panicking.await.unwrap();
    assert!(
        matches!(&panicked, Err(Error::Panicked(why)) if why == "asked to"),
        "{panicked:?}"
    );
    world.memory().resume();
    assert_eq!(done(before.await.unwrap()).version, 2);
    assert_eq!(done(after.await.unwrap()).version, 3);
    assert_eq!(done(beside.await.unwrap()).version, 1);
    assert_eq!(world.recorded(shaken).await, (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_dies_with_commits_under_way_loses_none_of_them() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    world.memory().pause();
    let under_way: Vec<_> = (0..10).map(|_| world.asking(id, Ask::Add(1))).collect();
    world.until_under_way(10).await;
    let exploded = world.ask(id, explode()).await;
    assert!(matches!(exploded, Err(Error::Panicked(_))), "{exploded:?}");
    for asked in under_way {
        let answer = asked.await.unwrap();
        assert!(matches!(answer, Err(Error::HostFailed)), "{answer:?}");
    }
    // The next host waits for what the former one handed over.
    let next = world.asking(id, Ask::Add(1));
    world.until_under_way(1).await;
    assert!(!next.is_finished());
    world.memory().resume();
    assert_eq!(done(next.await.unwrap()).state.total, 12);
    assert_eq!(world.recorded(id).await, (12, 12));
}

#[tokio::test]
async fn a_host_that_keeps_failing_is_held_back_and_its_shard_is_not() {
    let world = World::new().await;
    let failing = id();
    // In the same shard, since there is only that which the entity's id says.
    let shard = engine::Shard::of(failing, crate::world::SHARDS);
    let neighbour = std::iter::repeat_with(id)
        .find(|it| engine::Shard::of(*it, crate::world::SHARDS) == shard)
        .unwrap();
    done(world.ask(neighbour, Ask::Add(1)).await);
    let mut held_back = 0;
    for _ in 0..20 {
        match world.ask(failing, explode()).await {
            Err(Error::Panicked(_)) => {}
            Err(Error::Unavailable(_) | Error::HostFailed) => held_back += 1,
            other => panic!("{other:?}"),
        }
        // Served at once, by the same host as before.
        assert!(done(world.ask(neighbour, Ask::Add(1)).await).version >= 2);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(held_back > 0);
    assert_eq!(world.journal.replays_of(neighbour).len(), 0);
    world.insist(failing, Ask::Add(1)).await;
    assert_eq!(world.total(failing).await, 1);
}

#[tokio::test]
async fn an_entity_whose_replay_panics_is_out_of_service_alone() {
    let world = World::new().await;
    let (haunted, neighbour) = (id(), id());
    let name = haunted.to_string();
    done(world.ask(haunted, Ask::Haunt(name.clone())).await);
    done(world.ask(neighbour, Ask::Add(1)).await);
    let world = world.restarted().await;
    world.journal.damage_document("counter", haunted);
    HAUNTED.lock().unwrap().insert(name.clone());
    let answer = world.ask(haunted, Ask::Nothing).await;
    assert!(matches!(answer, Err(Error::Damaged(_))), "{answer:?}");
    done(world.ask(neighbour, Ask::Add(1)).await);
    HAUNTED.lock().unwrap().remove(&name);
    let mended = world.insist(haunted, Ask::Add(1)).await;
    assert!(matches!(mended, Reply::Done(it) if it.version == 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_wait_outlive_the_host() {
    let world = Arc::new(World::new().await);
    let id = id();
    done(world.ask(id, Ask::Add(1)).await);
    let waiting = {
        let counters = world.counters.clone();
        let deadline = std::time::Instant::now() + crate::world::PATIENCE;
        tokio::spawn(async move {
            let until = |it: &engine::Versioned<crate::counter::Counter>| it.state.total >= 3;
            counters
                .wait(crate::world::TENANT, id, deadline, until)
                .await
        })
    };
    assert!(world.ask(id, explode()).await.is_err());
    eventually("a host again", || async {
        world.ask(id, Ask::Add(2)).await.ok()
    })
    .await;
    let seen = waiting.await.unwrap().unwrap().unwrap();
    assert_eq!(seen.state.total, 3);
}
