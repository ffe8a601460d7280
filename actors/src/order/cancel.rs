//! How an order decides whether it is called off.

use chrono::{DateTime, Utc};

use super::command::Cancellation;
use super::decide::{Decision, illegal};
use super::event::Event;
use super::goods::portions;
use super::line::Line;
use super::reservation::{Demand, release_all};
use super::state::State;
use super::status::Status;

pub(super) fn cancel(state: &State, reason: Option<&Cancellation>, now: DateTime<Utc>) -> Decision {
    let undecided = || state.shipments.iter().filter(|it| !it.is_decided());
    if matches!(state.status, Status::Cancelling | Status::Cancelled) {
        return Ok(Vec::new());
    }
    if !state.status.allows(Status::Cancelled) {
        return Err(illegal(state, Status::Cancelled));
    }
    if undecided().next().is_some() {
        return Ok(vec![Event::CancelRequested {
            reason: reason.cloned(),
            shipments: undecided().map(|it| it.id).collect(),
        }]);
    }
    Ok(vec![call_off(state, reason, now)])
}

fn call_off(state: &State, reason: Option<&Cancellation>, at: DateTime<Utc>) -> Event {
    let proposed = state.proposal.iter().flat_map(|proposal| &proposal.demands);
    let is_new = |demand: &&Demand| {
        let mut known = state.demands.iter();
        known.all(|known| known.stock() != demand.stock())
    };
    let held = state.demands.iter().chain(proposed.filter(is_new));
    Event::Cancelled {
        reason: reason.cloned(),
        releases: release_all(state, held, |_| 0),
        at,
    }
}

/// What happened to a shipment, and what it means for an order that is being called off.
pub(super) fn concluded(state: &State, mut moved: Vec<Event>, now: DateTime<Utc>) -> Vec<Event> {
    let mut after = state.clone();
    for event in &moved {
        after.apply(event);
    }
    if after.status != Status::Cancelling || !after.shipments.iter().all(|it| it.is_decided()) {
        return moved;
    }
    moved.push(match after.shipments.iter().any(|it| it.has_left) {
        true => fall_short(&after),
        false => call_off(&after, after.cancel_reason.as_ref(), now),
    });
    moved
}

fn fall_short(state: &State) -> Event {
    let shipped = |demand: &Demand| {
        let lines = state.lines.iter().filter(|line| {
            (line.terms.product, line.terms.location) == (demand.product, demand.location)
        });
        lines.map(|line| i64::from(line.shipped)).sum()
    };
    let rest = state
        .demands
        .iter()
        .filter(|demand| shipped(demand) < demand.quantity);
    Event::CancelFellShort {
        lines: portions(&state.lines, Line::unshipped),
        releases: release_all(state, rest, shipped),
    }
}
