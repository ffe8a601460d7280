//! More requests than a server can take: it refuses what is too much, at once, and does the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::{Answer, Api, Change};
use super::load::Operation;
use super::server::{Home, PASSWORD, Server};
use super::shop::Shop;
use super::{check, is_campaign};

/// Bounds that also the client of a slow machine goes beyond.
const NODE_BOUND: usize = 16;
const TENANT_BOUND: usize = 8;
/// Requests under way at once that a server of these bounds is at its best with.
const AT_BEST: usize = NODE_BOUND / 2;
/// How many times what it can do is asked for.
const TOO_MUCH: f64 = 5.0;
/// Requests of the open loop under way at once; what comes beyond is not even sent.
const UNDER_WAY_AT_MOST: usize = 400;
/// How often the open loop sends what is due.
const TICK: Duration = Duration::from_millis(5);
/// One request in so many is an order, whose saga takes room of its own; the others are receipts.
const ORDER_EACH: usize = 5;
/// By when everybody is answered, on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(5);
/// What a server may take of the memory on top of what it had, in bytes.
const MEMORY_MOST: u64 = 256 << 20;

/// Somebody who asks for one change after the other.
#[derive(Clone)]
struct Asker {
    api: Api,
    shop: Arc<Shop>,
    name: &'static str,
}

/// A change, its answer, and how long that took.
type Asked = (Change, Answer, Duration);

