//! What must hold once everything has come to rest.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::client::{Api, number, text};
use super::load::{Diary, Operation};
use super::server::Home;
use super::shop::{Shop, UNITS};

/// How long sagas may take to end after the last recovery. Orders wait a minute for their goods at
/// most.
const REST_WITHIN: Duration = Duration::from_secs(60);
/// What has not changed for so long has come to rest.
const STILL: Duration = Duration::from_secs(2);
/// Requests at once.
const AT_ONCE: usize = 16;
/// Where orders stand whose unshipped goods are kept for them.
const LIVE: [&str; 3] = ["confirmed", "picking", "packed"];

/// What there is.
#[derive(PartialEq)]
struct Picture {
    orders: Vec<Value>,
    stock: Vec<Value>,
    /// By the order that they are of.
    shipments: HashMap<String, Vec<Value>>,
}

/// What must hold of the storage of a server that has ended.
pub(super) async fn storage(home: &Home) {
    let verified = home.run(None, &["verify"]).await;
    let [out, error] = [verified.stdout, verified.stderr];
    let [out, error] = [out, error].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(verified.status.success(), "{out}\n{error}");
}

/// Waits until the picture agrees with what clients were told, then looks at how it came about.
pub(super) async fn all(api: &Api, shop: &Shop, diary: &Diary) {
    let picture = at_rest(api, shop, diary).await;
    told(api, &picture, &diary.operations).await;
}

