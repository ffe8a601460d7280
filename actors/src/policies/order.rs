//! What follows from the events of orders.

use chrono::{DateTime, Utc};
use engine::{Outgoing, Recorded, Unreadable};
use serde::de::Error as _;

use super::{Reaction, read};
use crate::ids::{LocationId, OrderId, ProductId};
use crate::order::{Demand, Event, Goods, Order, Release, ShipmentRequested};
use crate::shipment::{self, Numbering, Shipment};
use crate::stock::{self, Action, Stock};
use crate::values::List;

/// An order asks stock items to keep its goods: all of them when it is placed, later those of which
/// it wants more.
pub(super) fn reserve(recorded: &Recorded) -> Reaction {
    let (demands, reserve_by) = match read::<Order>(recorded, &["placed", "lines_proposed"])? {
        Some(Event::Placed {
            demands,
            reserve_by,
            ..
        }) => (demands, reserve_by),
        Some(Event::LinesProposed(proposal)) => (proposal.demands, proposal.reserve_by),
        _ => return Ok(Vec::new()),
    };
    let order = recorded.entity.into();
    let asked = demands.iter().filter(|demand| demand.answer.is_none());
    Ok(asked
        .map(|demand| reservation(order, demand, reserve_by))
        .collect())
}

fn reservation(order: OrderId, demand: &Demand, reserve_by: DateTime<Utc>) -> Outgoing {
    let action = Action::Reserve {
        order,
        quantity: demand.quantity,
        backorder: demand.backorder,
        reserve_by,
    };
    // A stock item knows the reservations that it has, and for a while those that it had.
    to_stock(demand.product, demand.location, action).idempotent()
}

/// What an order needs no more is released.
pub(super) fn release(recorded: &Recorded) -> Reaction {
    let names = [
        "rejected",
        "cancelled",
        "cancel_fell_short",
        "lines_changed",
        "lines_kept",
    ];
    let releases = match read::<Order>(recorded, &names)? {
        Some(
            Event::Rejected { releases, .. }
            | Event::Cancelled { releases, .. }
            | Event::CancelFellShort { releases, .. }
            | Event::LinesChanged { releases, .. }
            | Event::LinesKept { releases, .. },
        ) => releases,
        _ => return Ok(Vec::new()),
    };
    let order = recorded.entity.into();
    let release = |release: Release| {
        let action = Action::Release {
            order,
            keep: release.keep,
            reserve_by: release.reserve_by,
        };
        to_stock(release.product, release.location, action)
    };
    Ok(releases.into_iter().map(release).collect())
}

/// A shipment that an order asks for is made.
pub(super) fn make_shipment(recorded: &Recorded) -> Reaction {
    let Some(Event::ShipmentRequested(event)) = read::<Order>(recorded, &["shipment_requested"])?
    else {
        return Ok(Vec::new());
    };
    let shipment = event.shipment;
    let create = blueprint(recorded.entity.into(), *event).map_err(|source| Unreadable {
        what: format!("the shipment that order {} asks for", recorded.entity),
        source,
    })?;
    let command = shipment::Command::Create(Box::new(create));
    Ok(vec![Outgoing::to::<Shipment>(shipment, command)])
}

/// Fails when the consignee was erased before the shipment was made: nobody knows where it goes,
/// and somebody must be told.
fn blueprint(
    order: OrderId,
    event: ShipmentRequested,
) -> Result<shipment::Create, serde_json::Error> {
    let parties = event
        .personal
        .ok_or_else(|| serde_json::Error::custom("the consignee was erased"))?;
    Ok(shipment::Create {
        order: Some(order),
        lines: List::new(event.lines).map_err(serde_json::Error::custom)?,
        parcels: List::new(event.parcels).map_err(serde_json::Error::custom)?,
        consignee: parties.consignee,
        sender: parties.sender,
        carrier: event.carrier,
        service: event.service,
        numbering: event
            .tracking_number
            .map_or(Numbering::Own, Numbering::Wished),
        estimated_delivery: event.estimated_delivery,
        reference: None,
        metadata: Default::default(),
    })
}

/// Goods that left in a shipment are issued: from what is kept for the order, or, of a stray, from
/// what is there.
pub(super) fn issue(recorded: &Recorded) -> Reaction {
    let order = recorded.entity.into();
    let send = |goods: Vec<Goods>, action: &dyn Fn(i64) -> Action| {
        let outgoing = goods
            .iter()
            .map(|goods| to_stock(goods.product, goods.location, action(goods.quantity)));
        outgoing.collect()
    };
    let names = ["shipment_left", "shipment_strayed"];
    Ok(match read::<Order>(recorded, &names)? {
        Some(Event::ShipmentLeft { shipment, goods }) => send(goods, &|quantity| Action::Issue {
            order,
            shipment,
            quantity,
        }),
        Some(Event::ShipmentStrayed { shipment, goods }) => {
            send(goods, &|quantity| Action::IssueStray {
                order,
                shipment,
                quantity,
            })
        }
        _ => Vec::new(),
    })
}

/// An order that is to be called off asks its shipments whether they can be.
pub(super) fn cancel_shipments(recorded: &Recorded) -> Reaction {
    let Some(Event::CancelRequested { shipments, .. }) =
        read::<Order>(recorded, &["cancel_requested"])?
    else {
        return Ok(Vec::new());
    };
    let order = recorded.entity.into();
    let cancel =
        |shipment| Outgoing::to::<Shipment>(shipment, shipment::Command::CancelForOrder { order });
    Ok(shipments.into_iter().map(cancel).collect())
}

/// Goods that came back and are fit to be sold go back into stock.
pub(super) fn take_back(recorded: &Recorded) -> Reaction {
    let Some(Event::GoodsReturned(event)) = read::<Order>(recorded, &["goods_returned"])? else {
        return Ok(Vec::new());
    };
    let order = recorded.entity.into();
    let restocks = event.restocks.iter().map(|restock| {
        let action = Action::Return {
            order,
            movement: restock.movement,
            quantity: restock.goods.quantity,
        };
        to_stock(restock.goods.product, restock.goods.location, action)
    });
    Ok(restocks.collect())
}

fn to_stock(product: ProductId, location: LocationId, action: Action) -> Outgoing {
    let command = stock::Command {
        product,
        location,
        action,
    };
    Outgoing::to::<Stock>(command.addressee(), command)
}
