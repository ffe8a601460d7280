//! Half of the capacity for a long time, while entities come, leave the memory and return.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::api::Api;
use crate::figures::{Series, percentile};
use crate::latency::PERCENTILES;
use crate::load::{self, Span, Work};
use crate::orders::{CONNECTIONS, Orders, Wanted};
use crate::reads;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wire::{Answer, write_get};

/// How long an entity stays in memory unasked, in milliseconds: so short that orders leave.
const IDLE_MS: u64 = 15_000;
/// By when all that nobody asked for has left: the server looks for those from time to time only.
const AWAY: Duration = Duration::from_millis(2 * IDLE_MS);
/// By when the server's metrics show what is there: they do so once a second.
const SHOWN: Duration = Duration::from_secs(2);
/// Connections that come back to orders placed before.
const READERS: usize = 32;
/// How many of them a second, by the rate of orders: each is loaded, beside products and stock.
const READS: f64 = 0.25;
/// Orders that are come back to.
const KNOWN: usize = 200_000;
/// Orders that return at the end: few enough to be all there before the first has to leave again.
const RETURNING: usize = 10_000;
/// How much of what is to leave, or to return, must be seen to do so.
const MOST: f64 = 0.9;
/// Minutes until everything has found its size: they are no part of the verdict.
const SETTLING: usize = 2;
/// By how much the later half may exceed the earlier one.
const RESIDENT_GROWTH: f64 = 1.05;
const LATENCY_GROWTH: f64 = 1.5;

/// Orders that are come back to, from who waits longest.
type Known = Rc<RefCell<VecDeque<String>>>;

/// What is judged of a minute.
struct Minute {
    mebibytes: f64,
    orders_p99_ms: f64,
    reads_p99_ms: f64,
}

/// Prints a line a minute, and whether memory and latency stayed as they were while entities left
/// and returned.
pub(crate) async fn run(stage: &mut Stage, minutes: u64) -> Result<bool> {
    let span = stage.options.span();
    let log = stage.options.folder.join("quenty.log");
    stage.quenty().await?;
    let settings = [
        ("QUENTY__ENGINE__IDLE_MS", IDLE_MS.to_string()),
        ("QUENTY__TELEMETRY__METRICS_LISTEN", "127.0.0.1:0".into()),
    ];
    let shop = stage.restart_quenty(&settings).await?;
    let metrics = Api::new(metrics_address(&log)?, "");
    // As it is while what is asked for has to be loaded.
    let works = Orders::at(shop, Wanted::Any, CONNECTIONS);
    let rate = load::measured(&shop.server, works, span).await?.per_second / 2.0;
    println!(
        "{rate:.0} orders/s, and reads of orders that were not asked for in {} s, up to {READS} of \
         that rate; idle entities leave after {IDLE_MS} ms",
        AWAY.as_secs()
    );
    println!(
        "minute  resident MiB  entities  orders/s    p50 ms    p99 ms  p99.9 ms   \
         reads/s    p50 ms    p99 ms"
    );
    let (known, mut seen) = (Known::default(), Vec::new());
    for minute in 1..=minutes {
        seen.push(one_minute(shop, &metrics, rate, &known, minute).await?);
    }
    let came_and_went = left_and_returned(shop, &metrics, &known).await?;
    let is_flat = are_flat(&seen);
    println!("{}", if is_flat { "flat" } else { "not flat" });
    Ok(is_flat && came_and_went)
}

fn are_flat(minutes: &[Minute]) -> bool {
    let each = |value: fn(&Minute) -> f64| minutes.iter().map(value).collect::<Vec<_>>();
    let resident = each(|it| it.mebibytes);
    let (orders, reads) = (each(|it| it.orders_p99_ms), each(|it| it.reads_p99_ms));
    verdict("resident", &resident, RESIDENT_GROWTH)
        & verdict("p99 of orders", &orders, LATENCY_GROWTH)
        & verdict("p99 of reads", &reads, LATENCY_GROWTH)
}

