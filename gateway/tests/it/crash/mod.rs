//! The program itself under load, while it or what it stands on fails: what it acknowledged is there,
//! once.
//!
//! ```text
//!  client ──┐  place, cancel, pick, pack, ship, scan, receive: each request under a key of its
//!  client ──┼─ own, repeated under that key until there is a final answer
//!  client ──┘                      │
//!                               server   SIGKILL, start again on the same storage, SIGKILL …
//!                                  │     connections ended, cut, silent, forgotten
//!                               storage  killed, full, not able to sync
//!                                  │
//!  then: what the answers said  ==  what is there
//! ```

mod check;
mod client;
mod cluster;
mod database;
mod disk;
mod fsync;
mod load;
mod metrics;
mod moments;
mod network;
mod proxy;
mod server;
mod shell;
mod shop;
mod tour;
mod traced;
mod tracer;
mod trial;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use client::Api;
use load::{Diary, Load};
use server::Home;
use shop::Shop;

/// How often a server is killed.
const KILLS: usize = 30;
/// How many requests succeed between two kills at least.
const GOOD_BETWEEN: usize = 100;
/// For how long, in milliseconds, a server works after that before it is killed.
const LIFE_MS: std::ops::Range<u64> = 0..500;
/// By when that many have succeeded: ample, for a busy machine.
const GOOD_WITHIN: Duration = Duration::from_secs(60);

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
    let mut recoveries = Vec::new();
    for round in 0..rounds {
        load.turn_to(round);
        until_good(&api, GOOD_BETWEEN).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        match end {
            End::Killed => server.kill().await,
            End::Terminated => server.terminate().await,
        }
        let started = Instant::now();
        server = home.serve().await;
        place.send_replace(server.address);
        until_good(&api, 1).await;
        recoveries.push(started.elapsed());
    }
    load.turn_to(rounds);
    until_good(&api, GOOD_BETWEEN).await;
    let diary = load.stop().await;
    report(&api, &diary, recoveries);
    let bitten = api.broken_off() + diary.unknown.len();
    assert!(
        end == End::Terminated || bitten >= rounds,
        "{bitten} broke off"
    );
    assert!(diary.succeeded() * 2 >= diary.operations.len());
    check::all(&api, &shop, &diary).await;
    server.terminate().await;
    check::storage(&home).await;
}

/// Waits until so many more requests have succeeded.
async fn until_good(api: &Api, more: usize) {
    until_more(|| api.succeeded(), more, "have succeeded").await;
}

/// Waits until so many more were told to come again later.
async fn until_put_off(api: &Api, more: usize) {
    until_more(|| api.put_off(), more, "were put off").await;
}

async fn until_more(count: impl Fn() -> usize, more: usize, what: &str) {
    let (wanted, deadline) = (count() + more, Instant::now() + GOOD_WITHIN);
    while count() < wanted {
        let is_time_left = Instant::now() < deadline;
        assert!(is_time_left, "{} of {wanted} {what}", count());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// One amount for every day, and a larger one for a campaign.
fn amount<T>(daily: T, campaign: T) -> T {
    if std::env::var_os("QUENTY_TEST_CAMPAIGN").is_some() {
        campaign
    } else {
        daily
    }
}

fn report(api: &Api, diary: &Diary, mut recoveries: Vec<Duration>) {
    recoveries.sort_unstable();
    let [median, worst] = [recoveries.len() / 2, recoveries.len() * 95 / 100]
        .map(|place| recoveries.get(place).copied().unwrap_or_default());
    eprintln!(
        "{} requests broke off; {}; first good request after a restart: median {median:?}, \
         95 % within {worst:?}",
        api.broken_off(),
        diary.summary()
    );
}
