//! The feed: every event once and in order, from wherever a follower starts.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::feed::{Positions, Reader};
use engine::journal::memory::Fault;
use engine::{Config, Shard};

use crate::counter::Ask;
use crate::world::{PATIENCE, World, config, done, id};

/// Reads until the positions are reached, and checks that there is neither gap nor repeat.
async fn follow(reader: &mut Reader, from: &Positions, until: &Positions) {
    let mut at = from.clone();
    let is_there = |at: &Positions| until.iter().all(|(shard, seq)| at.get(shard) >= Some(seq));
    while !is_there(&at) {
        let events = tokio::time::timeout(PATIENCE, reader.next()).await;
        for event in events.expect("events in time").unwrap() {
            let event = event.unwrap();
            let position = at.entry(event.shard).or_default();
            assert_eq!(event.seq, *position + 1, "in shard {}", event.shard.0);
            *position = event.seq;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_see_every_event_once_from_any_position_while_others_write() {
    let config = Config {
        // So few that followers fall behind.
        feed_batches: 2,
        ..config()
    };
    let world = World::with(config, &[]).await;
    let ids: Vec<_> = (0..20).map(|_| id()).collect();
    let mut writing = tokio::task::JoinSet::new();
    for id in ids {
        let counters = world.counters.clone();
        writing.spawn(async move {
            for _ in 0..50 {
                let added = counters.send(id, Ask::Add(1), crate::world::meta()).await;
                added.unwrap();
            }
        });
    }
    let mut readers = Vec::new();
    for start in 0..6 {
        let from: Positions = (0..crate::world::SHARDS)
            .map(|it| (Shard(it), start))
            .collect();
        // A position beyond the end would be that of another journal.
        crate::world::eventually("that many events", || async {
            let heads = world.engine.heads("test").await.unwrap();
            from.iter()
                .all(|(shard, seq)| heads.get(shard) >= Some(seq))
                .then_some(())
        })
        .await;
        let reader = world
            .engine
            .follow("test", Some(from.clone()))
            .await
            .unwrap();
        readers.push((reader, from));
    }
    let mut now = world.engine.follow("test", None).await.unwrap();
    let from_now = now.positions().clone();
    writing.join_all().await;
    let heads = world.engine.heads("test").await.unwrap();
    assert_eq!(heads.values().sum::<u64>(), 1_000);
    for (reader, from) in &mut readers {
        follow(reader, from, &heads).await;
    }
    follow(&mut now, &from_now, &heads).await;
}

#[tokio::test]
async fn an_event_whose_commit_was_in_doubt_reaches_followers_all_the_same() {
    let (world, id) = (World::new().await, id());
    let mut reader = world.engine.follow("test", None).await.unwrap();
    world
        .memory()
        .fail_next_commit(Fault::InDoubt { committed: true });
    assert!(world.ask(id, Ask::Add(1)).await.is_err());
    let events = tokio::time::timeout(PATIENCE, reader.next()).await;
    assert_eq!(events.expect("the event in time").unwrap().len(), 1);
}

#[tokio::test]
async fn a_follower_that_is_interrupted_while_the_journal_is_away_misses_nothing() {
    let config = Config {
        feed_batches: 1,
        ..config()
    };
    let world = World::with(config, &[]).await;
    let mut reader = world.engine.follow("test", None).await.unwrap();
    let ids: Vec<_> = (0..10).map(|_| id()).collect();
    for id in &ids {
        done(world.ask(*id, Ask::Add(1)).await);
    }
    world.memory().set_available(false);
    let cut = tokio::time::timeout(Duration::from_millis(50), reader.next()).await;
    assert!(cut.is_err() || cut.unwrap().is_err());
    world.memory().set_available(true);
    let heads = world.engine.heads("test").await.unwrap();
    follow(&mut reader, &BTreeMap::new(), &heads).await;
}

#[tokio::test]
async fn a_company_sees_its_own_events_only() {
    let world = World::new().await;
    let (ours, theirs) = (id(), id());
    done(world.ask(ours, Ask::Add(1)).await);
    let strange = engine::Meta {
        tenant: crate::world::STRANGER,
        ..crate::world::meta()
    };
    done(world.counters.send(theirs, Ask::Add(1), strange).await);
    let from = Positions::new();
    let page = world
        .engine
        .tenant_feed("test", crate::world::TENANT, &from, 100, 100);
    let events = page.await.unwrap().events.into_iter();
    let events: Vec<_> = events.map(Result::unwrap).collect();
    assert_eq!(
        events.iter().map(|it| it.entity).collect::<Vec<_>>(),
        [ours]
    );
}

#[tokio::test]
async fn what_is_damaged_holds_back_nothing_else() {
    let world = World::new().await;
    let ids: Vec<_> = (0..12).map(|_| id()).collect();
    for id in ids.iter().chain(&ids) {
        done(world.ask(*id, Ask::Add(1)).await);
    }
    world.journal.damage_rows(ids[3]);
    let nothing = Some(Positions::new());
    let mut reader = world.engine.follow("test", nothing).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 * ids.len() {
        let events = tokio::time::timeout(PATIENCE, reader.next()).await;
        seen.extend(events.expect("events in time").unwrap());
    }
    let (read, damaged): (Vec<_>, Vec<_>) = seen.into_iter().partition(Result::is_ok);
    assert!(
        read.into_iter()
            .flatten()
            .all(|event| event.entity != ids[3])
    );
    assert_eq!(damaged.len(), 2);
}
