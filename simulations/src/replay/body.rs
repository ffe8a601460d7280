//! What the data's rows look like as bodies of requests.

use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::data::{Customer, Order};
use super::mapping::{Ending, Step};
use super::plan::{Goods, Planned};
use super::world::World;

/// The data's currency.
pub(super) const CURRENCY: &str = "BRL";
/// As much of an id as tells it from others to people.
const SHORT: usize = 8;

pub(super) fn product(id: &str, goods: &Goods) -> Value {
    let product = &goods.product;
    let kind = product.category.as_deref().unwrap_or("goods");
    let short: String = id.chars().take(SHORT).collect();
    json!({
        "sku": id,
        "name": format!("{} {short}", kind.replace('_', " ")),
        "category": product.category,
        "price": money(goods.price),
        "weight_g": product.weight_g,
        "dimensions": product.dimensions_mm.map(|[length, width, height]| json!({
            "length_mm": length,
            "width_mm": width,
            "height_mm": height,
        })),
        "reference": id,
    })
}

pub(super) fn customer(customer: &Customer) -> Value {
    let short: String = customer.person.chars().take(SHORT).collect();
    json!({
        "type": "individual",
        "name": format!("Customer {short}"),
        "addresses": [{
            "is_default_shipping": true,
            "is_default_billing": true,
            "address": address(customer),
        }],
        "reference": customer.person,
    })
}

pub(super) fn order(planned: &Planned, world: &World, is_draft: bool) -> Result<Value> {
    let Planned { order, ending, .. } = planned;
    let person = &order.customer.person;
    let customer = world.customers.get(person);
    Ok(json!({
        "customer": customer.with_context(|| format!("customer {person} was not created"))?,
        "currency": CURRENCY,
        "shipping_address": address(&order.customer),
        "lines": lines(order, *ending, world)?,
        "draft": is_draft,
        "estimated_delivery": order.promised.map(time),
        "reference": order.id,
    }))
}

pub(super) fn shipment(planned: &Planned) -> Value {
    json!({
        "carrier": "generic",
        "parcels": [{ "weight_g": planned.weight_g }],
        "estimated_delivery": planned.order.promised.map(time),
    })
}

pub(super) fn give_back(order: &Order) -> Value {
    let lines: Vec<_> = (1..=order.lines.len())
        .map(|line| json!({ "line": line, "quantity": 1 }))
        .collect();
    json!({ "lines": lines, "restock": true, "reason": "cancelled after delivery" })
}

/// The carrier's scans of a step, with the data's times.
pub(super) fn scans(step: Step, order: &Order) -> Value {
    let at_home = Some(order.customer.city.as_str());
    let at_seller = order
        .lines
        .first()
        .and_then(|line| line.seller_city.as_deref());
    let scans: &[_] = match step {
        Step::Book => &[("booked", None)],
        Step::Depart => &[("picked_up", at_seller), ("in_transit", at_seller)],
        Step::TurnBack => &[("returning", None)],
        Step::Deliver => &[("delivered", at_home)],
        _ => &[],
    };
    let scan = |(status, city): &(&str, Option<&str>)| {
        json!({
            "code": status.to_uppercase(),
            "status": status,
            "occurred_at": time(step.at(order)),
            "place": city.map(|city| json!({ "city": city, "country": "BR" })),
        })
    };
    json!({ "events": scans.iter().map(scan).collect::<Vec<_>>() })
}

/// An order that could not be supplied names the shelf where nothing ever is: its goods are not
/// there, although other orders for the same goods are supplied.
fn lines(order: &Order, ending: Ending, world: &World) -> Result<Vec<Value>> {
    let location = (ending == Ending::Rejected).then_some(&world.empty_shelf);
    order
        .lines
        .iter()
        .map(|line| {
            Ok(json!({
                "product": world.product(&line.product)?,
                "location": location,
                "quantity": 1,
                "unit_price": money(line.price),
                "freight": money(line.freight),
            }))
        })
        .collect()
}

/// The data has no streets.
fn address(customer: &Customer) -> Value {
    json!({
        "lines": [format!("CEP {}", customer.postcode)],
        "city": customer.city,
        "region": customer.state,
        "postal_code": customer.postcode,
        "country": "BR",
    })
}

fn money(amount: Decimal) -> Value {
    json!({ "amount": amount.to_string(), "currency": CURRENCY })
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