async fn one_minute(
    shop: &Shop,
    metrics: &Api,
    rate: f64,
    known: &Known,
    minute: u64,
) -> Result<Minute> {
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
    // Not so many that one is asked for before it has left; and a rate of none has no next moment.
    let most = known.borrow().len() as f64 / AWAY.as_secs_f64();
    let reads_rate = (rate * READS).min(most).max(1.0);
    let returns = load::open(shop.server.address, returns.collect(), span, reads_rate);
    let (mut orders, mut returns) = tokio::try_join!(orders, returns)?;
    let entities = residents(metrics).await?;
    remember(
        known,
        orders.works.iter_mut().flat_map(|it| it.ids.drain(..)),
    );
    let mebibytes = shop.server.resident()? / f64::from(1 << 20);
    let [p50, p99, p999] = PERCENTILES.map(|(_, share)| percentile(&mut orders.micros, share));
    let [reads_p50, reads_p99] = [0.5, 0.99].map(|share| percentile(&mut returns.micros, share));
    println!(
        "{minute:>6}  {mebibytes:>12.1}  {entities:>8.0}  {:>8.0}  {p50:>8.2}  {p99:>8.2}  \
         {p999:>8.2}  {:>8.0}  {reads_p50:>8.2}  {reads_p99:>8.2}",
        orders.rate, returns.rate,
    );
    Ok(Minute {
        mebibytes,
        orders_p99_ms: p99,
        reads_p99_ms: reads_p99,
    })
}

/// Keeps the ids of orders, new ones in place of those that wait longest.
fn remember(known: &RefCell<VecDeque<String>>, ids: impl Iterator<Item = String>) {
    let mut known = known.borrow_mut();
    known.extend(ids);
    let surplus = known.len().saturating_sub(KNOWN);
    known.drain(..surplus);
}

/// Where the server says in its log that its metrics are.
fn metrics_address(log: &Path) -> Result<SocketAddr> {
    let log = std::fs::read_to_string(log)?;
    let rest = log.split_once("metrics at http://").map(|(_, rest)| rest);
    let address = rest.and_then(|rest| rest.split_once('/'));
    Ok(address.context("no metrics")?.0.parse()?)
}

/// How many entities are in the server's memory, by its own account.
async fn residents(metrics: &Api) -> Result<f64> {
    let text = metrics.text("/metrics").await?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("quenty_residents "));
    Ok(value.context("no quenty_residents")?.parse()?)
}

/// Lets everything leave and some orders return; whether the server's own account shows both.
async fn left_and_returned(shop: &Shop, metrics: &Api, known: &Known) -> Result<bool> {
    let ids: Vec<_> = known.borrow().iter().take(RETURNING).cloned().collect();
    ensure!(!ids.is_empty(), "no orders were placed");
    let under_load = residents(metrics).await?;
    tokio::time::sleep(AWAY).await;
    let at_rest = residents(metrics).await?;
    reads::once(&shop.api, &ids).await?;
    tokio::time::sleep(SHOWN).await;
    let returned = residents(metrics).await? - at_rest;
    let left = under_load - at_rest;
    let do_both = left >= MOST * under_load && returned >= MOST * ids.len() as f64;
    println!(
        "entities: {under_load:.0} under load, {at_rest:.0} after {} s of rest, {returned:.0} more \
         once {} orders were read again: they {}",
        AWAY.as_secs(),
        ids.len(),
        if do_both {
            "leave and return"
        } else {
            "do not leave and return"
        }
    );
    Ok(do_both)
}

/// One connection that comes back to orders.
struct Returns {
    base: String,
    token: String,
    known: Known,
}

impl Work for Returns {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let mut known = self.known.borrow_mut();
        // There are none in the first minute.
        let Some(id) = known.pop_front() else {
            return false;
        };
        write_get(out, &format!("{}{id}", self.base), &self.token);
        known.push_back(id);
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
