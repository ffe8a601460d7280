//! Deadlines, admission, what stays in memory, and the end.

use std::time::{Duration, Instant};

use engine::{Bound, Config, Error, Meta, Shard};

use crate::counter::{Ask, Counter};
use crate::mirror;
use crate::world::{SHARDS, STRANGER, TENANT, World, config, done, eventually, id, meta};

#[tokio::test]
async fn a_late_command_is_dropped_before_it_is_decided() {
    let (world, id) = (World::new().await, id());
    let mut late = meta();
    late.deadline = Instant::now();
    // Deciding it would panic.
    let answer = world.counters.send(id, Ask::Panic, late).await;
    assert!(matches!(answer, Err(Error::Late)), "{answer:?}");
    assert_eq!(world.engine.under_way(), 0);
}

#[tokio::test]
async fn a_caller_does_not_wait_beyond_the_deadline_and_is_not_told_that_nothing_happened() {
    let (world, id) = (World::new().await, id());
    world.memory().pause();
    let mut short = meta();
    short.deadline = Instant::now() + Duration::from_millis(300);
    let answer = world.counters.send(id, Ask::Add(1), short).await;
    assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
    world.memory().resume();
    eventually("the commit", || async {
        (world.total(id).await == 1).then_some(())
    })
    .await;
}

fn of_shard(shard: u16) -> uuid::Uuid {
    let is_there = |it: &uuid::Uuid| Shard::of(*it, SHARDS) == Shard(shard);
    std::iter::repeat_with(id).find(is_there).unwrap()
}

