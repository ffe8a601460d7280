//! Postgres killed under load, with all its processes, and started again.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::cluster::Cluster;
use super::figures::{self, Times};
use super::server::Home;
use super::trial::Trial;
use super::{campaign, is_campaign, until_put_off};

/// How often it is killed, daily and in a campaign.
const KILLS: [usize; 2] = [5, 50];
/// For how long, in milliseconds, it stays away once clients have taken note.
const AWAY_MS: std::ops::Range<u64> = 0..2_000;
/// By when it works again once Postgres does, on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_postgres_killed_it_keeps_its_word() {
    let Some(cluster) = Cluster::start("kill -9 of Postgres").await else {
        return;
    };
    let mut random = StdRng::seed_from_u64(super::seed());
    let kills = campaign(KILLS);
    let trial = Trial::start(Home::on(cluster.url.clone()), kills).await;
    let resident = trial.resident().await;
    let (mut starts, mut recoveries) = (Vec::new(), Vec::new());
    for round in 0..kills {
        cluster.kill().await;
        // It is told to every client that asks, and asked again and again meanwhile.
        until_put_off(&trial.api, 1).await;
        if round == 0 {
            reads_while_away(&trial, &resident).await;
        }
        let away = random.random_range(AWAY_MS);
        tokio::time::sleep(Duration::from_millis(away)).await;
        let started = Instant::now();
        cluster.restart().await;
        starts.push(started.elapsed());
        recoveries.push(trial.recover(round).await);
    }
    let (starts, recoveries) = (Times::new(starts), Times::new(recoveries));
    figures::print(
        "Postgres killed",
        &format!("{kills} times"),
        &format!("it started: {starts}; first good request after that: {recoveries}"),
    );
    assert!(!is_campaign() || recoveries.worst() <= SOON, "{recoveries}");
    trial.end().await;
}

/// Who is in memory is shown; of the rest clients are told when to come again.
async fn reads_while_away(trial: &Trial, resident: &str) {
    trial.api.get_at_once(resident).await;
    let history = format!("{resident}/history");
    for path in ["/orders", "/events", &history] {
        let answer = trial.api.look(path).await;
        let is_put_off = (answer.status, answer.says_when) == (503, true);
        assert!(is_put_off, "{path}: {answer:?}");
    }
}
