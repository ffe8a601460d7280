//! The program itself, killed and stopped under load: what it acknowledged is there, once.
//!
//! ```text
//!  client ──┐  place, cancel, pick, pack, ship, scan, receive: each request under a key of its
//!  client ──┼─ own, repeated under that key until there is a final answer
//!  client ──┘                      │
//!                               server   SIGKILL, start again on the same storage, SIGKILL …
//!                                  │
//!  then: what the answers said  ==  what is there
//! ```

mod check;
mod client;
mod load;
mod metrics;
mod server;
mod shell;
mod shop;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use client::Api;
use load::Load;
use server::Home;
use shop::Shop;

/// How often a server is killed.
const KILLS: usize = 5;
/// For how long, in milliseconds, a server works before it is killed.
const LIFE_MS: std::ops::Range<u64> = 50..1500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Terminated,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_sqlite_it_keeps_its_word() {
    survive(Home::on_sqlite(), End::Killed, KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_postgres_it_keeps_its_word() {
    if let Some(home) = Home::on_postgres("kill -9 on Postgres").await {
        survive(home, End::Killed, KILLS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_on_sqlite_it_ends_in_time_and_keeps_its_word() {
    survive(Home::on_sqlite(), End::Terminated, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_on_postgres_it_ends_in_time_and_keeps_its_word() {
    if let Some(home) = Home::on_postgres("SIGTERM on Postgres").await {
        survive(home, End::Terminated, 1).await;
    }
}

async fn survive(home: Home, end: End, rounds: usize) {
    let seed = rand::random::<u64>();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(api).await;
    let load = Load::start(&api, &shop, seed);
    for round in 0..rounds {
        load.turn_to(round);
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        match end {
            End::Killed => server.kill().await,
            End::Terminated => server.terminate().await,
        }
        server = home.serve().await;
        place.send_replace(server.address);
    }
    load.turn_to(rounds);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let diary = load.stop().await;
    let broken = api.broken_off();
    eprintln!("{broken} requests broke off; {}", diary.summary());
    assert!(
        end == End::Terminated || broken >= rounds,
        "{broken} requests broke off"
    );
    assert!(
        diary.succeeded() * 2 >= diary.operations.len(),
        "{}",
        diary.summary()
    );
    check::all(&api, &shop, &diary).await;
}
