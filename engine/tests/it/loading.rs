//! Cold starts: from documents, from events where those fall short, and from neither.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::journal::Journal;
use engine::{Config, Engine, Error};

use crate::counter::{Ask, Counter};
use crate::world::{TENANT, World, config, done, id, meta};

#[tokio::test]
async fn a_cold_entity_comes_from_its_document() {
    let (world, id) = (World::new().await, id());
    let created = done(world.ask(id, Ask::Add(1)).await);
    done(world.ask(id, Ask::Add(2)).await);
    let world = world.restarted().await;
    let found = world.get(id).await.unwrap();
    assert_eq!((found.version, found.state.total), (2, 3));
    assert_eq!(found.created_at, created.created_at);
    assert!(found.state.is_restored);
    assert!(world.journal.replays_of(id).is_empty());
}

#[tokio::test]
async fn a_damaged_document_is_rebuilt_from_the_events() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    done(world.ask(id, Ask::Add(2)).await);
    let world = world.restarted().await;
    world.journal.damage_document("counter", id);
    let found = world.get(id).await.unwrap();
    assert_eq!((found.version, found.state.total), (2, 3));
    assert!(!found.state.is_restored);
    assert_eq!(done(world.ask(id, Ask::Add(1)).await).version, 3);
}

#[tokio::test]
async fn a_state_of_another_schema_is_rebuilt_and_stored_anew() {
    let config = Config {
        snapshot_events: 1_000,
        ..config()
    };
    let (world, id) = (World::with(config.clone(), &[]).await, id());
    done(world.ask(id, Ask::Add(1)).await);
    done(world.ask(id, Ask::Grow).await);
    let journal = Arc::clone(&world.journal);
    drop(world);
    for expected in [false, true] {
        let engine = Engine::builder(config.clone())
            .context("test", Arc::clone(&journal) as Arc<dyn Journal>)
            .entity::<Counter<2>>()
            .start()
            .await
            .unwrap();
        let counters = engine.entities::<Counter<2>>().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let found = counters.get(TENANT, id, deadline).await.unwrap().unwrap();
        assert_eq!(found.state.is_restored, expected);
        // Not due by its age, but what is stored is of no use.
        counters.send(id, Ask::Add(1), meta()).await.unwrap();
    }
    let replays = journal.replays_of(id);
    assert_eq!(replays.first(), Some(&0));
    assert!(replays[1..].iter().all(|from| *from == 3), "{replays:?}");
}

#[tokio::test]
async fn a_large_state_is_stored_now_and_then_and_replayed_since() {
    let config = Config {
        snapshot_events: 10,
        ..config()
    };
    let (world, id) = (World::with(config, &[]).await, id());
    done(world.ask(id, Ask::Grow).await);
    for _ in 0..25 {
        done(world.ask(id, Ask::Add(1)).await);
    }
    let world = world.restarted().await;
    let found = world.get(id).await.unwrap();
    assert_eq!((found.version, found.state.total), (26, 25));
    assert!(found.state.is_restored);
    assert_eq!(world.journal.replays_of(id), [20]);
    let query = engine::journal::Query::everything("counter", Some(TENANT), 10);
    let listed = world.counters.list(&query).await.unwrap();
    assert_eq!(listed[0].listed.as_deref(), Some("{\"total\":25}"));
}

#[tokio::test]
async fn damaged_events_put_their_entity_out_of_service_and_no_other() {
    let world = World::new().await;
    let (damaged, sound) = (id(), id());
    done(world.ask(damaged, Ask::Add(1)).await);
    done(world.ask(sound, Ask::Add(1)).await);
    let world = world.restarted().await;
    world.journal.damage("counter", damaged);
    let answers: Vec<_> = (0..10)
        .map(|_| world.asking(damaged, Ask::Add(1)))
        .collect();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert!(matches!(answer, Err(Error::Damaged(_))), "{answer:?}");
    }
    // Told at once, not when the deadline has passed.
    let deadline = Instant::now() + Duration::from_secs(3_600);
    let read = world.counters.get(TENANT, damaged, deadline).await;
    assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    assert!(world.journal.replays_of(damaged).len() < 10);
    assert_eq!(done(world.ask(sound, Ask::Add(1)).await).version, 2);
    world.journal.mend();
    world.insist(damaged, Ask::Add(1)).await;
    assert_eq!(world.total(damaged).await, 2);
}

#[tokio::test]
async fn a_damaged_row_fails_nobody_who_is_loaded_at_the_same_time() {
    let world = World::new().await;
    let ids: Vec<_> = (0..40).map(|_| id()).collect();
    world.journal.damage_rows(ids[17]);
    let asked: Vec<_> = ids
        .iter()
        .map(|id| world.asking(*id, Ask::Add(1)))
        .collect();
    for (id, asked) in ids.iter().zip(asked) {
        let answer = asked.await.unwrap();
        if *id == ids[17] {
            assert!(matches!(answer, Err(Error::Damaged(_))), "{answer:?}");
        } else {
            assert_eq!(done(answer).state.total, 1);
        }
    }
}

#[tokio::test]
async fn the_past_can_be_looked_at() {
    let (world, id) = (World::new().await, id());
    let mut moments = Vec::new();
    for amount in 1..=3 {
        let state = done(world.ask(id, Ask::Add(amount)).await);
        moments.push(state.updated_at);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let events = world.counters.history(TENANT, id, 1, 1).await.unwrap();
    assert_eq!(events.iter().map(|it| it.version).collect::<Vec<_>>(), [2]);
    assert_eq!(
        (&*events[0].principal, &*events[0].request_id),
        ("tester", "r-1")
    );
    for (version, total) in [(1, 1), (2, 3), (3, 6)] {
        let then = world
            .counters
            .at_version(TENANT, id, version)
            .await
            .unwrap();
        assert_eq!(then.unwrap().state.total, total);
    }
    for version in [0, 4] {
        let then = world
            .counters
            .at_version(TENANT, id, version)
            .await
            .unwrap();
        assert!(then.is_none());
    }
    let then = world
        .counters
        .at_time(TENANT, id, moments[1])
        .await
        .unwrap();
    assert_eq!(then.unwrap().version, 2);
    let before = moments[0] - chrono::TimeDelta::seconds(1);
    let then = world.counters.at_time(TENANT, id, before).await.unwrap();
    assert!(then.is_none());
}
