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
//!
//! Beside that: backups, overload, and clients that are slow. With `QUENTY_TEST_CAMPAIGN` in the
//! environment they go on for longer and also assert the figures that they print.

mod backup;
mod check;
mod client;
mod cluster;
mod damage;
mod database;
mod disk;
mod figures;
mod fsync;
mod linear;
mod load;
mod metrics;
mod moments;
mod network;
mod overload;
mod proxy;
mod server;
mod shell;
mod shop;
mod slow;
mod tour;
mod traced;
mod tracer;
mod trial;
mod trickle;
mod viewer;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use client::Api;
use load::{Diary, Load};
use server::{Home, Server};
use shop::Shop;
use viewer::Viewer;

/// How often a server is killed.
const KILLS: usize = 30;
/// How often one is terminated.
const TERMINATIONS: usize = 3;
/// How many requests succeed between two kills at least.
const GOOD_BETWEEN: usize = 100;
/// For how long, in milliseconds, a server works after that before it is killed.
const LIFE_MS: std::ops::Range<u64> = 0..500;
/// By when that many have succeeded: ample, for a busy machine.
const GOOD_WITHIN: Duration = Duration::from_secs(60);

/// The close code of a server that goes away.
const GOING_AWAY: u16 = 1001;

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
    survive(Home::on_sqlite(), End::Terminated, TERMINATIONS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_on_postgres_it_ends_in_time_and_keeps_its_word() {
    if let Some(home) = Home::on_postgres("SIGTERM on Postgres").await {
        survive(home, End::Terminated, TERMINATIONS).await;
    }
}

async fn survive(home: Home, end: End, rounds: usize) {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(api).await;
    let load = Load::start(&api, &shop, "client", seed);
    let mut recoveries = Vec::new();
    for round in 0..rounds {
        load.turn_to(round);
        until_good(&api, GOOD_BETWEEN).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        match end {
            End::Killed => server.kill().await,
            End::Terminated => terminate_watched(server, &api).await,
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

/// Whoever watches is told that the server goes away.
async fn terminate_watched(server: Server, api: &Api) {
    let mut viewer = Viewer::connect(server.address, api, None).await;
    viewer.watch("company", None).await;
    let (took, code) = tokio::join!(server.terminate(), viewer.until_closed());
    assert_eq!(code, Some(GOING_AWAY));
    eprintln!("ended within {took:?}");
    assert!(!is_campaign() || took <= server::DRAIN, "{took:?}");
}

/// Whether this is a campaign on a machine of its own, where figures mean something and more is
/// asked for. Elsewhere nothing may depend on how busy the machine is.
fn is_campaign() -> bool {
    std::env::var_os("QUENTY_TEST_CAMPAIGN").is_some()
}

/// The seed that the environment names, or any. It is printed, for whoever looks into a failure.
fn seed() -> u64 {
    let named = std::env::var("QUENTY_TEST_SEED");
    let seed = named.map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("QUENTY_TEST_SEED={seed}");
    seed
}

/// How much of something: more in a campaign, for which nobody waits.
fn campaign<T>([usual, in_campaign]: [T; 2]) -> T {
    if is_campaign() { in_campaign } else { usual }
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
