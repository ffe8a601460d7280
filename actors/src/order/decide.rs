//! How an order decides: which command is whose, and what the order says.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use engine::Context;

use super::cancel;
use super::command::{Command, Create, NewLine, Patch};
use super::event::{Created, Details, Event, Personal, Updated};
use super::fulfilment;
use super::line::{Terms, agree};
use super::rejection::Rejection;
use super::reservation::demands;
use super::reserve::{answered, propose, stop_waiting};
use super::state::{Order, State};
use super::status::Status;
use crate::shipment::is_plausible;
use crate::values::set;

/// How long an order waits for stock items to answer: long beside the milliseconds that they take,
/// short beside a customer's patience and the time for which they remember (`stock::Settled`).
const RESERVE_WITHIN: TimeDelta = TimeDelta::seconds(60);

pub(super) type Decision = Result<Vec<Event>, Rejection>;

pub(super) fn decide(order: &Order, command: &Command, context: &Context) -> Decision {
    let Some(state) = &order.0 else {
        return match command {
            Command::Create(command) => create(command, context),
            Command::Update(_)
            | Command::Place
            | Command::Cancel { .. }
            | Command::Pick
            | Command::Pack
            | Command::Ship(_)
            | Command::Return(_)
            | Command::StockReserved { .. }
            | Command::StockRefused { .. }
            | Command::ShipmentMoved { .. }
            | Command::StopWaiting => Err(Rejection::NotFound),
        };
    };
    match command {
        Command::Create(_) => Err(Rejection::AlreadyExists),
        Command::Update(patch) => update(state, patch, context),
        Command::Place => step(state, Status::Placed, || {
            let terms = state.lines.iter().map(|line| Arc::clone(&line.terms));
            place(&terms.collect::<Vec<_>>(), context)
        }),
        Command::Cancel { reason } => cancel::cancel(state, reason.as_ref(), context.now),
        Command::Pick if state.proposal.is_some() => Err(Rejection::ReservationPending),
        // The last moment at which an address can still be added.
        Command::Pick if state.status == Status::Confirmed && !state.has_destination() => {
            Err(Rejection::ShippingAddressMissing)
        }
        Command::Pick => step(state, Status::Picking, || Event::PickingStarted {}),
        Command::Pack => step(state, Status::Packed, || Event::Packed {}),
        Command::Ship(command) => fulfilment::ship(state, command, context.now),
        Command::Return(command) => fulfilment::take_back(state, command, context),
        Command::StockReserved { stock, reserve_by } => {
            let answer = Event::StockReserved { stock: *stock };
            Ok(answered(state, (*stock, *reserve_by), answer, context.now))
        }
        Command::StockRefused {
            stock,
            reserve_by,
            reason,
            available,
        } => {
            let answer = Event::StockRefused {
                stock: *stock,
                reason: *reason,
                available: *available,
            };
            Ok(answered(state, (*stock, *reserve_by), answer, context.now))
        }
        Command::ShipmentMoved {
            shipment,
            milestone,
        } => {
            let moved = fulfilment::shipment_moved(state, *shipment, *milestone);
            Ok(cancel::concluded(state, moved, context.now))
        }
        Command::StopWaiting => Ok(stop_waiting(state, context.now)),
    }
}

/// A step that the table allows; to be there already is no mistake.
fn step(state: &State, to: Status, event: impl FnOnce() -> Event) -> Decision {
    if state.status == to {
        return Ok(Vec::new());
    }
    match state.status.allows(to) {
        true => Ok(vec![event()]),
        false => Err(illegal(state, to)),
    }
}

pub(super) fn illegal(state: &State, to: Status) -> Rejection {
    let from = state.status;
    Rejection::IllegalTransition { from, to }
}

fn create(command: &Create, context: &Context) -> Decision {
    if !is_plausible(command.estimated_delivery, context.now) {
        return Err(Rejection::EstimateOutOfRange);
    }
    let (lines, totals) = agree(command.currency, &command.lines)?;
    let personal = Personal {
        shipping_address: command.shipping_address.clone(),
        billing_address: command.billing_address.clone(),
        notes: command.notes.clone(),
    };
    let placed = (!command.is_draft).then(|| place(&lines, context));
    let created = Event::Created(Box::new(Created {
        customer: command.customer,
        currency: command.currency,
        lines,
        totals,
        details: Details {
            reference: command.reference.clone(),
            metadata: command.metadata.clone(),
            estimated_delivery: command.estimated_delivery.map(|time| time.trunc_subsecs(3)),
        },
        personal: personal.unless_empty(),
    }));
    Ok([created].into_iter().chain(placed).collect())
}

fn place(lines: &[Arc<Terms>], context: &Context) -> Event {
    Event::Placed {
        demands: demands(lines),
        reserve_by: context.clock + RESERVE_WITHIN,
        at: context.now,
    }
}

fn update(state: &State, patch: &Patch, context: &Context) -> Decision {
    if !state.status.is_open_to_change() {
        let status = state.status;
        return Err(Rejection::TooLateToChange { status });
    }
    if !is_plausible(patch.estimated_delivery.flatten(), context.now) {
        return Err(Rejection::EstimateOutOfRange);
    }
    let said = said(state, patch);
    let lines = patch.lines.as_ref();
    let lines = lines
        .map(|lines| change_lines(state, lines, context.clock))
        .transpose()?;
    Ok(said.into_iter().chain(lines.flatten()).collect())
}

fn said(state: &State, patch: &Patch) -> Option<Event> {
    let mut details = state.details.clone();
    set(&mut details.reference, &patch.reference);
    set(&mut details.metadata, &patch.metadata);
    set(&mut details.estimated_delivery, &patch.estimated_delivery);
    details.estimated_delivery = details.estimated_delivery.map(|time| time.trunc_subsecs(3));
    let before = state.personal.as_deref().cloned().unwrap_or_default();
    let mut personal = before.clone();
    set(&mut personal.shipping_address, &patch.shipping_address);
    set(&mut personal.billing_address, &patch.billing_address);
    set(&mut personal.notes, &patch.notes);
    if details == state.details && personal == before {
        return None;
    }
    let personal = personal.unless_empty();
    Some(Event::Updated(Box::new(Updated { details, personal })))
}

fn change_lines(
    state: &State,
    wanted: &[NewLine],
    clock: DateTime<Utc>,
) -> Result<Option<Event>, Rejection> {
    let (lines, totals) = agree(state.currency, wanted)?;
    if lines.iter().eq(state.lines.iter().map(|line| &line.terms)) {
        return Ok(None);
    }
    if state.awaited().is_some() {
        return Err(Rejection::ReservationPending);
    }
    Ok(Some(match state.status {
        Status::Draft => Event::LinesChanged {
            lines,
            totals,
            releases: Vec::new(),
        },
        _ => propose(state, lines, totals, clock + RESERVE_WITHIN),
    }))
}
