//! The first state that is like something is the same one for whoever asks, however late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Versioned;

use crate::counter::{Ask, Counter};
use crate::world::{World, done, id};

fn has(total: i64) -> impl Fn(&Versioned<Counter>) -> bool {
    move |counter| counter.state.total >= total
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn who_comes_late_is_told_what_was_then() {
    let (world, id) = (World::new().await, id());
    let made = done(world.ask(id, Ask::Add(1)).await);
    for _ in 0..4 {
        done(world.ask(id, Ask::Add(1)).await);
    }
    for (total, version) in [(1, 1), (2, 2), (3, 3), (5, 5)] {
        let first = world.counters.first(Arc::clone(&made), later(), has(total));
        assert_eq!(first.await.unwrap().version, version, "{total}");
    }
}

#[tokio::test]
async fn who_waits_is_told_the_same_as_who_comes_late() {
    let (world, id) = (World::new().await, id());
    let made = done(world.ask(id, Ask::Add(1)).await);
    // Several commits at once, so that not every version is shown.
    for total in (4..=60).step_by(3) {
        let waiting = tokio::spawn({
            let (counters, made) = (world.counters.clone(), Arc::clone(&made));
            async move { counters.first(made, later(), has(total)).await }
        });
        let adding: Vec<_> = (0..3).map(|_| world.asking(id, Ask::Add(1))).collect();
        for added in adding {
            done(added.await.unwrap());
        }
        let waited = waiting.await.unwrap().unwrap();
        let late = world.counters.first(Arc::clone(&made), later(), has(total));
        assert_eq!(waited.version, late.await.unwrap().version);
        assert_eq!(waited.state.total, total);
    }
}

#[tokio::test]
async fn when_it_does_not_come_the_latest_is_told() {
    let (world, id) = (World::new().await, id());
    let made = done(world.ask(id, Ask::Add(1)).await);
    done(world.ask(id, Ask::Add(1)).await);
    let soon = Instant::now() + Duration::from_millis(50);
    let latest = world.counters.first(made, soon, has(9)).await.unwrap();
    assert_eq!(latest.version, 2);
}
