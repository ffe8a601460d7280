//! What follows from the events of shipments.

use engine::{Outgoing, Recorded};

use super::{Reaction, read};
use crate::order::{self, Order};
use crate::shipment::{Command, Event, Milestone, Shipment};

/// A shipment that is to have the carrier's number is given it. Should another shipment have the
/// number, the shipment keeps its own and says so in its history.
pub(super) fn number(recorded: &Recorded) -> Reaction {
    let wish = match read::<Shipment>(recorded, &["created"])? {
        Some(Event::Created(created)) => created.wished_number,
        _ => None,
    };
    let number = |number| Outgoing::to::<Shipment>(recorded.entity.into(), Command::Number(number));
    Ok(wish.map(number).into_iter().collect())
}

/// An order hears of what its shipments reach.
pub(super) fn tell_order(recorded: &Recorded) -> Reaction {
    let names = ["scan_recorded", "cancelled", "cancel_forestalled"];
    let news = match read::<Shipment>(recorded, &names)? {
        Some(Event::ScanRecorded(scan)) => scan.news.zip(scan.scanned.milestone()),
        Some(Event::Cancelled { order, .. } | Event::CancelForestalled { order }) => {
            order.zip(Some(Milestone::Cancelled))
        }
        _ => None,
    };
    let tell = |(order, milestone)| {
        let command = order::Command::ShipmentMoved {
            shipment: recorded.entity.into(),
            milestone,
        };
        Outgoing::to::<Order>(order, command)
    };
    Ok(news.map(tell).into_iter().collect())
}
