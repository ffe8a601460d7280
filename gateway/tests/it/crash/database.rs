//! Postgres killed under load, with all its processes, and started again.

use std::time::{Duration, Instant};

use rand::RngExt as _;

use super::cluster::Cluster;
use super::server::Home;
use super::trial::{Trial, spread};
use super::{campaign, until_put_off};

/// How often it is killed, daily and in a campaign.
const KILLS: [usize; 2] = [5, 50];
/// For how long, in milliseconds, it stays away once clients have taken note.
const AWAY_MS: std::ops::Range<u64> = 0..2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_postgres_killed_it_keeps_its_word() {
    let Some(cluster) = Cluster::start("kill -9 of Postgres").await else {
        return;
    };
    let trial = Trial::start(Home::on(cluster.url.clone())).await;
    let (mut starts, mut recoveries) = (Vec::new(), Vec::new());
    for round in 0..campaign(KILLS) {
        cluster.kill().await;
        // It is told to every client that asks, and asked again and again meanwhile.
        until_put_off(&trial.api, 1).await;
        let away = rand::rng().random_range(AWAY_MS);
        tokio::time::sleep(Duration::from_millis(away)).await;
        let started = Instant::now();
        cluster.restart().await;
        starts.push(started.elapsed());
        recoveries.push(trial.recover(round).await);
    }
    eprintln!("Postgres started: {}", spread(starts));
    eprintln!("first good write after that: {}", spread(recoveries));
    trial.end().await;
}