/// What came of it all.
#[derive(Default)]
struct Tally {
    done: Vec<Operation>,
    refused: BTreeMap<String, usize>,
    unsent: usize,
    slowest: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_capacity_it_refuses_and_goes_on() {
    let home = Home::on_sqlite();
    let (server, root) = start(&home, "NODE", NODE_BOUND).await;
    let (api, shop) = Shop::open(root).await;
    let asker = |name| Asker {
        api: api.clone(),
        shop: Arc::clone(&shop),
        name,
    };
    let before = server.memory();
    let time = Duration::from_secs(if is_campaign() { 20 } else { 6 });
    let calm = closed_loop(&asker("calm"), AT_BEST, time / 2).await;
    let peak = calm.rate(time / 2);
    let flooding = asker("flood");
    let (flood, most) = tokio::join!(
        open_loop(&flooding, peak * TOO_MUCH, time),
        most_memory(&server, time),
    );
    let ratio = flood.rate(time) / peak;
    eprintln!("at best {peak:.0} a second; of {TOO_MUCH} times that, {flood}: {ratio:.2} of it");
    eprintln!(
        "memory: {} MiB before, {} MiB at most",
        before >> 20,
        most >> 20
    );
    assert!(flood.refused.contains_key("overloaded") && !flood.done.is_empty());
    assert!(most < before + MEMORY_MOST, "{before} {most}");
    assert!(!is_campaign() || ratio > 0.5, "{ratio}");
    assert!(!is_campaign() || flood.slowest < SOON, "{flood}");

    let operations = calm.done.into_iter().chain(flood.done);
    check::with_balances(&api, &operations.collect::<Vec<_>>()).await;
    let after = one_by_one(&asker("after"), 50).await;
    assert_eq!(after.refused, BTreeMap::new());
    server.terminate().await;
    check::storage(&home).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_beyond_its_share_is_refused_and_no_other() {
    let home = Home::on_sqlite();
    let (server, root) = start(&home, "TENANT", TENANT_BOUND).await;
    let open = async |name| {
        let (api, shop) = Shop::open_as(name, root.clone()).await;
        Asker { api, shop, name }
    };
    let (greedy, modest) = (open("greedy").await, open("modest").await);
    let time = Duration::from_secs(if is_campaign() { 20 } else { 5 });
    let (flood, served) = tokio::join!(
        closed_loop(&greedy, TENANT_BOUND * 10, time),
        closed_loop(&modest, TENANT_BOUND / 4, time),
    );
    eprintln!("greedy: {flood}; modest: {served}");
    assert_eq!(
        flood.refused.keys().collect::<Vec<_>>(),
        ["too-many-requests"]
    );
    assert_eq!(served.refused, BTreeMap::new());
    assert!(!flood.done.is_empty() && !served.done.is_empty());
    check::with_balances(&greedy.api, &flood.done).await;
    check::with_balances(&modest.api, &served.done).await;
    server.terminate().await;
    check::storage(&home).await;
}

async fn start(home: &Home, bound: &str, most: usize) -> (Server, Api) {
    let variable = format!("QUENTY__ENGINE__{bound}_PENDING_MAX");
    let server = home.serve_with(&[(&variable, &most.to_string())]).await;
    let found_at = watch::channel(server.address).1;
    let api = Api::sign_in(found_at, PASSWORD).await.unwrap();
    (server, api)
}

impl Asker {
    async fn ask(self, number: usize) -> Asked {
        let key = format!("{}-{number}", self.name);
        let products = &self.shop.common;
        let product = &products[number % products.len()];
        let change = if number.is_multiple_of(ORDER_EACH) {
            let customer = &self.shop.customers[0];
            let lines = json!([{ "product": product, "quantity": 1 }]);
            Change::new(
                &key,
                "/orders",
                json!({ "customer": customer, "lines": lines }),
            )
        } else {
            Change::new(&key, "/stock/movements", self.shop.receipt(product, 1))
        };
        let asked = Instant::now();
        let answer = self.api.attempt(&change).await;
        (change, answer, asked.elapsed())
    }
}

/// So many at a time ask, each as soon as it has been answered.
async fn closed_loop(asker: &Asker, at_once: usize, time: Duration) -> Tally {
    let end = Instant::now() + time;
    let mut asking = JoinSet::new();
    let mut tally = Tally::default();
    for number in 0_usize.. {
        if asking.len() == at_once {
            tally.add(asking.join_next().await.unwrap().unwrap());
        }
        if Instant::now() >= end {
            break;
        }
        asking.spawn(asker.clone().ask(number));
    }
    tally.rest(asking).await
}

/// So many a second ask, answered or not.
async fn open_loop(asker: &Asker, rate: f64, time: Duration) -> Tally {
    let started = Instant::now();
    let mut asking = JoinSet::new();
    let mut tally = Tally::default();
    let mut number = 0;
    while started.elapsed() < time {
        tokio::time::sleep(TICK).await;
        let due = (started.elapsed().as_secs_f64() * rate) as usize;
        for number in number..due {
            if asking.len() < UNDER_WAY_AT_MOST {
                asking.spawn(asker.clone().ask(number));
            } else {
                tally.unsent += 1;
            }
        }
        number = due;
        while let Some(asked) = asking.try_join_next() {
            tally.add(asked.unwrap());
        }
    }
    tally.rest(asking).await
}

async fn one_by_one(asker: &Asker, most: usize) -> Tally {
    let mut tally = Tally::default();
    for number in 0..most {
        tally.add(asker.clone().ask(number).await);
    }
    tally
}

async fn most_memory(server: &Server, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(server.memory());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    most
}

impl Tally {
    fn add(&mut self, (change, answer, took): Asked) {
        self.slowest = self.slowest.max(took);
        match answer.status {
            200..300 => self.done.push(Operation::new(change, answer)),
            429 | 503 => {
                assert!(answer.says_when, "{change:?}: {answer:?}");
                let code = answer.json()["code"].as_str().unwrap().to_owned();
                *self.refused.entry(code).or_default() += 1;
            }
            _ => panic!("{change:?}: {answer:?}"),
        }
    }

    async fn rest(mut self, mut asking: JoinSet<Asked>) -> Self {
        while let Some(asked) = asking.join_next().await {
            self.add(asked.unwrap());
        }
        self
    }

    /// How many were done a second.
    fn rate(&self, time: Duration) -> f64 {
        self.done.len() as f64 / time.as_secs_f64()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} done, refused {:?}, {} not sent, the slowest answer after {:?}",
            self.done.len(),
            self.refused,
            self.unsent,
            self.slowest
        )
    }
}
