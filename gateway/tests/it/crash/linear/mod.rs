//! Entities as single copies of themselves, whatever is killed meanwhile: an independent checker
//! looks for an order of all that was asked of one that explains all that was answered.
//!
//! Every entity has a few clients and a short history of its own, since the search grows fast with
//! it. Half of what they ask is asked under a key until there is an answer, and has its effect
//! once; the other half is asked once, and if the server dies, it may have been done or may not.

mod claim;
mod log;
mod order;
mod stock;
mod wrong;

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, future, stream};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::Value;
use todc_utils::specifications::Specification;
use tokio::sync::watch;

use self::claim::Reference;
use self::log::{Count, Log, Operation};
use self::order::Order;
use self::stock::Stock;
use super::client::{Answer, Api, Change, Told, number, text};
use super::server::{self, Home, Server};
use super::shop::Shop;
use super::{campaign, check, until_good};

/// How often the server is killed, at least.
const KILLS: [usize; 2] = [8, 120];
/// How many requests succeed between two kills, at least.
const GOOD_BETWEEN: usize = 150;
/// For how long, in milliseconds, a server works after that before it is killed.
const LIFE_MS: std::ops::Range<u64> = 0..200;
/// Entities at once.
const AT_ONCE: usize = 12;
/// Clients of an entity.
const CLIENTS: u64 = 4;
/// What each of them asks.
const STEPS: usize = 9;
/// What a client waits that was not answered and does not ask again.
const PAUSE: Duration = Duration::from_millis(50);
/// How often something is looked at that is about to change.
const LOOK: Duration = Duration::from_millis(20);
/// By when it has: ample, for a busy machine.
const CHANGED_WITHIN: Duration = Duration::from_secs(60);

/// How something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Again and again, under a key.
    UnderKey,
    /// Once, without one.
    Once,
}

/// An entity that clients share.
trait Subject: Sized {
    /// What it should be like.
    type Spec: Specification<Operation = Operation<Self::Ask, Self::Tell>>;
    /// What can be asked of it.
    type Ask: Copy + std::fmt::Debug;
    /// What it can answer.
    type Tell: Copy + std::fmt::Debug;

    /// A new one.
    async fn make(api: &Api, shop: &Shop, name: &str) -> Self;

    /// Something to ask.
    fn choose(&self, random: &mut StdRng) -> Self::Ask;

    /// How it is asked.
    fn request(&self, ask: Self::Ask, key: &str) -> Change;

    /// What an answer says.
    async fn told(&self, api: &Api, ask: Self::Ask, how: Asked, answer: &Answer) -> Self::Tell;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_sqlite_every_entity_is_linearizable() {
    survive(Home::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_postgres_every_entity_is_linearizable() {
    if let Some(home) = Home::on_postgres("linearizability on Postgres").await {
        survive(home).await;
    }
}

async fn survive(home: Home) {
    let seed = super::seed();
    let kills = campaign(KILLS);
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(api).await;
    let is_over = Cell::new(false);
    let killing = async {
        let mut random = StdRng::seed_from_u64(seed);
        let server = kill(&home, server, &place, &api, kills, &mut random).await;
        is_over.set(true);
        server
    };
    let histories = histories(&api, &shop, seed, &is_over);
    let (server, count) = future::join(killing, histories).await;
    eprintln!("{kills} kills, {count:?}");
    assert!(count.unknown >= kills, "{count:?}");
    server.terminate().await;
    check::storage(&home).await;
}

async fn kill(
    home: &Home,
    mut server: Server,
    place: &watch::Sender<std::net::SocketAddr>,
    api: &Api,
    kills: usize,
    random: &mut StdRng,
) -> Server {
    for _ in 0..kills {
        until_good(api, GOOD_BETWEEN).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(LIFE_MS))).await;
        server.kill().await;
        server = home.serve().await;
        place.send_replace(server.address);
    }
    until_good(api, GOOD_BETWEEN).await;
    server
}

/// The histories of one entity after the other until it is over, each checked.
async fn histories(api: &Api, shop: &Shop, seed: u64, is_over: &Cell<bool>) -> Count {
    let numbers = stream::iter(0_u64..).take_while(|_| future::ready(!is_over.get()));
    let each = numbers.map(|number| async move {
        let (name, seed) = (format!("linear-{number}"), seed.wrapping_add(number << 8));
        match number % 3 {
            0 => history::<Stock>(api, shop, &name, seed).await,
            1 => history::<Order>(api, shop, &name, seed).await,
            _ => history::<Reference>(api, shop, &name, seed).await,
        }
    });
    let counts = each.buffer_unordered(AT_ONCE);
    counts
        .fold(Count::default(), |sum, it| future::ready(sum.and(it)))
        .await
}

async fn history<S: Subject>(api: &Api, shop: &Shop, name: &str, seed: u64) -> Count {
    let subject = S::make(api, shop, name).await;
    let log = Log::default();
    let clients = (0..CLIENTS).map(|number| {
        let random = StdRng::seed_from_u64(seed.wrapping_add(number));
        client(api, &subject, &log, random, format!("{name}-{number}"))
    });
    future::join_all(clients).await;
    log::check::<S::Spec, _, _>(name, &log)
}

async fn client<S: Subject>(
    api: &Api,
    subject: &S,
    log: &Log<S::Ask, S::Tell>,
    mut random: StdRng,
    name: String,
) {
    for step in 0..STEPS {
        let ask = subject.choose(&mut random);
        let change = subject.request(ask, &format!("{name}-{step}"));
        let is_read = change.method == Method::GET;
        let how = match is_read || random.random() {
            true => Asked::Once,
            false => Asked::UnderKey,
        };
        let number = log.ask(ask);
        let told = match how {
            Asked::UnderKey => Told::Answer(api.ask_for(&change).await),
            Asked::Once => api.ask_once(&change).await,
        };
        match told {
            Told::Answer(answer) => {
                let told = subject.told(api, ask, how, &answer).await;
                log.tell(number, ask, told);
                continue;
            }
            Told::Unknown if !is_read => {}
            Told::Unknown | Told::Nothing => log.withdraw(number),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A resource once it is as wanted.
pub(super) async fn until(api: &Api, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + CHANGED_WITHIN;
    loop {
        let resource = api.get(path).await;
        if is_wanted(&resource) {
            return resource;
        }
        assert!(Instant::now() < deadline, "{path} is still {resource}");
        tokio::time::sleep(LOOK).await;
    }
}
