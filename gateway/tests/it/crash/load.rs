//! Many clients at once, each with orders of its own, and what they were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::{Answer, Api, Change, Told, text};
use super::shop::Shop;

/// How many clients there are, each with one request at a time.
pub(super) const CLIENTS: u64 = 16;
/// What a receipt brings: about what is ordered meanwhile, so that there are shortages now and then.
const RECEIVED: std::ops::RangeInclusive<i64> = 1..=12;
/// What a client waits that was not answered and does not ask again.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(50);

/// What is done with an order that was confirmed, and where that leaves it.
struct Fate(&'static [Step], &'static str);

use Step::{Cancel, Deliver, Leave, Pack, Pick, PickInVain, Ship};

/// The fates of orders for scarce goods, which are not given back.
const LASTING: [Fate; 3] = [
    Fate(&[], "confirmed"),
    Fate(&[Pick, Pack, Ship, Leave], "shipped"),
    Fate(&[Pick, Pack, Ship, Deliver], "delivered"),
];
const FATES: [Fate; 9] = [
    Fate(&[Cancel], "cancelled"),
    Fate(&[Cancel, PickInVain], "cancelled"),
    Fate(&[Pick], "picking"),
    Fate(&[Pick, Cancel], "cancelled"),
    Fate(&[Pick, Pack], "packed"),
    Fate(&[Pick, Pack, Ship], "packed"),
    Fate(&[Pick, Pack, Ship, Cancel], "cancelled"),
    Fate(&[Pick, Pack, Ship, Leave], "shipped"),
    Fate(&[Pick, Pack, Ship, Deliver], "delivered"),
];

#[derive(Clone, Copy, Debug)]
enum Step {
    Cancel,
    Pick,
    PickInVain,
    Pack,
    Ship,
    /// Its carrier has it.
    Leave,
    /// Its consignee has it.
    Deliver,
}

/// A request and its final answer.
pub(super) struct Operation {
    /// The request.
    pub(super) change: Change,
    /// The answer.
    pub(super) answer: Answer,
    /// When it was there.
    pub(super) answered: Instant,
}

/// An order, as its client was told of it.
pub(super) struct Story {
    /// Its reference.
    pub(super) reference: String,
    /// Its id.
    pub(super) id: String,
    /// The status that it must come to; none if the answers left it open.
    pub(super) ends: Option<&'static str>,
    /// Whether its shipment was asked for, once.
    pub(super) is_shipped: bool,
}

/// All that clients did and were answered.
#[derive(Default)]
pub(super) struct Diary {
    /// The requests that change something.
    pub(super) operations: Vec<Operation>,
    /// The orders.
    pub(super) stories: Vec<Story>,
    /// References of orders of which nobody knows whether they were placed.
    pub(super) unknown: Vec<String>,
    /// Products with the quantities received.
    pub(super) receipts: Vec<(String, i64)>,
    /// Requests that are in none of these: asked once, and such as cannot be.
    others: usize,
}

/// Clients at work.
pub(super) struct Load {
    clients: JoinSet<Diary>,
    scarce: Arc<AtomicUsize>,
    stop: CancellationToken,
    leave: CancellationToken,
}

struct Client {
    name: String,
    api: Api,
    shop: Arc<Shop>,
    random: StdRng,
    diary: Diary,
}

impl Operation {
    /// A request that was answered just now.
    pub(super) fn new(change: Change, answer: Answer) -> Self {
        Self {
            change,
            answer,
            answered: Instant::now(),
        }
    }
}

impl Diary {
    /// How many requests there were.
    pub(super) fn asked(&self) -> usize {
        self.operations.len() + self.others
    }

    /// How many requests did what they asked for, at least: what was asked once is left out, and an
    /// order that was rejected for want of goods did not.
    pub(super) fn succeeded(&self) -> usize {
        let good = self.operations.iter().filter(|it| it.answer.status < 300);
        good.count().saturating_sub(self.rejected())
    }

    fn rejected(&self) -> usize {
        let ends = self.stories.iter().map(|it| it.ends);
        ends.filter(|ends| *ends == Some("rejected")).count()
    }

    /// In a line.
    pub(super) fn summary(&self) -> String {
        let (all, good) = (self.asked(), self.succeeded());
        let (orders, rejected) = (self.stories.len(), self.rejected());
        let unknown = self.unknown.len();
        format!(
            "{good} of {all} operations succeeded, {rejected} of {orders} orders were rejected, \
             {unknown} are unknown"
        )
    }

    fn add(&mut self, other: Self) {
        self.operations.extend(other.operations);
        self.stories.extend(other.stories);
        self.unknown.extend(other.unknown);
        self.receipts.extend(other.receipts);
        self.others += other.others;
    }
}

