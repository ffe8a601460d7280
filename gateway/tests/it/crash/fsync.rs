//! A disk that fails when it is told to keep what was written.

use std::time::Duration;

use super::campaign;
use super::cluster::Cluster;
use super::figures::{self, Times};
use super::load::CLIENTS;
use super::server::Home;
use super::tracer::Tracer;
use super::trial::Trial;

/// How often it fails for a while, daily and in a campaign.
const FAILURES: [usize; 2] = [5, 50];
/// Every call fails that makes data durable.
const FAIL: [&str; 4] = [
    "-e",
    "trace=fsync,fdatasync",
    "-e",
    "inject=fsync,fdatasync:error=EIO",
];
/// By when answers have come in for what was durable before, one to each client at most: ample, for
/// a busy machine.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// For how long there must be none after that.
const NO_ANSWERS: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fsync_failing_sqlite_keeps_its_word() {
    if !Tracer::is_allowed("fsync that fails under SQLite").await {
        return;
    }
    let trial = Trial::start(Home::on_sqlite(), rounds()).await;
    let mut recoveries = Vec::new();
    for round in 0..rounds() {
        fail(&trial, &[trial.server.id()]).await;
        recoveries.push(trial.recover(round).await);
    }
    report(&trial, recoveries);
    trial.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fsync_failing_postgres_keeps_its_word() {
    let what = "fsync that fails under Postgres";
    if !Tracer::is_allowed(what).await {
        return;
    }
    let Some(cluster) = Cluster::start(what).await else {
        return;
    };
    let trial = Trial::start(Home::on(cluster.url.clone()), rounds()).await;
    let mut recoveries = Vec::new();
    for round in 0..rounds() {
        fail(&trial, &cluster.processes()).await;
        // It does not trust its log any more, and the way back fails like the rest.
        cluster.restart().await;
        recoveries.push(trial.recover(round).await);
    }
    eprintln!("{} panics of Postgres", cluster.told("PANIC"));
    report(&trial, recoveries);
    trial.end().await;
}

fn rounds() -> usize {
    campaign(FAILURES)
}

fn report(trial: &Trial, recoveries: Vec<Duration>) {
    figures::print(
        &format!("fsync fails under {}", trial.home.database()),
        &format!("{} times", rounds()),
        &format!(
            "nothing acknowledged meanwhile; first good request: {}",
            Times::new(recoveries)
        ),
    );
}

/// Has everything fail for a while, in which nothing may be acknowledged.
async fn fail(trial: &Trial, processes: &[u32]) {
    let tracer = Tracer::attach(processes, &FAIL).await.unwrap();
    let first = trial.api.succeeded();
    tokio::time::sleep(LAST_ANSWERS).await;
    let before = trial.api.succeeded();
    assert!(tracer.injected() > 0, "nothing was to be kept");
    tokio::time::sleep(NO_ANSWERS).await;
    let after = trial.api.succeeded();
    tracer.detach().await;
    let last = before - first;
    assert!(last <= CLIENTS as usize, "{last} were acknowledged");
    assert_eq!(after, before, "acknowledged without being kept");
}
