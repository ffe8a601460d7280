//! Viewers that stop reading, among many who do not: nobody else notices, and nothing is lost to them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::{Api, Change};
use super::figures::{self, Times};
use super::server::{Home, PASSWORD, Server};
use super::shop::{self, Shop};
use super::viewer::{News, Viewer};
use super::{campaign, is_campaign, metrics};

/// Who watches a shipment, daily and in a campaign.
const VIEWERS: [usize; 2] = [200, 1_000];
/// One of so many stops reading.
const SLOW_EACH: usize = 100;
/// Scans of a shipment, which takes 1,000 at most, and how many of them come in a request.
const SCANS: [u64; 2] = [500, 1_000];
const AT_ONCE: u64 = 20;
/// How often that is done, without slow ones and with them.
const ROUNDS: [usize; 2] = [1, 3];
/// How far ahead of those who read the scans may be: as long as nobody falls out of what the server
/// remembers, nobody is slow on a busy machine.
const AHEAD: u64 = 60;
/// What the system holds for those who do not read, in bytes: some 20 scans.
const BUFFER: u32 = 16_384;
/// They are let go after two thirds of this time, in milliseconds, and those who read on within the
/// last third learn why.
const WRITE_TIMEOUT_MS: &str = "24000";
/// The close code of somebody who is too slow.
const TOO_SLOW: u16 = 4008;
/// What a server may take of the memory on top of what it had, in bytes.
const MEMORY_MOST: u64 = 64 << 20;
/// By what factor everybody else may wait longer than without slow ones.
const WAIT_MOST: f64 = 1.2;
/// By when everybody has got everything: ample, for a busy machine.
const WITHIN: Duration = Duration::from_secs(120);

/// A shipment that is scanned, and how far those who read have come.
struct Show {
    shipment: String,
    /// When each request was made.
    asked: Vec<OnceLock<Instant>>,
    /// The version that each reader has come to.
    seen: Vec<AtomicU64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_that_stop_reading_are_let_go_and_resume() {
    let home = Home::on_sqlite();
    let timeout = ("QUENTY__GATEWAY__WRITE_TIMEOUT_MS", WRITE_TIMEOUT_MS);
    let server = home.serve_with(&[timeout]).await;
    let found_at = watch::channel(server.address).1;
    let api = Api::sign_in(found_at, PASSWORD).await.unwrap();
    let (api, _) = Shop::open(api).await;
    let viewers = campaign(VIEWERS);
    let slow = viewers / SLOW_EACH;
    let (mut without, mut beside, mut most) = (Vec::new(), Vec::new(), 0);
    for round in 0..campaign(ROUNDS) {
        let show = Show::prepare(&api, &format!("without-{round}"), viewers - slow).await;
        let readers = show.readers(server.address, &api).await;
        without.extend(show.go_on(&api, readers).await);

        let show = Show::prepare(&api, &format!("beside-{round}"), viewers - slow).await;
        let (waits, grown) = show.beside_slow_ones(&server, &api, slow).await;
        beside.extend(waits);
        most = most.max(grown);
    }
    let (without, beside) = (Times::new(without), Times::new(beside));
    let ratio = beside.within(99).as_secs_f64() / without.within(99).as_secs_f64();
    figures::print(
        "viewers that stop reading",
        &format!("{slow} of {viewers}"),
        &format!(
            "{} KiB more; everybody else: {beside}; without slow ones: {without}; p99 {ratio:.2} \
             times as long; closed with {TOO_SLOW}",
            most >> 10
        ),
    );
    assert!(most <= MEMORY_MOST, "{most}");
    assert!(!is_campaign() || ratio <= WAIT_MOST, "{ratio}");
    server.terminate().await;
}

impl Show {
    async fn prepare(api: &Api, name: &str, readers: usize) -> Arc<Self> {
        let mut consignee = shop::address();
        consignee["name"] = json!("Ana");
        let body = json!({ "parcels": [{ "weight_g": 500 }], "consignee": consignee });
        Arc::new(Self {
            shipment: shop::make(api, name, "/shipments", &body).await,
            asked: (0..scans() / AT_ONCE).map(|_| OnceLock::new()).collect(),
            seen: (0..readers).map(|_| AtomicU64::new(1)).collect(),
        })
    }

    fn topic(&self) -> String {
        format!("shipment:{}", self.shipment)
    }

    /// Those who read everything that there will be, one event after the other; how long each took.
    async fn readers(self: &Arc<Self>, server: SocketAddr, api: &Api) -> JoinSet<Vec<Duration>> {
        let mut readers = JoinSet::new();
        for number in 0..self.seen.len() {
            let mut viewer = Viewer::connect(server, api, None).await;
            viewer.watch(&self.topic(), None).await;
            let show = Arc::clone(self);
            readers.spawn(async move { show.read(number, viewer).await });
        }
        readers
    }

