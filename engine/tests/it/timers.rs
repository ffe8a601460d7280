//! Timers: told at least once, never early, and cleared with what came of it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use engine::journal::{DueTimer, Journal};

use crate::counter::Ask;
use crate::world::{World, config, done, eventually, id};

/// All timers that are stored, due or not.
async fn stored(world: &World) -> Vec<DueTimer> {
    let end = Utc::now() + TimeDelta::days(10_000);
    world.memory().due_timers(end, 1_000).await.unwrap()
}

fn within(seconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(seconds)
}

#[tokio::test]
async fn a_timer_rings_not_before_its_time_and_is_cleared() {
    let (world, id) = (World::new().await, id());
    // Finer than what journals keep, which must not matter.
    let at = within(1) + TimeDelta::microseconds(3);
    done(world.ask(id, Ask::SetAlarm(at)).await);
    let rung = eventually("the ring", || async {
        world.get(id).await.filter(|it| it.state.rings > 0)
    });
    let rung = rung.await;
    assert!(rung.updated_at >= at - TimeDelta::milliseconds(1));
    assert_eq!((rung.state.rings, rung.version), (1, 2));
    assert!(stored(&world).await.is_empty());
    let events = world.counters.history(crate::world::TENANT, id, 1, 1);
    assert_eq!(&*events.await.unwrap()[0].principal, "timer");
}

#[tokio::test]
async fn a_timer_that_is_refused_is_cleared_all_the_same() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Deafen).await);
    done(world.ask(id, Ask::SetAlarm(within(0))).await);
    eventually("the end of the timer", || async {
        stored(&world).await.is_empty().then_some(())
    })
    .await;
    let counter = world.get(id).await.unwrap();
    assert_eq!((counter.state.rings, counter.version), (0, 2));
}

#[tokio::test]
async fn a_timer_outlives_the_engine() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::SetAlarm(within(1))).await);
    world.engine.stop(Duration::from_secs(5)).await;
    let world = world.restarted().await;
    eventually("the ring", || async {
        world.get(id).await.filter(|it| it.state.rings == 1)
    })
    .await;
}

#[tokio::test]
async fn a_timer_set_anew_while_its_former_moment_fires_is_not_lost() {
    let (world, id) = (World::new().await, id());
    let later = within(3_600);
    world.memory().pause();
    let first = world.asking(id, Ask::SetAlarm(within(0)));
    world.until_under_way(1).await;
    world.memory().resume();
    done(first.await.unwrap());
    world.memory().pause();
    // The former moment has come; by when it is decided the alarm stands for a later one.
    let anew = world.asking(id, Ask::SetAlarm(later));
    world.until_under_way(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.memory().resume();
    done(anew.await.unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let counter = world.get(id).await.unwrap();
    assert!(counter.state.alarm.is_some());
    let moments: Vec<_> = stored(&world).await.iter().map(|timer| timer.at).collect();
    let kept = counter.state.alarm.map(|at| at.timestamp_millis());
    assert_eq!(moments.iter().map(|at| at.timestamp_millis()).next(), kept);
}

#[tokio::test]
async fn timers_that_cannot_fire_do_not_keep_others_from_it() {
    let world = World::with(config(), &[]).await;
    let bad: Vec<_> = (0..300).map(|_| id()).collect();
    let soon = within(1);
    let asked: Vec<_> = bad
        .iter()
        .map(|it| world.asking(*it, Ask::SetAlarm(soon)))
        .collect();
    for asked in asked {
        done(asked.await.unwrap());
    }
    for bad in &bad {
        world.memory().poison(*bad);
    }
    let good = id();
    done(world.ask(good, Ask::SetAlarm(within(2))).await);
    eventually("the ring", || async {
        world.get(good).await.filter(|it| it.state.rings == 1)
    })
    .await;
    for bad in &bad {
        world.memory().cure(*bad);
    }
    for bad in bad {
        eventually("the other rings", || async {
            world.get(bad).await.filter(|it| it.state.rings == 1)
        })
        .await;
    }
}
