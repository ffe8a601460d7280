//! What is known of an order, and how each event changes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Index, Timer};
use serde::{Deserialize, Serialize};

use super::command::{Cancellation, Command};
use super::consignment::Consignment;
use super::event::{Created, Details, Event, Personal, RejectReason, ShipmentRequested};
use super::goods::{Portion, line_mut};
use super::line::{Line, Terms, Totals};
use super::progress::progress;
use super::rejection::Rejection;
use super::reservation::{Answer, Demand, Proposal, demands};
use super::status::Status;
use crate::claims;
use crate::ids::{CustomerId, OrderId, ShipmentId, StockId};
use crate::values::{Currency, Reference};

/// An order: nothing before it is created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Order(pub Option<State>);

/// An order as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// Whose order it is.
    pub customer: CustomerId,
    /// The currency of every amount.
    pub currency: Currency,
    /// What is wanted; a line's number is its place, from 1.
    pub lines: Vec<Line>,
    /// What it costs.
    pub totals: Totals,
    /// What else it says.
    pub details: Details,
    /// What it says of people; absent once erased.
    pub personal: Option<Arc<Personal>>,
    /// What it asked of stock items, and what they said.
    pub demands: Vec<Demand>,
    /// The lines that are to replace its own, while stock items are asked for more goods.
    pub proposal: Option<Box<Proposal>>,
    /// What stock items refused of what it last asked, with why and how much was available.
    pub refusals: Vec<Demand>,
    /// Its shipments, in the order in which they were asked for.
    pub shipments: Vec<Consignment>,
    /// Why it was rejected.
    pub reject_reason: Option<RejectReason>,
    /// Why it was, or was to be, called off.
    pub cancel_reason: Option<Cancellation>,
    /// Until when it waits, or last waited, for stock items to answer.
    pub reserve_by: Option<DateTime<Utc>>,
    /// When it became binding.
    pub placed_at: Option<DateTime<Utc>>,
    /// When all its goods were reserved.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it was rejected or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
}

impl State {
    /// How many of a line are kept in stock for the order.
    #[must_use]
    pub fn reserved(&self, line: &Line) -> u32 {
        let stock = StockId::of(line.terms.product, line.terms.location);
        let is_kept = match self.status {
            Status::Placed => self
                .demands
                .iter()
                .any(|it| it.stock() == stock && it.answer == Some(Answer::Reserved)),
            status => status.holds_stock(),
        };
        if is_kept { line.unshipped() } else { 0 }
    }

