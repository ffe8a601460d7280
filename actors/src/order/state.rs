//! What is known of an order.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Index, Timer};
use serde::{Deserialize, Serialize};

use super::command::{Cancellation, Command};
use super::consignment::Consignment;
use super::event::{Details, Event, Personal, RejectReason};
use super::line::{Line, Totals};
use super::rejection::Rejection;
use super::reservation::{Answer, Demand, Proposal};
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

    /// Whether it waits for nobody: neither for stock items nor, to be cancelled, for shipments. A
    /// decision that settles an order does so with its last event.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.status, Status::Placed | Status::Cancelling) && self.proposal.is_none()
    }

    /// Whether it is known where the goods go.
    #[must_use]
    pub fn has_destination(&self) -> bool {
        let personal = self.personal.as_ref();
        personal.is_some_and(|it| it.shipping_address.is_some())
    }

    /// A shipment of the order.
    #[must_use]
    pub fn consignment(&self, shipment: ShipmentId) -> Option<&Consignment> {
        self.shipments.iter().find(|it| it.id == shipment)
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