/// Fills a bound with three commands, and expects the fourth to meet it.
async fn meets(bound: Bound, config: Config, fourth: (uuid::Uuid, Meta), ids: [uuid::Uuid; 3]) {
    let world = World::with(config, &[]).await;
    world.memory().pause();
    let held: Vec<_> = ids
        .iter()
        .map(|id| world.asking(*id, Ask::Add(1)))
        .collect();
    world.until_under_way(3).await;
    let (id, meta) = fourth;
    let shed = world.counters.send(id, Ask::Add(1), meta.clone()).await;
    match shed {
        Err(Error::Overloaded { scope, retry_after }) => {
            assert_eq!(scope, bound);
            assert!(!retry_after.is_zero());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.engine.under_way(), 3);
    world.memory().resume();
    for held in held {
        done(held.await.unwrap());
    }
    assert_eq!(world.engine.under_way(), 0);
    done(world.counters.send(id, Ask::Add(1), meta).await);
}

#[tokio::test]
async fn commands_beyond_a_bound_are_shed_and_places_are_given_back() {
    let strange = Meta {
        tenant: STRANGER,
        ..meta()
    };
    let one = id();
    let entity = Config {
        entity_pending_max: 3,
        ..config()
    };
    meets(Bound::Entity, entity, (one, meta()), [one; 3]).await;
    let tenant = Config {
        tenant_pending_max: 3,
        ..config()
    };
    meets(Bound::Tenant, tenant, (id(), meta()), [id(), id(), id()]).await;
    let shard = Config {
        shard_pending_max: 3,
        ..config()
    };
    let same = [of_shard(1), of_shard(1), of_shard(1)];
    meets(Bound::Shard, shard, (of_shard(1), strange.clone()), same).await;
    let node = Config {
        node_pending_max: 3,
        ..config()
    };
    let spread = [of_shard(0), of_shard(1), of_shard(2)];
    meets(Bound::Node, node, (of_shard(3), strange), spread).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_that_come_and_go_lose_no_command() {
    let config = Config {
        idle_ms: 1,
        residents_max: 3,
        ..config()
    };
    let world = World::with(config, &[]).await;
    let ids: Vec<_> = (0..8).map(|_| id()).collect();
    let mut asking = tokio::task::JoinSet::new();
    for id in ids.clone() {
        let counters = world.counters.clone();
        asking.spawn(async move {
            let mut added = 0;
            while added < 60 {
                match counters.send(id, Ask::Add(1), meta()).await {
                    Ok(_) => added += 1,
                    // All three places may be taken by entities with something under way.
                    Err(Error::Overloaded {
                        scope: Bound::Node, ..
                    }) => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    asking.join_all().await;
    for id in ids {
        assert_eq!(world.recorded(id).await, (60, 60));
        let found = eventually("a place", || async {
            let deadline = Instant::now() + Duration::from_secs(5);
            world.counters.get(TENANT, id, deadline).await.ok()
        });
        assert_eq!(found.await.unwrap().state.total, 60);
    }
}

#[tokio::test]
async fn kinds_make_room_for_each_other() {
    let config = Config {
        residents_max: 2,
        ..config()
    };
    let world = World::with(config, &[]).await;
    done(world.ask(id(), Ask::Add(1)).await);
    done(world.ask(id(), Ask::Add(1)).await);
    let mirrors = world.engine.entities::<mirror::Mirror>().unwrap();
    let noted = mirrors.send(id(), mirror::Ask::Note(1), meta()).await;
    assert!(noted.is_ok(), "{noted:?}");
}

#[tokio::test]
async fn the_longest_idle_makes_room_whatever_kind_it_is_of() {
    let config = Config {
        residents_max: 2,
        ..config()
    };
    let world = World::with(config, &[]).await;
    let mirrors = world.engine.entities::<mirror::Mirror>().unwrap();
    let noted = mirrors.send(id(), mirror::Ask::Note(1), meta()).await;
    assert!(noted.is_ok(), "{noted:?}");
    // When something was last asked for is known to the second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let kept = id();
    done(world.ask(kept, Ask::Add(1)).await);
    done(world.ask(id(), Ask::Add(1)).await);
    // So that it cannot be brought back.
    world.memory().set_available(false);
    let deadline = Instant::now() + Duration::from_secs(2);
    let found = world.counters.get(TENANT, kept, deadline).await;
    assert_eq!(found.unwrap().unwrap().state.total, 1);
    world.memory().set_available(true);
}

#[tokio::test]
async fn no_more_entities_are_in_memory_than_there_are_places() {
    let config = Config {
        residents_max: 3,
        ..config()
    };
    let world = World::with(config, &[]).await;
    world.memory().pause();
    let held: Vec<_> = (0..10).map(|_| world.asking(id(), Ask::Add(1))).collect();
    eventually("those without a place are told", || async {
        (held.iter().filter(|it| it.is_finished()).count() == 7).then_some(())
    })
    .await;
    world.memory().resume();
    let mut served = 0;
    for held in held {
        match held.await.unwrap() {
            Ok(_) => served += 1,
            Err(Error::Overloaded { scope, .. }) => assert_eq!(scope, Bound::Node),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(served, 3);
    done(world.ask(id(), Ask::Add(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creating_is_never_in_vain_because_nothing_is_kept_of_what_does_not_exist() {
    let world = World::new().await;
    for _ in 0..300 {
        let id = id();
        assert!(world.get(id).await.is_none());
        assert_eq!(done(world.ask(id, Ask::Add(1)).await).version, 1);
    }
}

#[tokio::test]
async fn another_companys_entity_is_not_there_but_for_those_who_prove_otherwise() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    let strange = Meta {
        tenant: STRANGER,
        ..meta()
    };
    let answer = world.counters.send(id, Ask::Add(1), strange).await;
    assert!(matches!(answer, Err(Error::NotFound)));
    let deadline = Instant::now() + Duration::from_secs(5);
    let theirs = world.counters.get(STRANGER, id, deadline).await.unwrap();
    assert!(theirs.is_none());
    let events = world.counters.history(STRANGER, id, 0, 10).await.unwrap();
    assert!(events.is_empty());
    let then = world.counters.at_version(STRANGER, id, 1).await.unwrap();
    assert!(then.is_none());
    let anywhere = world.counters.get_anywhere(id, deadline).await.unwrap();
    assert_eq!(anywhere.unwrap().tenant, TENANT);
    let nowhere = world
        .counters
        .get_anywhere(crate::world::id(), deadline)
        .await;
    assert!(nowhere.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_answers_what_was_admitted_and_admits_nothing_more() {
    let world = World::new().await;
    world.memory().pause();
    let ids: Vec<_> = (0..50).map(|_| id()).collect();
    let asked: Vec<_> = ids
        .iter()
        .map(|id| world.asking(*id, Ask::Add(1)))
        .collect();
    world.until_under_way(50).await;
    // Slow enough for the end to begin before the work is done.
    world.memory().set_commit_delay(Duration::from_millis(50));
    world.memory().resume();
    world.engine.stop(Duration::from_secs(20)).await;
    for asked in asked {
        done(asked.await.unwrap());
    }
    let after = world.ask(ids[0], Ask::Add(1)).await;
    assert!(matches!(after, Err(Error::Unavailable(_))), "{after:?}");
    let world = world.restarted().await;
    for id in ids {
        assert_eq!(world.total(id).await, 1);
    }
}

#[tokio::test]
async fn what_is_waited_for_is_seen_when_it_is_durable() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    let until = |it: &engine::Versioned<Counter>| it.state.total >= 2;
    let soon = Instant::now() + Duration::from_millis(50);
    let early = world.counters.wait(TENANT, id, soon, until).await.unwrap();
    assert_eq!(early.unwrap().state.total, 1);
    let added = world.asking(id, Ask::Add(1));
    let later = Instant::now() + Duration::from_secs(20);
    let seen = world.counters.wait(TENANT, id, later, until).await.unwrap();
    assert_eq!(seen.unwrap().state.total, 2);
    done(added.await.unwrap());
}