    async fn read(&self, number: usize, mut viewer: Viewer) -> Vec<Duration> {
        let mut waits = Vec::new();
        for version in 2..=scans() + 1 {
            expect(viewer.next().await, version);
            let request = ((version - 2) / AT_ONCE) as usize;
            waits.push(self.asked[request].get().unwrap().elapsed());
            self.seen[number].store(version, Ordering::Relaxed);
        }
        waits
    }

    /// Records all scans, as fast as those who read can follow; how long they waited for each.
    async fn go_on(&self, api: &Api, readers: JoinSet<Vec<Duration>>) -> Vec<Duration> {
        let path = format!("/shipments/{}/events", self.shipment);
        for (number, asked) in self.asked.iter().enumerate() {
            let first = number as u64 * AT_ONCE;
            let events: Vec<_> = (first..first + AT_ONCE).map(event).collect();
            let key = format!("{}-{number}", self.shipment);
            let change = Change::new(&key, &path, json!({ "events": events }));
            asked.set(Instant::now()).unwrap();
            let answer = api.ask_for(&change).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            self.until_seen((first + AT_ONCE).saturating_sub(AHEAD))
                .await;
        }
        readers.join_all().await.concat()
    }

    async fn until_seen(&self, version: u64) {
        let deadline = Instant::now() + WITHIN;
        let is_behind = |it: &AtomicU64| it.load(Ordering::Relaxed) < version;
        while self.seen.iter().any(is_behind) {
            assert!(Instant::now() < deadline, "{:?}", self.seen);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The same while some stop reading: also by how much the server's memory grew.
    async fn beside_slow_ones(
        self: &Arc<Self>,
        server: &Server,
        api: &Api,
        slow: usize,
    ) -> (Vec<Duration>, u64) {
        let readers = self.readers(server.address, api).await;
        // Last of all: whoever is not heard of for some seconds, and has nothing to take, is gone.
        let mut sleepers = Vec::new();
        for _ in 0..slow {
            let mut viewer = Viewer::connect(server.address, api, Some(BUFFER)).await;
            viewer.watch(&self.topic(), None).await;
            sleepers.push(viewer);
        }
        let before = server.memory();
        let let_go = closes(server).await + slow as f64;
        let waking = async {
            let most = until_let_go(server, let_go).await;
            let grown = most.saturating_sub(before);
            let sleepers = sleepers.into_iter();
            join_all(sleepers.map(|it| self.resume(server.address, api, it))).await;
            grown
        };
        tokio::join!(self.go_on(api, readers), waking)
    }

    /// What has reached a viewer that was let go is in order; from there it goes on.
    async fn resume(&self, server: SocketAddr, api: &Api, mut viewer: Viewer) {
        let mut version = 1;
        let code = loop {
            match viewer.next().await {
                News::Closed(code) => break code,
                said => expect(said, version + 1),
            }
            version += 1;
        };
        assert_eq!(code, Some(TOO_SLOW), "having got {version}");
        assert!(version <= scans(), "nothing was held back");
        let mut again = Viewer::connect(server, api, None).await;
        again.watch(&self.topic(), Some(&version.to_string())).await;
        for version in version + 1..=scans() + 1 {
            expect(again.next().await, version);
        }
    }
}

fn scans() -> u64 {
    campaign(SCANS)
}

fn expect(news: News, version: u64) {
    let is_it = matches!(
        &news,
        News::Said(said) if said.kind == "event" && said.cursor == version.to_string()
    );
    assert!(is_it, "{version} should follow, not {news:?}");
}

fn event(number: u64) -> Value {
    let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    json!({
        "code": format!("S{number}"),
        "status": "in_transit",
        "description": "w".repeat(400),
        "occurred_at": at + TimeDelta::seconds(number as i64),
    })
}

/// How many the server has let go for being slow.
async fn closes(server: &Server) -> f64 {
    let samples = metrics::samples(server.metrics).await;
    let series = format!("quenty_live_closes_total{{code=\"{TOO_SLOW}\"}}");
    samples.get(&series).copied().unwrap_or_default()
}

/// Waits until so many are let go; the most memory that the server has held till then.
async fn until_let_go(server: &Server, wanted: f64) -> u64 {
    let deadline = Instant::now() + WITHIN;
    let mut most = server.memory();
    while closes(server).await < wanted {
        assert!(Instant::now() < deadline, "still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(server.memory());
    }
    most
}
