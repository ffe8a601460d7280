//! Stock is conserved: every balance is what the plan leaves, and the sum of its ledger.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{CONCURRENCY, Versions, settled};
use crate::api::{LedgerEntry, Stock};
use crate::replay::plan::Plan;
use crate::replay::report::Check;
use crate::replay::world::World;

/// What is there and what of it is promised, by product and location.
type Balances = BTreeMap<(String, String), (i64, i64)>;

pub(super) async fn examine(
    world: &World,
    plan: &Plan,
    versions: &mut Versions,
) -> Result<[Check; 2]> {
    let expected = expected(world, plan)?;
    let look = async || {
        let items: Vec<Stock> = world.client.list("/stock", &[]).await?;
        Ok(items)
    };
    let items = settled(look, |items| balances(items) == expected).await?;
    versions.extend(items.iter().map(|item| (item.id.clone(), item.version)));
    let mut check = Check::new("balances of stock");
    let found = balances(&items);
    check.same(
        "the number of stock items in use",
        found.len(),
        expected.len(),
    );
    for (item, balance) in &expected {
        let of = format!("(on hand, reserved) of {} at {}", item.0, item.1);
        check.same(&of, found.get(item), Some(balance));
    }
    Ok([check, ledgers(world, &items).await?])
}

fn expected(world: &World, plan: &Plan) -> Result<Balances> {
    plan.products
        .iter()
        .map(|(id, goods)| {
            let item = (world.product(id)?.to_owned(), world.shelf.clone());
            Ok((item, (goods.on_hand, goods.reserved)))
        })
        .collect()
}

/// The empty shelf's items are there once something was refused, and hold nothing.
fn balances(items: &[Stock]) -> Balances {
    items
        .iter()
        .map(|item| {
            let key = (item.product.clone(), item.location.clone());
            (key, (item.on_hand, item.reserved))
        })
        .filter(|(_, balance)| *balance != (0, 0))
        .collect()
}

async fn ledgers(world: &World, items: &[Stock]) -> Result<Check> {
    let sums: Vec<_> = stream::iter(items)
        .map(|item| async move { anyhow::Ok((item, sum(world, item).await?)) })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut check = Check::new("balances that are the sums of their ledgers");
    for (item, sum) in sums {
        let of = format!("the ledger's sum of {}", item.id);
        check.same(&of, sum, (item.on_hand, item.reserved));
    }
    Ok(check)
}

async fn sum(world: &World, item: &Stock) -> Result<(i64, i64)> {
    let filter = [("stock", item.id.clone())];
    let entries: Vec<LedgerEntry> = world.client.list("/stock/movements", &filter).await?;
    Ok(entries.iter().fold((0, 0), |(on_hand, reserved), entry| {
        (on_hand + entry.on_hand, reserved + entry.reserved)
    }))
}
