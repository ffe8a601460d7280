//! Orders of one line, placed and confirmed: Quenty's against the peer's.

use std::rc::Rc;

use anyhow::Result;
use uuid::Uuid;

use crate::load::{self, Span, Work};
use crate::measure::{Key, Measure, Side};
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wire::{Answer, find, write_post};

/// Connections that order at the same time.
pub(crate) const CONNECTIONS: usize = 256;
/// Ids of orders that a connection keeps.
const KEPT: usize = 100;

/// What is ordered.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// One product at random.
    Any,
    /// Always the same product.
    First,
}

/// One connection that orders.
pub(crate) struct Orders {
    path: String,
    headers: String,
    customer: String,
    products: Rc<[String]>,
    wanted: Wanted,
    key: String,
    count: u64,
    /// Ids of the first orders.
    pub(crate) ids: Vec<String>,
}

impl Orders {
    /// For so many connections.
    pub(crate) fn at(shop: &Shop, wanted: Wanted, connections: usize) -> Vec<Self> {
        let one = || Self {
            path: shop.api.path("/orders"),
            headers: shop.api.headers(),
            customer: shop.customer.clone(),
            products: Rc::clone(&shop.products),
            wanted,
            key: Uuid::now_v7().to_string(),
            count: 0,
            ids: Vec::new(),
        };
        std::iter::repeat_with(one).take(connections).collect()
    }
}

impl Work for Orders {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        self.count += 1;
        let place = match self.wanted {
            Wanted::Any => rand::random_range(0..self.products.len()),
            Wanted::First => 0,
        };
        let (customer, product) = (&self.customer, &self.products[place]);
        let body = format!(
            r#"{{"customer":"{customer}","lines":[{{"product":"{product}","quantity":1}}]}}"#
        );
        let key = format!("{}-{}", self.key, self.count);
        write_post(
            out,
            "POST",
            &self.path,
            &self.headers,
            Some(&key),
            body.as_bytes(),
        );
        true
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        if self.ids.len() < KEPT {
            self.ids.extend(id(answer.body));
        }
        answer.status == 201 && find(answer.body, br#""status":"confirmed""#).is_some()
    }
}

/// The id that an answer begins with.
fn id(body: &[u8]) -> Option<String> {
    let rest = body.strip_prefix(br#"{"id":""#)?;
    let end = find(rest, b"\"")?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

/// Measures both sides in turns.
pub(crate) async fn measure(stage: &mut Stage, key: Key, wanted: Wanted) -> Result<Measure> {
    let mut measuring = stage.options.begin(
        key,
        Side::new("quenty", "orders/s"),
        Side::new("peer", "orders/s"),
    )?;
    let (rounds, span) = (stage.options.rounds, stage.options.span());
    for _ in 0..rounds {
        let ours = place(stage.quenty().await?, wanted, span).await?;
        let theirs = place(&stage.peer().await?.shop, wanted, span).await?;
        measuring.round(ours, theirs);
    }
    measuring.end(&stage.options)
}

async fn place(shop: &Shop, wanted: Wanted, span: Span) -> Result<load::Rate> {
    let works = Orders::at(shop, wanted, CONNECTIONS);
    load::measured(&shop.server, works, span).await
}

/// Places so many orders, and gives their ids.
pub(crate) async fn some(shop: &Shop, count: usize) -> Result<Vec<String>> {
    let connections = count.div_ceil(KEPT);
    let works = Orders::at(shop, Wanted::Any, connections);
    let works = works
        .into_iter()
        .map(|orders| Limited { orders, left: KEPT });
    let within = std::time::Duration::from_secs(120);
    let outcome = load::all(shop.server.address, works.collect(), within).await?;
    let ids = outcome.works.into_iter().flat_map(|work| work.orders.ids);
    Ok(ids.collect())
}

/// Orders until it has placed so many.
struct Limited {
    orders: Orders,
    left: usize,
}

impl Work for Limited {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        self.orders.next(out)
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        self.orders.accept(answer)
    }
}