impl Load {
    /// Lets clients loose on a shop; the name tells their keys from those of others.
    pub(super) fn start(api: &Api, shop: &Arc<Shop>, name: &str, seed: u64) -> Self {
        let scarce = Arc::new(AtomicUsize::new(0));
        let (stop, leave) = (CancellationToken::new(), CancellationToken::new());
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let client = Client {
                name: format!("{name}-{number}"),
                api: api.clone(),
                shop: Arc::clone(shop),
                random: StdRng::seed_from_u64(seed.wrapping_add(number)),
                diary: Diary::default(),
            };
            let (scarce, stop, leave) = (Arc::clone(&scarce), stop.clone(), leave.clone());
            clients.spawn(async move {
                let client = client.work(scarce, stop).await;
                client.end(leave).await
            });
        }
        Self {
            clients,
            scarce,
            stop,
            leave,
        }
    }

    /// Makes all clients ask for the same scarce product.
    pub(super) fn turn_to(&self, scarce: usize) {
        self.scarce.store(scarce, Ordering::Relaxed);
    }

    /// Lets the clients finish what they are about, but not sell out.
    pub(super) async fn leave(self) -> Diary {
        self.leave.cancel();
        self.stop().await
    }

    /// Lets the clients finish what they are about, and sell out.
    pub(super) async fn stop(self) -> Diary {
        self.stop.cancel();
        let mut whole = Diary::default();
        for diary in self.clients.join_all().await {
            whole.add(diary);
        }
        whole
    }
}

impl Client {
    async fn work(mut self, scarce: Arc<AtomicUsize>, stop: CancellationToken) -> Self {
        let mut number = 0;
        while !stop.is_cancelled() {
            number += 1;
            let name = format!("{}-{number}", self.name);
            match self.random.random_range(0..10) {
                0 => self.receive(&name).await,
                1..4 => {
                    let product = scarce.load(Ordering::Relaxed);
                    self.order_scarce(&name, product).await;
                }
                4 => self.order_once(&name).await,
                5 => self.ask_in_vain(&name).await,
                _ => self.order_common(&name).await,
            }
        }
        self
    }

    async fn end(mut self, leave: CancellationToken) -> Diary {
        if !leave.is_cancelled() {
            self.sell_out().await;
        }
        self.diary
    }

    async fn receive(&mut self, key: &str) {
        let product = self.shop.common.choose(&mut self.random).unwrap().clone();
        let quantity = self.random.random_range(RECEIVED);
        let receipt = self.shop.receipt(&product, quantity);
        let change = Change::new(key, "/stock/movements", receipt);
        self.make(change, &[201]).await;
        self.diary.receipts.push((product, quantity));
    }

    async fn order_scarce(&mut self, name: &str, product: usize) -> bool {
        let product = &self.shop.scarce[product];
        let lines = json!([{ "product": product, "quantity": 1 }]);
        let fate = LASTING.choose(&mut self.random).unwrap();
        self.order(name, lines, fate).await
    }

    async fn order_common(&mut self, name: &str) {
        let first = self.line();
        let lines = match self.random.random_range(0..4) {
            0 => {
                let same = json!({ "product": first["product"], "quantity": 1 });
                json!([first, same])
            }
            1 => json!([first, self.line()]),
            _ => json!([first]),
        };
        let fate = FATES.choose(&mut self.random).unwrap();
        self.order(name, lines, fate).await;
    }

    /// Places an order without a key and does not ask again.
    async fn order_once(&mut self, name: &str) {
        let customer = self
            .shop
            .customers
            .choose(&mut self.random)
            .unwrap()
            .clone();
        let lines = [self.line()];
        let body = json!({ "customer": customer, "reference": name, "lines": lines });
        let change = Change::new(name, "/orders", body);
        self.diary.others += 1;
        let answer = match self.api.ask_once(&change).await {
            Told::Answer(answer) => answer,
            told => {
                if matches!(told, Told::Unknown) {
                    self.diary.unknown.push(name.to_owned());
                }
                // The server may be gone: there is no hurry to learn no more.
                return tokio::time::sleep(UNKNOWN_PAUSE).await;
            }
        };
        assert!(matches!(answer.status, 201 | 202), "{change:?}: {answer:?}");
        let order = answer.json();
        let ends = ["confirmed", "rejected"];
        self.diary.stories.push(Story {
            reference: name.to_owned(),
            id: text(&order, "id").to_owned(),
            ends: ends.into_iter().find(|it| order["status"] == **it),
            is_shipped: false,
        });
    }

