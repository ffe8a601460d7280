//! Half of the capacity for a long time, while entities come, leave the memory and return.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::figures::{Series, percentile};
use crate::latency::PERCENTILES;
use crate::load::{self, Span, Work};
use crate::orders::{CONNECTIONS, Orders, Wanted};
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wire::{Answer, write_get};

/// How long an entity stays in memory unasked, in milliseconds: so short that most leave and return.
const IDLE_MS: u64 = 15_000;
/// Connections that come back to orders placed before.
const READERS: usize = 32;
/// Orders that are come back to.
const KNOWN: usize = 200_000;
/// Minutes until everything has found its size: they are no part of the verdict.
const SETTLING: usize = 2;
/// By how much the later half may exceed the earlier one.
const RESIDENT_GROWTH: f64 = 1.05;
const LATENCY_GROWTH: f64 = 1.5;

/// Prints a line a minute, and whether memory and latency stayed as they were.
pub(crate) async fn run(stage: &mut Stage, minutes: u64) -> Result<bool> {
    let span = stage.options.span();
    let shop = stage.quenty().await?;
    let works = Orders::at(shop, Wanted::Any, CONNECTIONS);
    let rate = load::measured(&shop.server, works, span).await?.per_second / 2.0;
    let idle = ("QUENTY__ENGINE__IDLE_MS", IDLE_MS.to_string());
    let shop = stage.restart_quenty(&[idle]).await?;
    println!(
        "{rate:.0} orders/s and as many reads of earlier orders; idle entities leave after {IDLE_MS} ms"
    );
    println!(
        "minute  resident MiB  orders/s    p50 ms    p99 ms  p99.9 ms  reads p50 ms    p99 ms"
    );
    let known = Rc::new(RefCell::new(Vec::new()));
    let (mut resident, mut latency) = (Vec::new(), Vec::new());
    for minute in 1..=minutes {
        let (mebibytes, p99) = one_minute(shop, rate, &known, minute).await?;
        resident.push(mebibytes);
        latency.push(p99);
    }
    let is_flat =
        verdict("resident", &resident, RESIDENT_GROWTH) & verdict("p99", &latency, LATENCY_GROWTH);
    println!("{}", if is_flat { "flat" } else { "not flat" });
    Ok(is_flat)
}

async fn one_minute(
    shop: &Shop,
    rate: f64,
    known: &Rc<RefCell<Vec<String>>>,
    minute: u64,
) -> Result<(f64, f64)> {
    let span = Span {
        warm_up: Duration::ZERO,
        length: Duration::from_secs(60),
    };
    let orders = Orders::at(shop, Wanted::Any, CONNECTIONS);
    let orders = load::open(shop.server.address, orders, span, rate);
    let returns = (0..READERS).map(|_| Returns {
        base: shop.api.path("/orders/"),
        token: shop.api.token.clone(),
        known: Rc::clone(known),
    });
    let returns = load::open(shop.server.address, returns.collect(), span, rate);
    let (mut orders, mut returns) = tokio::try_join!(orders, returns)?;
    remember(
        known,
        orders.works.iter_mut().flat_map(|it| it.ids.drain(..)),
    );
    let mebibytes = shop.server.resident()? / f64::from(1 << 20);
    let [p50, p99, p999] = PERCENTILES.map(|(_, share)| percentile(&mut orders.micros, share));
    println!(
        "{minute:>6}  {mebibytes:>12.1}  {:>8.0}  {p50:>8.2}  {p99:>8.2}  {p999:>8.2}  {:>12.2}  {:>8.2}",
        orders.rate,
        percentile(&mut returns.micros, 0.5),
        percentile(&mut returns.micros, 0.99),
    );
    Ok((mebibytes, p99))
}

/// Keeps the ids of orders, new ones in place of any of the old ones.
fn remember(known: &RefCell<Vec<String>>, ids: impl Iterator<Item = String>) {
    let mut known = known.borrow_mut();
    for id in ids {
        if known.len() < KNOWN {
            known.push(id);
        } else {
            let place = rand::random_range(0..KNOWN);
            known[place] = id;
        }
    }
}

/// One connection that comes back to orders.
struct Returns {
    base: String,
    token: String,
    known: Rc<RefCell<Vec<String>>>,
}

impl Work for Returns {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let known = self.known.borrow();
        // There are none in the first minute.
        if known.is_empty() {
            return false;
        }
        let id = &known[rand::random_range(0..known.len())];
        write_get(out, &format!("{}{id}", self.base), &self.token);
        true
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        answer.status == 200
    }
}

/// Whether the later half is not much more than the earlier one.
fn verdict(what: &str, minutes: &[f64], growth: f64) -> bool {
    let settled = minutes.get(SETTLING..).unwrap_or_default();
    let (earlier, later) = settled.split_at(settled.len() / 2);
    let median = |half: &[f64]| {
        let mut series = Series::default();
        half.iter().for_each(|value| series.push(*value));
        series.median()
    };
    let ratio = median(later) / median(earlier);
    println!(
        "{what}: the later half is {ratio:.2} times the earlier one, at most {growth} is flat"
    );
    ratio <= growth
}
