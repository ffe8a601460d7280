//! How an order decides about goods on their way: shipments, what they tell, and returns.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, Utc};
use engine::Context;
use uuid::Uuid;

use super::command::{Return, Ship};
use super::consignment::{Consignment, SHIPMENTS_AT_MOST};
use super::decide::{Decision, illegal};
use super::event::{Event, GoodsReturned, ShipmentRequested};
use super::goods::{Goods, Portion, Restock, goods, line, portions};
use super::line::Line;
use super::rejection::Rejection;
use super::state::State;
use super::status::Status;
use crate::ids::{MovementId, ShipmentId, StockId};
use crate::shipment::{self, Milestone, Parcel, Parties, is_plausible};
use crate::values::Weight;

pub(super) fn ship(state: &State, command: &Ship, now: DateTime<Utc>) -> Decision {
    if state.consignment(command.shipment).is_some() {
        return Ok(Vec::new());
    }
    if !state.status.is_shippable() {
        let from = state.status;
        return Err(Rejection::NotShippable { from });
    }
    if state.shipments.len() >= SHIPMENTS_AT_MOST {
        return Err(Rejection::TooManyShipments);
    }
    let estimate = command
        .estimated_delivery
        .or(state.details.estimated_delivery);
    if !is_plausible(estimate, now) {
        return Err(Rejection::EstimateOutOfRange);
    }
    let portions = to_ship(state, command)?;
    Ok(vec![Event::ShipmentRequested(Box::new(
        ShipmentRequested {
            shipment: command.shipment,
            lines: contents(state, &portions),
            parcels: parcels(state, command, &portions)?,
            carrier: command.carrier,
            service: command.service.clone(),
            tracking_number: command.tracking_number.clone(),
            estimated_delivery: estimate.map(|time| time.trunc_subsecs(3)),
            personal: Some(parties(state, command)?),
        },
    ))])
}

fn to_ship(state: &State, command: &Ship) -> Result<Vec<Portion>, Rejection> {
    let open = portions(&state.lines, Line::open);
    if open.is_empty() {
        return Err(Rejection::NothingToShip);
    }
    let Some(wanted) = &command.lines else {
        return Ok(open);
    };
    check(&state.lines, wanted, Line::open)?;
    Ok(wanted.to_vec())
}

/// Every portion is of a line, of each line once, and no more than there is of it.
fn check(lines: &[Line], wanted: &[Portion], most: fn(&Line) -> u32) -> Result<(), Rejection> {
    let mut named = BTreeSet::new();
    for (entry, portion) in wanted.iter().enumerate() {
        let line = line(lines, portion.line).ok_or(Rejection::UnknownLine { entry })?;
        if !named.insert(portion.line) {
            return Err(Rejection::RepeatedLine { entry });
        }
        let available = most(line);
        if portion.quantity.get() > available {
            return Err(Rejection::QuantityTooLarge { entry, available });
        }
    }
    Ok(())
}

fn contents(state: &State, portions: &[Portion]) -> Vec<shipment::Line> {
    let contents = portions.iter().filter_map(|portion| {
        let terms = &line(&state.lines, portion.line)?.terms;
        Some(shipment::Line {
            line: portion.line,
            product: Some(terms.product),
            sku: terms.sku.clone(),
            quantity: portion.quantity,
            description: Some(terms.name.clone()),
        })
    });
    contents.collect()
}

fn parcels(state: &State, command: &Ship, portions: &[Portion]) -> Result<Vec<Parcel>, Rejection> {
    if let Some(parcels) = &command.parcels {
        return Ok(parcels.to_vec());
    }
    let weights = portions.iter().map(|portion| {
        let weight = line(&state.lines, portion.line)?.terms.weight_g?;
        Some(u64::from(weight.get()) * u64::from(portion.quantity.get()))
    });
    let weight_g = weights
        .sum::<Option<u64>>()
        .and_then(|weight| Weight::new(u32::try_from(weight).ok()?).ok())
        .ok_or(Rejection::ParcelsMissing)?;
    Ok(vec![Parcel {
        weight_g,
        dimensions: None,
        reference: None,
    }])
}

fn parties(state: &State, command: &Ship) -> Result<Parties, Rejection> {
    let personal = state.personal.as_ref();
    let consignee = personal.and_then(|personal| personal.shipping_address.clone());
    Ok(Parties {
        consignee: consignee.ok_or(Rejection::ShippingAddressMissing)?,
        sender: command.sender.clone(),
    })
}

/// What a milestone of a shipment means. Later ones imply that it has left, so whichever comes
/// first says so, and what is known already says nothing.
pub(super) fn shipment_moved(
    state: &State,
    shipment: ShipmentId,
    milestone: Milestone,
) -> Vec<Event> {
    let Some(consignment) = state.consignment(shipment) else {
        return Vec::new();
    };
    let arrival = match milestone {
        Milestone::Cancelled if consignment.is_decided() => return Vec::new(),
        Milestone::Cancelled => return vec![Event::ShipmentCancelled { shipment }],
        Milestone::Left => None,
        Milestone::Delivered if consignment.is_delivered => None,
        Milestone::Delivered => Some(Event::ShipmentDelivered { shipment }),
        Milestone::Returned if consignment.is_returned => None,
        Milestone::Returned => Some(Event::ShipmentReturned { shipment }),
        Milestone::Lost if consignment.is_lost => None,
        Milestone::Lost => Some(Event::ShipmentLost { shipment }),
    };
    match departure(state, consignment) {
        Departure::Known => arrival.into_iter().collect(),
        Departure::Now(left) => [left].into_iter().chain(arrival).collect(),
        // The order does not follow a stray: it counts none of its goods.
        Departure::Stray(strayed) => strayed.into_iter().collect(),
    }
}

enum Departure {
    Known,
    Now(Event),
    Stray(Option<Event>),
}

fn departure(state: &State, consignment: &Consignment) -> Departure {
    let (shipment, goods) = (consignment.id, || goods_in(state, consignment));
    if consignment.has_left {
        Departure::Known
    } else if consignment.is_stray {
        Departure::Stray(None)
    } else if consignment.is_cancelled
        && check(&state.lines, &consignment.lines, Line::open).is_err()
    {
        let goods = goods();
        Departure::Stray(Some(Event::ShipmentStrayed { shipment, goods }))
    } else {
        let goods = goods();
        Departure::Now(Event::ShipmentLeft { shipment, goods })
    }
}

fn goods_in(state: &State, consignment: &Consignment) -> Vec<Goods> {
    goods(&state.lines, &consignment.lines)
}

pub(super) fn take_back(state: &State, command: &Return, context: &Context) -> Decision {
    if !state.lines.iter().any(|line| line.shipped > 0) || state.status == Status::Cancelling {
        return Err(illegal(state, Status::Returned));
    }
    check(&state.lines, &command.lines, Line::returnable)?;
    let goods = match command.restock {
        true => goods(&state.lines, &command.lines),
        false => Vec::new(),
    };
    let restocks = goods.into_iter().map(|goods| Restock {
        goods,
        movement: movement(context, StockId::of(goods.product, goods.location)),
    });
    Ok(vec![Event::GoodsReturned(Box::new(GoodsReturned {
        lines: command.lines.to_vec(),
        restocks: restocks.collect(),
        reason: command.reason.clone(),
    }))])
}

/// The movement of this return at a stock item: derived, so that deciding again gives it again.
fn movement(context: &Context, stock: StockId) -> MovementId {
    let mut name = context.version.to_be_bytes().to_vec();
    name.extend_from_slice(Uuid::from(stock).as_bytes());
    Uuid::new_v5(&context.entity, &name).into()
}