    /// The names of the statuses that may follow.
    #[must_use]
    pub fn allowed_transitions(&self) -> Vec<&'static str> {
        self.status.next().iter().map(|next| next.name()).collect()
    }

    /// What it waits for stock items to answer, and until when; `None` if it does not wait.
    #[must_use]
    pub fn awaited(&self) -> Option<(&[Demand], DateTime<Utc>)> {
        match (&self.proposal, self.status, self.reserve_by) {
            (Some(proposal), ..) => Some((&proposal.demands, proposal.reserve_by)),
            (None, Status::Placed, Some(reserve_by)) => Some((&self.demands, reserve_by)),
            (None, ..) => None,
        }
    }

    /// A shipment of the order.
    #[must_use]
    pub fn consignment(&self, shipment: ShipmentId) -> Option<&Consignment> {
        self.shipments.iter().find(|it| it.id == shipment)
    }

    fn created(event: &Created) -> Self {
        Self {
            status: Status::Draft,
            customer: event.customer,
            currency: event.currency,
            lines: event.lines.iter().map(Line::new).collect(),
            totals: event.totals,
            details: event.details.clone(),
            personal: event.personal.clone().map(Arc::new),
            demands: Vec::new(),
            proposal: None,
            refusals: Vec::new(),
            shipments: Vec::new(),
            reject_reason: None,
            cancel_reason: None,
            reserve_by: None,
            placed_at: None,
            confirmed_at: None,
            ended_at: None,
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(event) => *self = Self::created(event),
            Event::Updated(event) => {
                self.details = event.details.clone();
                self.personal = event.personal.clone().map(Arc::new);
            }
            Event::LinesProposed(proposal) => {
                self.proposal = Some(proposal.clone());
                self.refusals.clear();
                self.reserve_by = Some(proposal.reserve_by);
            }
            Event::LinesKept { .. } => self.proposal = None,
            Event::LinesChanged { lines, totals, .. } => self.change_lines(lines, *totals),
            Event::Placed {
                demands,
                reserve_by,
                at,
            } => {
                self.status = Status::Placed;
                self.demands.clone_from(demands);
                self.reserve_by = Some(*reserve_by);
                self.placed_at = Some(*at);
            }
            Event::StockReserved { stock } => self.answered(*stock, Answer::Reserved),
            Event::StockRefused {
                stock,
                reason,
                available,
            } => {
                let (reason, available) = (*reason, *available);
                self.answered(*stock, Answer::Refused { reason, available });
            }
            Event::Confirmed { at } => {
                self.status = Status::Confirmed;
                self.confirmed_at = Some(*at);
            }
            Event::Rejected { reason, at, .. } => {
                self.status = Status::Rejected;
                self.reject_reason = Some(*reason);
                self.ended_at = Some(*at);
            }
            Event::PickingStarted {} => self.status = Status::Picking,
            Event::Packed {} => self.status = Status::Packed,
            Event::CancelRequested { reason, .. } => {
                self.status = Status::Cancelling;
                self.cancel_reason.clone_from(reason);
            }
            Event::Cancelled { reason, at, .. } => self.cancelled(reason.as_ref(), *at),
            Event::CancelFellShort { lines, .. } => {
                self.each(lines, |line, quantity| line.cancelled += quantity);
                self.status = Status::Packed;
                self.follow_goods();
            }
            Event::ShipmentRequested(event) => self.shipment_requested(event),
            Event::ShipmentCancelled { shipment }
            | Event::ShipmentLeft { shipment, .. }
            | Event::ShipmentStrayed { shipment, .. }
            | Event::ShipmentDelivered { shipment }
            | Event::ShipmentReturned { shipment }
            | Event::ShipmentLost { shipment } => self.shipment_moved(*shipment, event),
            Event::GoodsReturned(event) => {
                self.each(&event.lines, |line, quantity| line.returned += quantity);
                self.follow_goods();
            }
        }
    }

    fn change_lines(&mut self, lines: &[Arc<Terms>], totals: Totals) {
        self.lines = lines.iter().map(Line::new).collect();
        self.totals = totals;
        self.proposal = None;
        self.refusals.clear();
        if !self.demands.is_empty() {
            // What is left was reserved before: lines only change when that is so.
            let answer = Some(Answer::Reserved);
            let demands = demands(lines).into_iter();
            self.demands = demands.map(|it| Demand { answer, ..it }).collect();
        }
    }

    fn answered(&mut self, stock: StockId, answer: Answer) {
        let demands = match &mut self.proposal {
            Some(proposal) => &mut proposal.demands,
            None => &mut self.demands,
        };
        for demand in demands.iter_mut().filter(|it| it.stock() == stock) {
            demand.answer = Some(answer);
            if demand.is_refused() {
                self.refusals.push(*demand);
            }
        }
    }

    fn cancelled(&mut self, reason: Option<&Cancellation>, at: DateTime<Utc>) {
        self.status = Status::Cancelled;
        self.proposal = None;
        self.cancel_reason = reason.cloned();
        self.ended_at = Some(at);
        for line in &mut self.lines {
            line.cancelled += line.unshipped();
        }
    }

    fn shipment_requested(&mut self, event: &ShipmentRequested) {
        let portions = event.lines.iter().map(|line| Portion {
            line: line.line,
            quantity: line.quantity,
        });
        self.shipments
            .push(Consignment::new(event.shipment, portions.collect()));
        self.recount();
    }

    fn shipment_moved(&mut self, shipment: ShipmentId, event: &Event) {
        if let Some(moved) = self.shipments.iter_mut().find(|it| it.id == shipment) {
            moved.apply(event);
            self.recount();
        }
    }

    /// Counts anew what is in shipments, rather than keeping track of each change of a fact.
    fn recount(&mut self) {
        for line in &mut self.lines {
            line.forget_shipments();
        }
        for consignment in &self.shipments {
            for portion in &consignment.lines {
                if let Some(line) = line_mut(&mut self.lines, portion.line) {
                    line.count(consignment, portion.quantity.get());
                }
            }
        }
        self.follow_goods();
    }

    fn each(&mut self, portions: &[Portion], change: impl Fn(&mut Line, u32)) {
        for portion in portions {
            if let Some(line) = line_mut(&mut self.lines, portion.line) {
                change(line, portion.quantity.get());
            }
        }
    }

    /// Once goods have left, the status says how far they are; being a function of the counters,
    /// it does not depend on the order in which shipments tell.
    fn follow_goods(&mut self) {
        let is_following = self.status.is_shippable()
            || matches!(self.status, Status::Shipped | Status::Delivered);
        if is_following {
            self.status = progress(&self.lines).unwrap_or(self.status);
        }
    }
}

impl Entity for Order {
    const KIND: &'static str = "order";
    const CONTEXT: &'static str = "order";
    const SCHEMA: u32 = 1;

    type Id = OrderId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        super::decide::decide(self, command, context)
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (&mut self.0, event) {
            (None, Event::Created(event)) => self.0 = Some(State::created(event)),
            (None, _) => {}
            (Some(state), event) => state.apply(event),
        }
        self
    }

    fn index(&self) -> Index {
        let Some(state) = &self.0 else {
            return Index::default();
        };
        let reference = state.details.reference.as_ref().map(Reference::as_str);
        let skus: BTreeSet<_> = state.lines.iter().map(|it| it.terms.sku.as_str()).collect();
        Index {
            reference: reference.map(str::to_owned),
            status: state.status.name(),
            parent: Some(state.customer.into()),
            text: reference
                .into_iter()
                .chain(skus)
                .collect::<Vec<_>>()
                .join(" "),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let state = self.0.as_ref();
        let reference = state.and_then(|state| state.details.reference.as_ref());
        claims::reference(ClaimScope::Tenant, reference, Rejection::ReferenceTaken)
            .into_iter()
            .collect()
    }

    fn timers(&self) -> Vec<Timer<Command>> {
        let waiting = self.0.iter().filter_map(State::awaited);
        waiting
            .map(|(_, at)| Timer {
                name: "reserve".into(),
                at,
                command: Command::StopWaiting,
            })
            .collect()
    }
}
