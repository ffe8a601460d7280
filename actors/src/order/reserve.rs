//! How an order decides whether its goods can be had.

use chrono::{DateTime, Utc};

use super::event::{Event, RejectReason};
use super::reservation::{Demand, release_all};
use super::state::State;
use super::status::Status;
use crate::ids::StockId;

pub(super) fn answered(
    state: &State,
    stock: StockId,
    answer: Event,
    now: DateTime<Utc>,
) -> Vec<Event> {
    // An order that has ended has released whatever this answer is about.
    let is_awaited = state.status == Status::Placed
        && state
            .demands
            .iter()
            .any(|demand| demand.stock() == stock && demand.answer.is_none());
    if !is_awaited {
        return Vec::new();
    }
    let mut after = state.clone();
    after.apply(&answer);
    let is_last = after.demands.iter().all(|demand| demand.answer.is_some());
    let outcome = is_last.then(|| match after.demands.iter().any(Demand::is_refused) {
        true => reject(&after, RejectReason::StockRefused, now),
        false => Event::Confirmed { at: now },
    });
    [answer].into_iter().chain(outcome).collect()
}

pub(super) fn stop_waiting(state: &State, now: DateTime<Utc>) -> Vec<Event> {
    // The time is not compared: a timer fires once, and a clock that jumped must not leave the
    // order waiting for ever.
    if state.status != Status::Placed {
        return Vec::new();
    }
    let reason = match state.demands.iter().any(Demand::is_refused) {
        true => RejectReason::StockRefused,
        false => RejectReason::NoAnswer,
    };
    vec![reject(state, reason, now)]
}

/// A stock item that refused keeps nothing and never will.
fn reject(state: &State, reason: RejectReason, at: DateTime<Utc>) -> Event {
    let releases = state.demands.iter().filter(|demand| !demand.is_refused());
    Event::Rejected {
        reason,
        releases: release_all(state, releases, |_| 0),
        at,
    }
}
