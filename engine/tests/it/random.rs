//! Random work under random faults: what was acknowledged is there, what is there was asked for.

use std::sync::Arc;
use std::time::Duration;

use engine::journal::memory::Fault;
use engine::{Config, Error, Reply};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::counter::{Ask, Bomb};
use crate::mirror::MIRRORING;
use crate::world::{World, config, eventually, id, keyed};

const COUNTERS: usize = 6;
const CLIENTS: usize = 8;
const ASKED: usize = 80;

/// What a client knows at the end: of each counter, what was certainly added.
type Books = Vec<i64>;

/// Adds under a request key, again and again until the outcome is known.
async fn add(world: &World, id: uuid::Uuid, amount: i64, key: &str) -> i64 {
    loop {
        match world.counters.send(id, Ask::Add(amount), keyed(key)).await {
            Ok(Reply::Done(_)) => return amount,
            Ok(Reply::Refused(_)) => return 0,
            Ok(Reply::Seen(row)) => return if row.refusal.is_some() { 0 } else { amount },
            Err(Error::Damaged(why)) => panic!("{why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

async fn client(world: Arc<World>, ids: Vec<uuid::Uuid>, number: usize, seed: u64) -> Books {
    let mut random = StdRng::seed_from_u64(seed);
    let mut books = vec![0; ids.len()];
    for step in 0..ASKED {
        let which = random.random_range(0..ids.len());
        match random.random_range(0..40) {
            0 => _ = world.ask(ids[which], Ask::Panic).await,
            1 => _ = world.ask(ids[which], Ask::Explode(Bomb::default())).await,
            _ => {
                let amount = random.random_range(-5..=5);
                // Never what the mirror refuses.
                let key = format!("{number}-{step}");
                books[which] += add(&world, ids[which], amount, &key).await;
            }
        }
    }
    books
}

async fn break_things(world: Arc<World>, ids: Vec<uuid::Uuid>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(random.random_range(1..10))).await;
        let memory = world.memory();
        let victim = ids[random.random_range(0..ids.len())];
        match random.random_range(0..6) {
            0 => memory.fail_next_commit(Fault::Unavailable),
            1 => memory.fail_next_commit(Fault::Refused),
            2 => memory.fail_next_commit(Fault::InDoubt { committed: true }),
            3 => memory.fail_next_commit(Fault::InDoubt { committed: false }),
            4 => {
                memory.poison(victim);
                tokio::time::sleep(Duration::from_millis(5)).await;
                memory.cure(victim);
            }
            _ => {
                memory.set_available(false);
                tokio::time::sleep(Duration::from_millis(5)).await;
                memory.set_available(true);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_add_up_whatever_breaks() {
    let seed: u64 = std::env::var("QUENTY_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("QUENTY_TEST_SEED={seed}");
    let config = Config {
        residents_max: 4 * COUNTERS,
        idle_ms: 1,
        ..config()
    };
    let world = Arc::new(World::with(config, &[MIRRORING]).await);
    let ids: Vec<_> = (0..COUNTERS).map(|_| id()).collect();
    let breaking = tokio::spawn(break_things(Arc::clone(&world), ids.clone(), seed));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|it| {
            tokio::spawn(client(
                Arc::clone(&world),
                ids.clone(),
                it,
                seed + 1 + it as u64,
            ))
        })
        .collect();
    let mut books = vec![0; COUNTERS];
    for client in clients {
        for (sum, added) in books.iter_mut().zip(client.await.unwrap()) {
            *sum += added;
        }
    }
    breaking.abort();
    let _ = breaking.await;
    world.memory().set_available(true);
    ids.iter().for_each(|id| world.memory().cure(*id));
    for (id, expected) in ids.iter().zip(books) {
        let (total, _) = world.recorded(*id).await;
        assert_eq!(total, expected, "QUENTY_TEST_SEED={seed}");
        let shown = eventually("a host", || async {
            world.counters.get_anywhere(*id, soon()).await.ok()
        });
        assert_eq!(
            shown.await.map_or(0, |it| it.state.total),
            expected,
            "QUENTY_TEST_SEED={seed}"
        );
        eventually("the mirror", || async {
            (world.mirror(*id).await.total == expected).then_some(())
        })
        .await;
    }
    eventually("every place given back", || async {
        (world.engine.under_way() == 0).then_some(())
    })
    .await;
}

fn soon() -> std::time::Instant {
    std::time::Instant::now() + Duration::from_secs(5)
}
