//! How an order decides whether its goods can be had.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::event::{Event, RejectReason};
use super::line::{Terms, Totals};
use super::reservation::{Answer, Demand, Proposal, demands, release_all};
use super::state::State;
use crate::ids::StockId;

pub(super) fn answered(
    state: &State,
    (stock, reserve_by): (StockId, DateTime<Utc>),
    answer: Event,
    now: DateTime<Utc>,
) -> Vec<Event> {
    // An order that has stopped waiting has released whatever this answer is about.
    let is_awaited = state.awaited().is_some_and(|(demands, asked)| {
        let open = |demand: &Demand| demand.stock() == stock && demand.answer.is_none();
        asked == reserve_by && demands.iter().any(open)
    });
    if !is_awaited {
        return Vec::new();
    }
    let mut after = state.clone();
    after.apply(&answer);
    let outcome = outcome(&after, now);
    [answer].into_iter().chain(outcome).collect()
}

/// What follows once the last answer is there.
fn outcome(state: &State, now: DateTime<Utc>) -> Option<Event> {
    let (demands, _) = state.awaited()?;
    if demands.iter().any(|demand| demand.answer.is_none()) {
        return None;
    }
    let is_refused = demands.iter().any(Demand::is_refused);
    Some(match (&state.proposal, is_refused) {
        (None, false) => Event::Confirmed { at: now },
        (None, true) => reject(state, RejectReason::StockRefused, now),
        (Some(proposal), false) => accept(state, proposal),
        (Some(proposal), true) => decline(state, proposal),
    })
}

/// The time is not compared: a timer fires once, and a clock that jumped must not leave the order
/// waiting for ever.
pub(super) fn stop_waiting(state: &State, now: DateTime<Utc>) -> Vec<Event> {
    let Some((demands, _)) = state.awaited() else {
        return Vec::new();
    };
    let reason = match demands.iter().any(Demand::is_refused) {
        true => RejectReason::StockRefused,
        false => RejectReason::NoAnswer,
    };
    vec![match &state.proposal {
        Some(proposal) => decline(state, proposal),
        None => reject(state, reason, now),
    }]
}

/// A stock item that refused keeps nothing, since it was asked for the first time.
fn reject(state: &State, reason: RejectReason, at: DateTime<Utc>) -> Event {
    let releases = state.demands.iter().filter(|demand| !demand.is_refused());
    Event::Rejected {
        reason,
        releases: release_all(state, releases, |_| 0),
        at,
    }
}

/// New lines for an order whose goods are reserved: at once if they need no more of anything.
pub(super) fn propose(
    state: &State,
    lines: Vec<Arc<Terms>>,
    totals: Totals,
    reserve_by: DateTime<Utc>,
) -> Event {
    let wanted = demands(&lines).into_iter().map(|demand| {
        let is_kept = demand.quantity <= had(&state.demands, demand.stock());
        let answer = is_kept.then_some(Answer::Reserved);
        Demand { answer, ..demand }
    });
    // Later than any request before, also when the clock has gone back.
    let later = state.reserve_by.unwrap_or_default() + TimeDelta::milliseconds(1);
    let proposal = Box::new(Proposal {
        lines,
        totals,
        demands: wanted.collect(),
        reserve_by: reserve_by.max(later),
    });
    match proposal.demands.iter().any(|it| it.answer.is_none()) {
        true => Event::LinesProposed(proposal),
        false => accept(state, &proposal),
    }
}

/// What the new lines leave over of the old ones' goods is released.
fn accept(state: &State, proposal: &Proposal) -> Event {
    let keep = |demand: &Demand| had(&proposal.demands, demand.stock());
    let reduced = state.demands.iter();
    let reduced = reduced.filter(|demand| keep(demand) < demand.quantity);
    Event::LinesChanged {
        lines: proposal.lines.clone(),
        totals: proposal.totals,
        releases: release_all(state, reduced, keep),
    }
}

/// Whatever more was, or may yet be, kept for the new lines is released. That goes for stock items
/// that refused, too: a release from before may not have reached them yet, and has become void by
/// the request that came after it.
fn decline(state: &State, proposal: &Proposal) -> Event {
    let keep = |demand: &Demand| had(&state.demands, demand.stock());
    let raised = proposal.demands.iter();
    let raised = raised.filter(|demand| demand.quantity > keep(demand));
    Event::LinesKept {
        releases: release_all(state, raised, keep),
    }
}

fn had(demands: &[Demand], stock: StockId) -> i64 {
    let demand = demands.iter().find(|demand| demand.stock() == stock);
    demand.map_or(0, |demand| demand.quantity)
}
