//! Orders: given / when / then.

mod change;
mod create;
mod properties;
mod reserve;
mod ship;
mod take_back;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::ids::{LocationId, ProductId, ShipmentId, StockId};
use crate::shipment::Milestone;
use crate::stock::RefusalReason;
use crate::testing::{Given, given, start};
use crate::values::{Address, List, Money, Quantity};

fn product(number: u128) -> ProductId {
    Uuid::from_u128(0x10 + number).into()
}

fn location() -> LocationId {
    Uuid::from_u128(0x20).into()
}

fn stock(number: u128) -> StockId {
    StockId::of(product(number), location())
}

fn shipment(number: u128) -> ShipmentId {
    Uuid::from_u128(0x40 + number).into()
}

fn brl(amount: &str) -> Money {
    Money::parse(amount, "BRL".parse().unwrap()).unwrap()
}

fn address() -> Address {
    serde_json::from_value(json!({
        "name": "Ana Lima", "lines": ["Rua Um 1"], "city": "Recife", "country": "BR",
    }))
    .unwrap()
}

/// A line of a product, at 2.50 each.
fn new_line(number: u128, quantity: u32) -> NewLine {
    NewLine {
        product: product(number),
        sku: format!("TEA-{number}").parse().unwrap(),
        name: "Green tea".parse().unwrap(),
        location: location(),
        quantity: Quantity::new(quantity).unwrap(),
        unit_price: brl("2.50"),
        discount: None,
        tax: None,
        freight: None,
        weight_g: None,
        backorderable: false,
    }
}

fn blueprint(lines: impl IntoIterator<Item = NewLine>) -> Create {
    Create {
        customer: Uuid::from_u128(0x30).into(),
        currency: "BRL".parse().unwrap(),
        lines: List::new(lines.into_iter().collect()).unwrap(),
        is_draft: false,
        shipping_address: Some(address()),
        billing_address: None,
        notes: None,
        reference: Some("order-4711".parse().unwrap()),
        metadata: Default::default(),
        estimated_delivery: None,
    }
}

fn draft(lines: impl IntoIterator<Item = NewLine>) -> Given<Order> {
    let create = Create {
        is_draft: true,
        ..blueprint(lines)
    };
    given([]).when(Command::Create(Box::new(create))).happened()
}

/// Two lines of one product and one of another: two stock items.
fn lines() -> [NewLine; 3] {
    [new_line(1, 2), new_line(2, 4), new_line(1, 3)]
}

fn placed() -> Given<Order> {
    draft(lines()).when(Command::Place).happened()
}

fn confirmed() -> Given<Order> {
    placed()
        .when(reserved(1))
        .happened()
        .when(reserved(2))
        .happened()
}

fn packed() -> Given<Order> {
    confirmed()
        .when(Command::Pick)
        .happened()
        .when(Command::Pack)
        .happened()
}

/// Packed, with 2 of the first line in one shipment and all the rest in another.
fn booked() -> Given<Order> {
    packed()
        .when(ship(1, Some([(1, 2)].as_slice())))
        .happened()
        .when(ship(2, None))
        .happened()
}

fn reserved(number: u128) -> Command {
    Command::StockReserved {
        stock: stock(number),
        reserve_by: reserve_by(),
    }
}

fn refused(number: u128) -> Command {
    Command::StockRefused {
        stock: stock(number),
        reserve_by: reserve_by(),
        reason: RefusalReason::InsufficientStock,
        available: 1,
    }
}

fn cancel() -> Command {
    Command::Cancel { reason: None }
}

fn moved(number: u128, milestone: Milestone) -> Command {
    Command::ShipmentMoved {
        shipment: shipment(number),
        milestone,
    }
}

fn portions(wanted: &[(u32, u32)]) -> List<Portion, 1, LINES_AT_MOST> {
    let portions = wanted.iter().map(|(line, quantity)| Portion {
        line: *line,
        quantity: Quantity::new(*quantity).unwrap(),
    });
    List::new(portions.collect()).unwrap()
}

fn ship_command(number: u128, wanted: Option<&[(u32, u32)]>) -> Ship {
    Ship {
        shipment: shipment(number),
        lines: wanted.map(portions),
        parcels: serde_json::from_value(json!([{"weight_g": 700}])).unwrap(),
        sender: None,
        carrier: Default::default(),
        service: None,
        tracking_number: None,
        estimated_delivery: None,
    }
}

fn ship(number: u128, wanted: Option<&[(u32, u32)]>) -> Command {
    Command::Ship(Box::new(ship_command(number, wanted)))
}

fn reserve_by() -> DateTime<Utc> {
    start() + TimeDelta::seconds(60)
}

fn release(number: u128, keep: i64) -> Release {
    Release {
        product: product(number),
        location: location(),
        keep,
        reserve_by: reserve_by(),
    }
}

fn goods(number: u128, quantity: i64) -> Goods {
    Goods {
        product: product(number),
        location: location(),
        quantity,
    }
}

fn state(order: &Given<Order>) -> &State {
    order.state().0.as_ref().unwrap()
}

/// Quantity, reserved, shipped, delivered, returned, cancelled of a line.
fn counters(order: &Given<Order>, number: usize) -> [u32; 6] {
    let line = &state(order).lines[number - 1];
    [
        line.terms.quantity.get(),
        state(order).reserved(line),
        line.shipped,
        line.delivered,
        line.returned,
        line.cancelled,
    ]
}
