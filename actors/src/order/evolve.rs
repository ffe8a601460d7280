//! How each event changes an order.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::command::Cancellation;
use super::consignment::Consignment;
use super::event::{Created, Event, RejectReason, ShipmentRequested};
use super::goods::{Portion, line_mut};
use super::line::{Line, Terms, Totals};
use super::progress::progress;
use super::reservation::{Answer, Demand, Proposal, demands};
use super::state::State;
use super::status::Status;
use crate::ids::{ShipmentId, StockId};
use crate::stock::RefusalReason;

impl State {
    pub(super) fn created(event: &Created) -> Self {
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
            Event::LinesProposed(proposal) => self.proposed(proposal),
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
            } => self.refused(*stock, *reason, *available),
            Event::Confirmed { at } => {
                self.status = Status::Confirmed;
                self.confirmed_at = Some(*at);
            }
            Event::Rejected { reason, at, .. } => self.rejected(*reason, *at),
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

    fn proposed(&mut self, proposal: &Proposal) {
        self.proposal = Some(Box::new(proposal.clone()));
        self.refusals.clear();
        self.reserve_by = Some(proposal.reserve_by);
    }

    fn refused(&mut self, stock: StockId, reason: RefusalReason, available: i64) {
        self.answered(stock, Answer::Refused { reason, available });
    }

    fn rejected(&mut self, reason: RejectReason, at: DateTime<Utc>) {
        self.status = Status::Rejected;
        self.reject_reason = Some(reason);
        self.ended_at = Some(at);
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
