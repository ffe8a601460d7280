//! What a command does to a shipment.

use chrono::{DateTime, Days, SubsecRound, TimeDelta, Utc};
use engine::{Context, Entity};

use super::command::{CarrierEvent, Command, Create, Numbering};
use super::event::{Created, Event, Parties, ScanDetails, ScanRecorded};
use super::rejection::Rejection;
use super::scan::{SCANS_AT_MOST, Scan};
use super::state::Shipment;
use super::status::{Milestone, Status};
use super::tracking_number::TrackingNumber;
use crate::ids::OrderId;
use crate::values::Text;

/// 2000-01-01T00:00:00Z: nothing that is tracked here is older.
const EARLIEST_SECONDS: i64 = 946_684_800;

type Decision = Result<Vec<Event>, Rejection>;

pub(super) fn decide(shipment: &Shipment, command: &Command, context: &Context) -> Decision {
    match (shipment.status, command) {
        (None, Command::Create(command)) => create(shipment, command, context),
        (None, Command::CancelForOrder { order }) => Ok(forestall(shipment, *order)),
        (
            None,
            Command::Number(_)
            | Command::ForgoNumber(_)
            | Command::Record(_)
            | Command::Cancel { .. },
        ) => Err(Rejection::NotFound),

        (Some(_), Command::Create(command)) => recreate(shipment, command),
        (Some(_), Command::Number(number)) => Ok(renumber(shipment, number, context)),
        (Some(_), Command::ForgoNumber(number)) => Ok(forgo_number(shipment, number)),
        (Some(_), Command::Record(events)) => record(shipment, events, context),

        (Some(Status::Cancelled), Command::Cancel { .. } | Command::CancelForOrder { .. }) => {
            Ok(Vec::new())
        }
        (
            Some(status @ (Status::Created | Status::Booked | Status::Exception)),
            Command::Cancel { reason },
        ) => match shipment.has_left() {
            true => Err(Rejection::TooLateToCancel { status }),
            false => Ok(call_off(shipment, reason.clone())),
        },
        (
            Some(Status::Created | Status::Booked | Status::Exception),
            Command::CancelForOrder { .. },
        ) => match shipment.has_left() {
            true => Ok(miss(shipment)),
            false => Ok(call_off(shipment, None)),
        },
        (
            Some(
                status @ (Status::PickedUp
                | Status::InTransit
                | Status::OutForDelivery
                | Status::DeliveryAttempted
                | Status::AvailableForPickup
                | Status::Returning
                | Status::Lost
                | Status::Delivered
                | Status::Returned),
            ),
            Command::Cancel { .. },
        ) => Err(Rejection::TooLateToCancel { status }),
        (
            Some(
                Status::PickedUp
                | Status::InTransit
                | Status::OutForDelivery
                | Status::DeliveryAttempted
                | Status::AvailableForPickup
                | Status::Returning
                | Status::Lost
                | Status::Delivered
                | Status::Returned,
            ),
            Command::CancelForOrder { .. },
        ) => Ok(miss(shipment)),
    }
}

fn create(shipment: &Shipment, command: &Create, context: &Context) -> Decision {
    let own = TrackingNumber::of(context.entity);
    let (tracking_number, wished_number) = match &command.numbering {
        Numbering::Own => (own, None),
        Numbering::Given(number) if number.is_own() => return Err(Rejection::NumberReserved),
        Numbering::Given(number) => (number.clone(), None),
        // A wish is no reason to refuse: one that cannot come true is dropped.
        Numbering::Wished(number) => (own, Some(number.clone()).filter(|number| !number.is_own())),
    };
    if !is_plausible(command.estimated_delivery, context.now) {
        return Err(Rejection::EstimateOutOfRange { scan: None });
    }
    let created = Event::Created(Box::new(Created {
        order: command.order,
        lines: command.lines.to_vec(),
        parcels: command.parcels.to_vec(),
        destination: command.consignee.country,
        carrier: command.carrier,
        service: command.service.clone(),
        tracking_number,
        wished_number,
        estimated_delivery: command.estimated_delivery.map(|time| time.trunc_subsecs(3)),
        reference: command.reference.clone(),
        metadata: command.metadata.clone(),
        personal: Some(Parties {
            consignee: command.consignee.clone(),
            sender: command.sender.clone(),
        }),
    }));
    let cancelled = shipment.is_forestalled.then_some(Event::Cancelled {
        order: command.order,
        reason: None,
    });
    Ok([created].into_iter().chain(cancelled).collect())
}

/// A saga's command may come again after its request key was forgotten.
fn recreate(shipment: &Shipment, command: &Create) -> Decision {
    match command.order.is_some() && command.order == shipment.order {
        true => Ok(Vec::new()),
        false => Err(Rejection::AlreadyExists),
    }
}

