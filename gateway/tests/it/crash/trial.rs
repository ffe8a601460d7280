//! A server under load that something is about to befall, and what must hold afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use super::client::Api;
use super::load::Load;
use super::server::{self, Home, Server};
use super::shop::Shop;
use super::{GOOD_BETWEEN, LIFE_MS, check, until_good};

/// A server, and clients that do not stop asking it.
pub(super) struct Trial {
    /// The server: before its home, whose folder has its log.
    pub(super) server: Server,
    /// Where it lives.
    pub(super) home: Home,
    /// The API within the shop's company.
    pub(super) api: Api,
    /// The shop.
    pub(super) shop: Arc<Shop>,
    load: Load,
    random: StdRng,
    /// Clients look here for the server.
    place: watch::Sender<std::net::SocketAddr>,
}

impl Trial {
    /// Starts both, and lets the clients do something first. For each round there is a product of
    /// which there is little, and one more.
    pub(super) async fn start(home: Home, rounds: usize) -> Self {
        let seed = super::seed();
        let server = home.serve().await;
        let (place, found_at) = watch::channel(server.address);
        let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
        let (api, shop) = Shop::open_with(api, rounds + 1).await;
        let load = Load::start(&api, &shop, "client", seed);
        until_good(&api, GOOD_BETWEEN).await;
        Self {
            home,
            server,
            api,
            shop,
            load,
            random: StdRng::seed_from_u64(seed),
            place,
        }
    }

    /// Ends the server at some moment, in a given way, and starts another on the same storage; also
    /// how long that took to serve.
    pub(super) async fn restart(mut self, end: impl AsyncFnOnce(Server, &Api)) -> (Self, Duration) {
        let life = Duration::from_millis(self.random.random_range(LIFE_MS));
        tokio::time::sleep(life).await;
        end(self.server, &self.api).await;
        let started = Instant::now();
        self.server = self.home.serve().await;
        self.place.send_replace(self.server.address);
        (self, started.elapsed())
    }

    /// An order that the server holds in memory: its path.
    pub(super) async fn resident(&self) -> String {
        let orders = self.api.get("/orders?limit=1").await;
        format!("/orders/{}", orders["data"][0]["id"].as_str().unwrap())
    }

    /// Waits until it works again, and how long that takes from now on; then gives it some time to
    /// work.
    pub(super) async fn recover(&self, round: usize) -> Duration {
        self.load.turn_to(round + 1);
        let started = Instant::now();
        until_good(&self.api, 1).await;
        let recovered = started.elapsed();
        until_good(&self.api, GOOD_BETWEEN).await;
        recovered
    }

    /// Lets the clients finish what they are about; then all must be as they were told. Tells how
    /// many requests lost their answer.
    pub(super) async fn end(self) -> usize {
        let diary = self.load.stop().await;
        let (broken_off, put_off) = (self.api.broken_off(), self.api.put_off());
        let doubts = self.server.told("it is not known whether");
        eprintln!(
            "{broken_off} requests broke off, {put_off} were put off, {doubts} were in doubt; {}",
            diary.summary()
        );
        assert!(diary.succeeded() * 2 >= diary.asked());
        check::all(&self.api, &self.shop, &diary).await;
        self.server.terminate().await;
        check::storage(&self.home).await;
        broken_off + diary.unknown.len()
    }
}