    /// Asks for what cannot be: nothing must come of it.
    async fn ask_in_vain(&mut self, name: &str) {
        let product = self.shop.common.choose(&mut self.random).unwrap();
        let order = |reference: &str, quantity: i64| {
            let line = json!({ "product": product, "quantity": quantity });
            let customer = &self.shop.customers[0];
            json!({ "customer": customer, "reference": reference, "lines": [line] })
        };
        let earlier = self.diary.stories.choose(&mut self.random);
        match (self.random.random_range(0..3), earlier) {
            (0, Some(story)) => {
                let again = Change::new(name, "/orders", order(&story.reference, 1));
                self.make(again, &[409]).await;
            }
            (1, _) => {
                let mut issue = self.shop.receipt(product, 1_000_000);
                issue["type"] = json!("issue");
                let issue = Change::new(name, "/stock/movements", issue);
                self.make(issue, &[409]).await;
            }
            // Not for the diary: what is malformed is not even looked up by its key.
            _ => {
                let nothing = Change::new(name, "/orders", order(name, 0));
                let answer = self.api.ask_for(&nothing).await;
                assert_eq!(answer.status, 422, "{answer:?}");
                self.diary.others += 1;
            }
        }
    }

    fn line(&mut self) -> Value {
        let product = self.shop.common.choose(&mut self.random).unwrap();
        json!({ "product": product, "quantity": self.random.random_range(1..=3) })
    }

    /// Places an order and lets its fate come over it. Tells whether it was not rejected.
    async fn order(&mut self, name: &str, lines: Value, fate: &Fate) -> bool {
        let customer = self.shop.customers.choose(&mut self.random).unwrap();
        let body = json!({ "customer": customer, "reference": name, "lines": lines });
        let answer = self
            .make(Change::new(name, "/orders", body), &[201, 202])
            .await;
        let order = answer.json();
        let id = order["id"].as_str().unwrap().to_owned();
        let ends = match order["status"].as_str().unwrap() {
            "confirmed" => self.befall(name, &order, fate).await,
            "rejected" => Some("rejected"),
            // Not settled in time, or told after a kill.
            _ => None,
        };
        let is_befallen = order["status"] == "confirmed";
        let is_ship = |step: &Step| matches!(step, Ship);
        self.diary.stories.push(Story {
            reference: name.to_owned(),
            id,
            ends,
            is_shipped: is_befallen && fate.0.iter().any(is_ship),
        });
        ends != Some("rejected")
    }

    /// Where the order must come to: nowhere certain if its shipment was not made in time.
    async fn befall(&mut self, name: &str, order: &Value, fate: &Fate) -> Option<&'static str> {
        let mut order = order.clone();
        for step in fate.0 {
            let (path, body) = step.request(&order);
            let change = Change {
                if_match: step
                    .is_conditional()
                    .then(|| order["version"].as_i64().unwrap()),
                ..Change::new(&format!("{name}-{step:?}"), &path, body)
            };
            let answer = self.make(change, step.answers()).await;
            if matches!(step, Ship) && answer.status == 202 {
                return None;
            }
            order = answer.json();
        }
        Some(fate.1)
    }

    /// Orders every scarce product until there is no more of it, one at a time.
    async fn sell_out(&mut self) {
        for product in 0..self.shop.scarce.len() {
            let mut number = 0;
            let mut is_left = true;
            while is_left {
                let name = format!("{}-last-{product}-{number}", self.name);
                is_left = self.order_scarce(&name, product).await;
                number += 1;
            }
        }
    }

    async fn make(&mut self, change: Change, good: &[u16]) -> Answer {
        let answer = self.api.ask_for(&change).await;
        let is_good = good.contains(&answer.status);
        assert!(is_good, "{change:?}: {answer:?}");
        self.diary
            .operations
            .push(Operation::new(change, answer.clone()));
        answer
    }
}

impl Step {
    /// The order as the step before left it says all that is needed.
    fn request(self, order: &Value) -> (String, Value) {
        let of_order = |verb| (format!("/orders/{}/{verb}", text(order, "id")), json!({}));
        let of_shipment = |events| {
            let path = format!(
                "/shipments/{}/events",
                order["shipments"][0].as_str().unwrap()
            );
            (path, json!({ "events": events }))
        };
        match self {
            Cancel => of_order("cancel"),
            Pick | PickInVain => of_order("pick"),
            Pack => of_order("pack"),
            Ship => of_order("ship"),
            Leave => of_shipment(json!([scan("PU", "picked_up")])),
            Deliver => of_shipment(json!([scan("PU", "picked_up"), scan("DL", "delivered")])),
        }
    }

    /// Whether it is asked for on condition that nothing has changed: a repeat must not take its own
    /// effect for somebody else's.
    fn is_conditional(self) -> bool {
        matches!(self, Pick | Pack | Ship)
    }

    fn answers(self) -> &'static [u16] {
        match self {
            PickInVain => &[409],
            Cancel | Ship => &[200, 202],
            Pick | Pack | Leave | Deliver => &[200],
        }
    }
}

/// A scan of now.
pub(super) fn scan(code: &str, status: &str) -> Value {
    json!({ "code": code, "status": status, "occurred_at": Utc::now() })
}