fn renumber(shipment: &Shipment, number: &TrackingNumber, context: &Context) -> Vec<Event> {
    // Two numbers are enough: our own, by which it went out first, and the carrier's.
    let has_own = shipment.tracking_number() == Some(&TrackingNumber::of(context.entity));
    let is_forgone = shipment.forgone_number.as_ref() == Some(number);
    if number.is_own() || !has_own || is_forgone {
        return forgo_number(shipment, number);
    }
    vec![Event::Numbered {
        tracking_number: number.clone(),
    }]
}

/// A number once forgone stays so, even if it is free by now: whoever reads that it was refused may
/// have given it to another.
fn forgo_number(shipment: &Shipment, number: &TrackingNumber) -> Vec<Event> {
    let is_forgone = shipment.forgone_number.as_ref() == Some(number);
    if is_forgone || shipment.tracking_numbers.contains(number) {
        return Vec::new();
    }
    vec![Event::NumberRefused {
        tracking_number: number.clone(),
    }]
}

fn record(shipment: &Shipment, events: &[CarrierEvent], context: &Context) -> Decision {
    for (index, event) in events.iter().enumerate() {
        check(event, index, context)?;
    }
    let mut shipment = shipment.clone();
    let mut decided = Vec::new();
    for event in events {
        let Some(event) = file(&shipment, event, context) else {
            continue;
        };
        if shipment.scans.len() == SCANS_AT_MOST {
            return Err(Rejection::TooManyScans);
        }
        shipment = shipment.evolve(&event);
        decided.push(event);
    }
    Ok(decided)
}

fn check(event: &CarrierEvent, scan: usize, context: &Context) -> Result<(), Rejection> {
    if event.status == Status::Created {
        return Err(Rejection::NotAScan { scan });
    }
    if event.occurred_at.timestamp() < EARLIEST_SECONDS {
        return Err(Rejection::TooLongAgo { scan });
    }
    // Carriers' clocks and time zones are wrong at times, but not by more than a day.
    if event.occurred_at > context.now + TimeDelta::hours(24) {
        return Err(Rejection::InTheFuture { scan });
    }
    match is_plausible(event.estimated_delivery, context.now) {
        true => Ok(()),
        false => Err(Rejection::EstimateOutOfRange { scan: Some(scan) }),
    }
}

/// Whether a shipment may be expected then.
pub(crate) fn is_plausible(estimate: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let latest = now.checked_add_days(Days::new(3_653));
    estimate.is_none_or(|time| {
        time.timestamp() >= EARLIEST_SECONDS && latest.is_none_or(|latest| time <= latest)
    })
}

/// The event by which a scan is filed; `None` for one that is filed already.
fn file(shipment: &Shipment, event: &CarrierEvent, context: &Context) -> Option<Event> {
    let scan = Scan {
        code: event.code.clone(),
        status: event.status,
        place: event.place.clone(),
        occurred_at: event.occurred_at.trunc_subsecs(3),
        recorded_at: context.now,
        reason: event.reason.clone(),
        estimated_delivery: event.estimated_delivery.map(|time| time.trunc_subsecs(3)),
        description: event.description.clone(),
        coordinates: event.coordinates,
    };
    shipment.find(&scan).err()?;
    let status = match shipment.is_called_off {
        true => Status::Cancelled,
        false => Status::after(shipment.scans.iter().map(AsRef::as_ref).chain([&scan])),
    };
    let news = shipment.order.filter(|_| is_news(shipment, scan.status));
    let details = ScanDetails {
        description: scan.description,
        coordinates: scan.coordinates,
    };
    Some(Event::ScanRecorded(Box::new(ScanRecorded {
        code: scan.code,
        scanned: scan.status,
        place: scan.place,
        occurred_at: scan.occurred_at,
        recorded_at: scan.recorded_at,
        reason: scan.reason,
        estimated_delivery: scan.estimated_delivery,
        status: Some(status).filter(|status| shipment.status != Some(*status)),
        news,
        personal: Some(details)
            .filter(|details| details.description.is_some() || details.coordinates.is_some()),
    })))
}

/// Whether no scan before has told an order what one with this status tells it. Scans that do are
/// few among all, and each costs the order a command.
fn is_news(shipment: &Shipment, status: Status) -> bool {
    match status.milestone() {
        None => false,
        Some(Milestone::Left) => !shipment.has_left(),
        milestone => shipment
            .scans
            .iter()
            .all(|scan| scan.status.milestone() != milestone),
    }
}

fn call_off(shipment: &Shipment, reason: Option<Text<500>>) -> Vec<Event> {
    let order = shipment.order;
    vec![Event::Cancelled { order, reason }]
}

/// The order is told by this event and does not wait for the shipment to be made, since that may
/// never happen: a consignee who was erased has no address.
fn forestall(shipment: &Shipment, order: OrderId) -> Vec<Event> {
    match shipment.is_forestalled {
        true => Vec::new(),
        false => vec![Event::CancelForestalled { order: Some(order) }],
    }
}

fn miss(shipment: &Shipment) -> Vec<Event> {
    match shipment.is_cancel_missed {
        true => Vec::new(),
        false => vec![Event::CancelMissed {}],
    }
}
