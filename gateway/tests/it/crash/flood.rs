//! Those who ask for one change after the other, and what came of it all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::client::{Answer, Api, Change};
use super::figures::Times;
use super::load::Operation;
use super::shop::Shop;

/// Requests of the open loop under way at once; what comes beyond is not even sent.
const UNDER_WAY_AT_MOST: usize = 400;
/// How often the open loop sends what is due.
const TICK: Duration = Duration::from_millis(5);
/// How long whoever was refused waits.
const PAUSE: Duration = Duration::from_millis(20);
/// One request in so many is an order, whose saga takes room of its own; the others are receipts.
const ORDER_EACH: usize = 5;

/// Somebody who asks for one change after the other.
#[derive(Clone)]
pub(super) struct Asker {
    /// The API within the company.
    pub(super) api: Api,
    /// What the company has.
    pub(super) shop: Arc<Shop>,
    /// What the keys begin with.
    pub(super) name: String,
}

/// A change, its answer, and how long that took.
type Asked = (Change, Answer, Duration);

/// What came of it all.
#[derive(Default)]
pub(super) struct Tally {
    /// What was done, and how long each took.
    pub(super) done: Vec<Operation>,
    pub(super) waits: Vec<Duration>,
    /// How often which refusal came, and how long each took.
    pub(super) refused: BTreeMap<String, usize>,
    pub(super) refusals: Vec<Duration>,
    /// What was due and not even sent.
    pub(super) unsent: usize,
    time: Duration,
}

impl Asker {
    /// The same with other keys.
    pub(super) fn named(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

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

/// So many at a time ask, each as soon as it has been answered, and those who were refused a little
/// later.
pub(super) async fn closed_loop(asker: &Asker, at_once: usize, time: Duration) -> Tally {
    let end = Instant::now() + time;
    let mut asking = JoinSet::new();
    let mut tally = Tally::of(time);
    for number in 0_usize.. {
        if asking.len() == at_once {
            tally.add(asking.join_next().await.unwrap().unwrap());
        }
        if Instant::now() >= end {
            break;
        }
        let asker = asker.clone();
        asking.spawn(async move {
            let asked = asker.ask(number).await;
            if asked.1.status >= 400 {
                tokio::time::sleep(PAUSE).await;
            }
            asked
        });
    }
    tally.rest(asking).await
}

/// So many a second ask, answered or not.
pub(super) async fn open_loop(asker: &Asker, rate: f64, time: Duration) -> Tally {
    let started = Instant::now();
    let mut asking = JoinSet::new();
    let mut tally = Tally::of(time);
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

/// Asks for one thing after the other.
pub(super) async fn one_by_one(asker: &Asker, most: usize) -> Tally {
    let mut tally = Tally::default();
    for number in 0..most {
        tally.add(asker.clone().ask(number).await);
    }
    tally
}

impl Tally {
    fn of(time: Duration) -> Self {
        Self {
            time,
            ..Self::default()
        }
    }

    fn add(&mut self, (change, answer, took): Asked) {
        match answer.status {
            200..300 => {
                self.done.push(Operation::new(change, answer));
                self.waits.push(took);
            }
            429 | 503 => {
                assert!(answer.says_when, "{change:?}: {answer:?}");
                let code = answer.json()["code"].as_str().unwrap().to_owned();
                *self.refused.entry(code).or_default() += 1;
                self.refusals.push(took);
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
    pub(super) fn rate(&self) -> f64 {
        self.done.len() as f64 / self.time.as_secs_f64()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [waits, refusals] = [&self.waits, &self.refusals].map(|it| Times::new(it.clone()));
        write!(formatter, "done: {waits}")?;
        if !self.refused.is_empty() {
            write!(formatter, ", refused as {:?}: {refusals}", self.refused)?;
        }
        match self.unsent {
            0 => Ok(()),
            unsent => write!(formatter, ", {unsent} not sent"),
        }
    }
}
