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
mod cells;
mod check;
mod client;
mod cluster;
mod damage;
mod database;
mod disk;
mod figures;
mod flood;
mod fsync;
mod linear;
mod load;
mod metrics;
mod moments;
mod network;
mod overload;
mod proxy;
pub(crate) mod server;
mod shell;
mod shop;
mod slow;
mod tour;
mod traced;
mod tracer;
mod trial;
mod trickle;
mod viewer;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use client::Api;
use figures::Times;
use server::{Home, Server};
use trial::Trial;
use viewer::Viewer;

/// How often a server is killed, and terminated, daily and in a campaign.
const KILLS: [usize; 2] = [30, 300];
const TERMINATIONS: [usize; 2] = [3, 50];
/// By when it works again, of a hundred times 95, on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(2);
/// How many requests succeed between two kills at least.
const GOOD_BETWEEN: usize = 100;
/// For how long, in milliseconds, a server works after that before it is killed.
const LIFE_MS: std::ops::Range<u64> = 0..500;
/// By when that many have succeeded: ample, for a busy machine.
const GOOD_WITHIN: Duration = Duration::from_secs(60);

/// Full states are stored often: few entities live to see a thousand events.
const FULL_STATES: &str = "[engine]\nsnapshot_events = 3\n";

/// The close code of a server that goes away.
const GOING_AWAY: u16 = 1001;

#[derive(Clone, Copy, PartialEq, Eq, strum::Display)]
enum End {
    #[strum(to_string = "kill -9")]
    Killed,
    #[strum(to_string = "SIGTERM")]
    Terminated,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_sqlite_it_keeps_its_word() {
    // What is loaded are full states here, and what happened, as usual, on Postgres.
    let home = Home::on_sqlite().with_settings(FULL_STATES);
    survive(home, End::Killed, KILLS).await;
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

async fn survive(home: Home, end: End, rounds: [usize; 2]) {
    let (rounds, database) = (campaign(rounds), home.database());
    let mut trial = Trial::start(home, rounds).await;
    let (mut recoveries, mut ends) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let end = async |server: Server, api: &Api| match end {
            End::Killed => server.kill().await,
            End::Terminated => ends.push(terminate_watched(server, api).await),
        };
        let started;
        (trial, started) = trial.restart(end).await;
        recoveries.push(started + trial.recover(round).await);
    }
    let lost = trial.end().await;
    let (recoveries, ends) = (Times::new(recoveries), Times::new(ends));
    figures::print(
        &format!("{end} on {database}"),
        &format!("{rounds} times"),
        &format!("first good request after the start: {recoveries}; ended within: {ends}"),
    );
    assert!(end == End::Terminated || lost >= rounds, "{lost}");
    assert!(!is_campaign() || recoveries.within(95) <= SOON);
    assert!(!is_campaign() || ends.worst() <= server::DRAIN);
}

/// Whoever watches is told that the server goes away; how long that takes.
async fn terminate_watched(server: Server, api: &Api) -> Duration {
    let mut viewer = Viewer::connect(server.address, api, None).await;
    viewer.watch("company", None).await;
    let (took, code) = tokio::join!(server.terminate(), viewer.until_closed());
    assert_eq!(code, Some(GOING_AWAY));
    took
}

/// Whether this is a campaign on a machine of its own, where figures mean something and more is
/// asked for. Elsewhere nothing may depend on how busy the machine is.
fn is_campaign() -> bool {
    std::env::var_os("QUENTY_TEST_CAMPAIGN").is_some()
}

/// The seed that the environment names, or any, but one for all. It is printed, for whoever looks
/// into a failure.
fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let named = std::env::var("QUENTY_TEST_SEED");
        named.map_or_else(|_| rand::random(), |seed| seed.parse().unwrap())
    });
    eprintln!("QUENTY_TEST_SEED={}", *SEED);
    *SEED
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