/// The same without a diary of all orders and receipts.
pub(super) async fn without_diary(api: &Api, operations: &[Operation]) {
    let deadline = Instant::now() + REST_WITHIN;
    let picture = loop {
        let picture = Picture::take(api).await;
        let under_way = picture.orders.iter().filter(|it| is_under_way(it));
        let under_way = under_way.map(|it| format!("it has not ended: {it}"));
        let orphans = picture.stock.iter().filter_map(|it| picture.kept_fault(it));
        let strays = picture.orders.iter().filter_map(|it| picture.stray(it));
        let faults: Vec<_> = under_way.chain(orphans).chain(strays).collect();
        if faults.is_empty() {
            break picture;
        }
        assert!(Instant::now() < deadline, "{}", faults.join("\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    told(api, &picture, operations).await;
}

/// The same, and goods are where orders say: none kept or shipped twice.
pub(super) async fn with_balances(api: &Api, operations: &[Operation]) {
    until_still(api).await;
    without_diary(api, operations).await;
    let deadline = Instant::now() + REST_WITHIN;
    loop {
        let faults = Picture::take(api).await.imbalances(api).await;
        if faults.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{}", faults.join("\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// There are as many of each as were made, where every request was answered.
pub(super) async fn only_what_was_told(api: &Api, operations: &[Operation]) {
    for path in ["/orders", "/shipments"] {
        let made = operations.iter().filter(|it| it.change.path == path);
        let made: HashSet<_> = made
            .map(|it| text(&it.answer.json(), "id").to_owned())
            .collect();
        let there = api.list(path).await;
        // Shipments of orders are made by their policies.
        let alone = there.iter().filter(|it| it["order"].is_null());
        let others: Vec<_> = alone.filter(|it| !made.contains(text(it, "id"))).collect();
        assert_eq!(others, Vec::<&Value>::new(), "{path}");
    }
}

/// Waits until nothing changes any more. What scans lead to, for one, shows in no status before.
async fn until_still(api: &Api) {
    let deadline = Instant::now() + REST_WITHIN;
    let mut before = Picture::take(api).await;
    loop {
        tokio::time::sleep(STILL).await;
        let now = Picture::take(api).await;
        if now == before {
            return;
        }
        assert!(Instant::now() < deadline, "it does not come to rest");
        before = now;
    }
}

/// Every resource has come about as its events say, and every answer is still the same.
async fn told(api: &Api, picture: &Picture, operations: &[Operation]) {
    for item in &picture.stock {
        ledger(api, item).await;
    }
    let orders = picture.orders.iter().map(|order| ("/orders", order));
    let stock = picture.stock.iter().map(|item| ("/stock", item));
    each(orders.chain(stock), |(path, it)| history(api, path, it)).await;
    each(operations, |operation| replay(api, operation)).await;
    let parked = api.get("/parked").await;
    assert_eq!(parked["data"].as_array().map(Vec::len), Some(0), "{parked}");
}

async fn each<T, F: Future<Output = ()>>(all: impl IntoIterator<Item = T>, look: impl Fn(T) -> F) {
    stream::iter(all).for_each_concurrent(AT_ONCE, look).await;
}

async fn at_rest(api: &Api, shop: &Shop, diary: &Diary) -> Picture {
    let deadline = Instant::now() + REST_WITHIN;
    loop {
        let picture = Picture::take(api).await;
        let faults = picture.faults(shop, diary);
        if faults.is_empty() {
            return picture;
        }
        let is_time_left = Instant::now() < deadline;
        assert!(
            is_time_left,
            "{} faults:\n{}",
            faults.len(),
            faults.join("\n")
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl Picture {
    async fn take(api: &Api) -> Self {
        Self {
            orders: api.list("/orders").await,
            stock: api.list("/stock").await,
            shipments: by_order(api.list("/shipments").await),
        }
    }

    fn faults(&self, shop: &Shop, diary: &Diary) -> Vec<String> {
        let mut faults = self.order_faults(diary);
        faults.extend(self.orders.iter().filter_map(|it| self.stray(it)));
        for product in shop.common.iter().chain(&shop.scarce) {
            let item = self.stock.iter().find(|item| item["product"] == **product);
            let received = UNITS + received(diary, product);
            faults.extend(self.stock_fault(item.unwrap(), received));
        }
        let is_scarce = |item: &&Value| shop.scarce.iter().any(|it| item["product"] == **it);
        for item in self.stock.iter().filter(is_scarce) {
            faults.extend(self.scarce_fault(item));
        }
        faults
    }

    /// What does not agree with the receipts that the ledgers have.
    async fn imbalances(&self, api: &Api) -> Vec<String> {
        let mut faults = Vec::new();
        for item in &self.stock {
            let path = format!("/stock/movements?stock={}", text(item, "id"));
            let entries = api.list(&path).await;
            let receipts = entries.iter().filter(|it| it["type"] == "receipt");
            let received = receipts.map(|it| number(it, "on_hand")).sum();
            faults.extend(self.stock_fault(item, received));
        }
        faults
    }

    /// One order for each that was acknowledged, no other, and each where its client left it.
    fn order_faults(&self, diary: &Diary) -> Vec<String> {
        let mut found: HashMap<&str, Vec<&Value>> = HashMap::new();
        for order in &self.orders {
            let reference = order["reference"].as_str().unwrap_or_default();
            found.entry(reference).or_default().push(order);
        }
        let mut faults = Vec::new();
        for story in &diary.stories {
            let orders = found.remove(&*story.reference).unwrap_or_default();
            let is_told = |order: &Value| {
                let is_at_end = match story.ends {
                    Some(status) => order["status"] == status,
                    None => !is_under_way(order),
                };
                let has_shipment = story.is_shipped && order["status"] != "cancelled";
                let shipments = self.shipments(order);
                let live = shipments.filter(|it| it["status"] != "cancelled");
                is_at_end && live.count() == usize::from(has_shipment)
            };
            let is_fine =
                matches!(&orders[..], [order] if order["id"] == *story.id && is_told(order));
            if !is_fine {
                let seen: Vec<_> = orders.iter().map(|it| (&it["id"], &it["status"])).collect();
                let (reference, id, ends) = (&story.reference, &story.id, story.ends);
                faults.push(format!("{reference} is {id}, should be {ends:?}: {seen:?}"));
            }
        }
        for reference in &diary.unknown {
            let orders = found.remove(&**reference).unwrap_or_default();
            if orders.len() > 1 {
                faults.push(format!("{reference} is there {} times", orders.len()));
            }
        }
        let others = found.keys();
        faults.extend(others.map(|it| format!("{it:?} was refused, or never asked for")));
        faults
    }

    /// Every shipment of an order is known to it, and it knows no other.
    fn stray(&self, order: &Value) -> Option<String> {
        let there: HashSet<_> = self.shipments(order).map(|it| text(it, "id")).collect();
        let known = order["shipments"].as_array().into_iter().flatten();
        let known: HashSet<_> = known.filter_map(Value::as_str).collect();
        (known != there).then(|| format!("its shipments are {there:?}: {order}"))
    }

    fn shipments(&self, order: &Value) -> impl Iterator<Item = &Value> {
        let theirs = self.shipments.get(text(order, "id"));
        theirs.into_iter().flatten()
    }

    /// The balance is what was received less what has left, and what live orders wait for is kept.
    fn stock_fault(&self, item: &Value, received: i64) -> Option<String> {
        let lines = self.lines(item);
        let shipped: i64 = lines.map(|(_, line)| number(line, "shipped")).sum();
        let is_fine = number(item, "on_hand") == received - shipped;
        let off = || format!("received {received}, shipped {shipped}: {item}");
        (!is_fine).then(off).or_else(|| self.kept_fault(item))
    }

    /// What live orders wait for is kept, and nothing else is.
    fn kept_fault(&self, item: &Value) -> Option<String> {
        let [on_hand, reserved, available] =
            ["on_hand", "reserved", "available"].map(|field| number(item, field));
        let lines = self.lines(item);
        let kept: i64 = lines.map(|(_, line)| number(line, "reserved")).sum();
        let live = self
            .lines(item)
            .filter(|(order, _)| LIVE.contains(&text(order, "status")));
        let open: i64 = live
            .map(|(_, line)| number(line, "quantity") - number(line, "shipped"))
            .sum();
        let is_fine = reserved == kept
            && reserved == open
            && available == on_hand - reserved
            && available >= 0;
        (!is_fine).then(|| format!("kept {kept}, open {open}: {item}"))
    }

    /// Demand exceeded the supply, so exactly the supply was sold, a unit an order.
    fn scarce_fault(&self, item: &Value) -> Option<String> {
        let orders = self.lines(item).map(|(order, _)| text(order, "status"));
        let sold = orders
            .clone()
            .filter(|status| *status != "rejected")
            .count();
        let wanted = orders.count();
        let is_fine = sold as i64 == UNITS && wanted as i64 > UNITS;
        (!is_fine || number(item, "available") != 0)
            .then(|| format!("sold {sold} of {UNITS} to {wanted}: {item}"))
    }

    fn lines<'a>(
        &'a self,
        item: &'a Value,
    ) -> impl Iterator<Item = (&'a Value, &'a Value)> + Clone {
        let all = self.orders.iter().flat_map(|order| {
            let lines = order["lines"].as_array().into_iter().flatten();
            lines.map(move |line| (order, line))
        });
        all.filter(|(_, line)| line["product"] == item["product"])
    }
}

fn by_order(shipments: Vec<Value>) -> HashMap<String, Vec<Value>> {
    let mut by_order = HashMap::<_, Vec<_>>::new();
    for shipment in shipments {
        let order = shipment["order"].as_str().unwrap_or_default().to_owned();
        by_order.entry(order).or_default().push(shipment);
    }
    by_order
}

/// Whether a saga is to bring the order further.
fn is_under_way(order: &Value) -> bool {
    matches!(text(order, "status"), "placed" | "cancelling")
}

fn received(diary: &Diary, product: &str) -> i64 {
    let receipts = diary.receipts.iter().filter(|(it, _)| it == product);
    receipts.map(|(_, quantity)| quantity).sum()
}

/// The ledger adds up to the balance, and never was more kept than was there.
async fn ledger(api: &Api, item: &Value) {
    let entries = api
        .list(&format!("/stock/movements?stock={}", text(item, "id")))
        .await;
    let (mut on_hand, mut reserved, mut version) = (0, 0, 0);
    for entry in &entries {
        on_hand += number(entry, "on_hand");
        reserved += number(entry, "reserved");
        assert!(
            0 <= reserved && reserved <= on_hand,
            "oversold by {entry} of {item}"
        );
        assert!(version < number(entry, "version"), "{entry} comes twice");
        version = number(entry, "version");
    }
    assert_eq!(on_hand, number(item, "on_hand"), "{item}");
    assert_eq!(reserved, number(item, "reserved"), "{item}");
}

/// Every version has its event.
async fn history(api: &Api, path: &str, resource: &Value) {
    let id = text(resource, "id");
    let events = api.list(&format!("{path}/{id}/history")).await;
    let versions: Vec<i64> = events.iter().map(version).collect();
    let expected: Vec<i64> = (1..=number(resource, "version")).collect();
    assert_eq!(versions, expected, "{path}/{id}");
}

/// An event's id ends in the version that it led to.
fn version(event: &Value) -> i64 {
    let (_, version) = text(event, "id").rsplit_once('-').unwrap();
    version.parse().unwrap()
}

/// The same request under the same key is answered by the same answer.
async fn replay(api: &Api, operation: &Operation) {
    let Operation { change, answer, .. } = operation;
    let again = api.ask_for(change).await;
    assert!(again.is_replay, "{change:?}: {again:?}");
    let [first, again] = [answer, &again].map(|it| (it.status, &it.body));
    assert_eq!(again, first, "{change:?}");
}
