//! Connections to Postgres ended by it, cut on the way, and kept in silence.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use super::campaign;
use super::figures::{self, Times};
use super::proxy::Proxy;
use super::server::Home;
use super::trial::Trial;
use crate::postgres;

/// For how long connections are ended, daily and in a campaign.
const SPELL: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(600)];
/// How often the server ends them.
const ENDED_EVERY: Duration = Duration::from_millis(200);
/// How often they are cut.
const CUT_EVERY: Duration = Duration::from_millis(500);
/// How often nothing is said, daily and in a campaign; each time for as long as [`SILENCES`] say in
/// turn: shorter than a commit may take, and longer.
const SILENT: [usize; 2] = [2, 20];
const SILENCES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(13)];

/// How often connections are forgotten, daily and in a campaign.
const FORGOTTEN: [usize; 2] = [2, 20];
/// By when a read that was under way has been given up and its connection closed.
const READS_END: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_connections_ended_it_keeps_its_word() {
    let Some(url) = postgres::database("ended connections").await else {
        return;
    };
    let (place, database) = url.rsplit_once('/').unwrap();
    let mut operator = PgConnection::connect(&format!("{place}/postgres"))
        .await
        .unwrap();
    let trial = Trial::start(Home::on(url.clone()), 1).await;
    let (mut ended, end) = (0, Instant::now() + spell());
    while Instant::now() < end {
        ended += end_connections(&mut operator, database).await;
        tokio::time::sleep(ENDED_EVERY).await;
    }
    recovered(&trial, "connections ended", ended as usize).await;
    assert!(ended > 0 && is_in_doubt(&trial));
    trial.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_connections_cut_it_keeps_its_word() {
    let Some((proxy, home)) = on_proxy("connections cut").await else {
        return;
    };
    let trial = Trial::start(home, 1).await;
    let end = Instant::now() + spell();
    while Instant::now() < end {
        proxy.cut();
        tokio::time::sleep(CUT_EVERY).await;
    }
    let cut = proxy.has_cut();
    recovered(&trial, "connections cut", cut).await;
    assert!(cut > 0 && is_in_doubt(&trial));
    trial.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_database_that_says_nothing_it_keeps_its_word() {
    let Some((proxy, home)) = on_proxy("a silent network").await else {
        return;
    };
    let trial = Trial::start(home, campaign(SILENT)).await;
    let mut recoveries = Vec::new();
    for round in 0..campaign(SILENT) {
        proxy.be_silent(true);
        // What was said before may still lead to an answer.
        tokio::time::sleep(SILENCES[0] / 2).await;
        let before = trial.api.succeeded();
        tokio::time::sleep(SILENCES[round % 2] - SILENCES[0] / 2).await;
        assert_eq!(trial.api.succeeded(), before, "answered without a database");
        proxy.be_silent(false);
        recoveries.push(trial.recover(round).await);
    }
    report("a database that says nothing", recoveries);
    assert!(is_in_doubt(&trial));
    trial.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_connections_forgotten_it_keeps_its_word() {
    let Some((proxy, home)) = on_proxy("forgotten connections").await else {
        return;
    };
    // So that one that is not given back is missed.
    let home = home.with_settings("[storage]\nreaders = 1\n");
    let trial = Trial::start(home, campaign(FORGOTTEN)).await;
    let mut recoveries = Vec::new();
    for round in 0..campaign(FORGOTTEN) {
        proxy.forget();
        recoveries.push(trial.recover(round).await);
        tokio::time::sleep(READS_END).await;
    }
    report("connections forgotten", recoveries);
    assert!(is_felt(&trial));
    trial.end().await;
}

fn spell() -> Duration {
    campaign(SPELL)
}

/// Whether clients and the engine took note.
fn is_felt(trial: &Trial) -> bool {
    trial.api.put_off() > 0 && trial.server.told("commit failed") > 0
}

/// Whether it happened that nobody knew what had become of a commit.
fn is_in_doubt(trial: &Trial) -> bool {
    is_felt(trial) && trial.server.told("it is not known whether") > 0
}

async fn recovered(trial: &Trial, what: &str, how_many: usize) {
    let meanwhile = trial.api.succeeded();
    let recovered = trial.recover(0).await;
    figures::print(
        what,
        &format!("{how_many} in {:?}", spell()),
        &format!("{meanwhile} good requests meanwhile; first good one after that: {recovered:.1?}"),
    );
}

fn report(what: &str, recoveries: Vec<Duration>) {
    let how_often = format!("{} times", recoveries.len());
    let recoveries = Times::new(recoveries);
    figures::print(
        what,
        &how_often,
        &format!("first good request after that: {recoveries}"),
    );
}

/// Ends all sessions of a database: how many there were.
async fn end_connections(operator: &mut PgConnection, database: &str) -> i64 {
    let end = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
    );
    end.bind(database).fetch_one(operator).await.unwrap()
}

/// A database of the test's own behind a proxy.
async fn on_proxy(what: &str) -> Option<(Proxy, Home)> {
    let url = postgres::database(what).await?;
    let (user, rest) = url.rsplit_once('@').unwrap();
    let (place, database) = rest.split_once('/').unwrap();
    let to: SocketAddr = tokio::net::lookup_host(place)
        .await
        .unwrap()
        .next()
        .unwrap();
    let proxy = Proxy::start(to).await;
    let home = Home::on(format!("{user}@{}/{database}", proxy.address));
    Some((proxy, home))
}
