//! Every order is there once, stands where the mapping says, and costs what the data says.

use std::collections::HashMap;

use anyhow::Result;

use super::{Versions, settled};
use crate::api::{Money, Order};
use crate::replay::body::CURRENCY;
use crate::replay::drive::Driven;
use crate::replay::plan::{Plan, Planned};
use crate::replay::report::Check;
use crate::replay::world::World;

type Orders = HashMap<String, Order>;

pub(super) async fn examine(
    world: &World,
    plan: &Plan,
    driven: &[Driven],
    versions: &mut Versions,
) -> Result<[Check; 3]> {
    let pairs: Vec<_> = plan
        .orders
        .iter()
        .zip(driven)
        .filter_map(|(planned, driven)| Some((planned, driven.order.as_ref()?)))
        .collect();
    let look = async || {
        let orders: Vec<Order> = world.client.list("/orders", &[]).await?;
        Ok(orders)
    };
    let listed = settled(look, |orders| {
        let statuses: HashMap<_, _> = orders
            .iter()
            .map(|order| (&order.id, &order.status))
            .collect();
        let stands = |(planned, id): &(&Planned, &String)| {
            statuses
                .get(id)
                .is_some_and(|status| *status == planned.ending.status())
        };
        pairs.iter().all(stands)
    })
    .await?;
    let mut count = Check::new("number of orders");
    count.same("the number of orders", listed.len(), plan.orders.len());
    let orders: Orders = listed
        .into_iter()
        .map(|order| (order.id.clone(), order))
        .collect();
    count.same(
        "the number of different ones",
        orders.len(),
        plan.orders.len(),
    );
    versions.extend(
        orders
            .values()
            .map(|order| (order.id.clone(), order.version)),
    );
    let [states, totals] = each(&pairs, &orders);
    Ok([count, states, totals])
}

fn each(pairs: &[(&Planned, &String)], orders: &Orders) -> [Check; 2] {
    let mut states = Check::new("orders in the state that the mapping says");
    let mut totals = Check::new("totals of orders");
    for (planned, id) in pairs {
        let Some(order) = orders.get(*id) else {
            states.that(false, || format!("order {id} is not listed"));
            continue;
        };
        states.same(
            &format!("order {id}"),
            order.status.as_str(),
            planned.ending.status(),
        );
        let (goods, freight) = (planned.goods(), planned.freight());
        for (name, found, expected) in [
            ("goods", &order.totals.goods, goods),
            ("freight", &order.totals.freight, freight),
            ("total", &order.totals.total, goods + freight),
        ] {
            let Money { amount, currency } = found;
            totals.that(*amount == expected && currency == CURRENCY, || {
                format!("order {id}: {name} is {amount} {currency}, not {expected} {CURRENCY}")
            });
        }
    }
    [states, totals]
}
