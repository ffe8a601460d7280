//! What may happen to an order.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::command::Cancellation;
use super::goods::{Goods, Portion, Restock};
use super::line::{Terms, Totals};
use super::reservation::{Demand, Proposal, Release};
use crate::ids::{CustomerId, ShipmentId, StockId};
use crate::shipment::{self, Carrier, Parcel, Parties, TrackingNumber};
use crate::stock::RefusalReason;
use crate::values::{Address, Currency, Metadata, Reference, Text};

/// A remark for whoever handles an order.
pub type Note = Text<2_000>;

/// What may happen to an order. What policies act on is all in the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was made.
    Created(Box<Created>),
    /// What it says was changed, apart from its lines.
    Updated(Box<Updated>),
    /// Its lines are to be replaced, if stock items keep what more that takes.
    LinesProposed(Box<Proposal>),
    /// They stay as they are, because it cannot be had.
    LinesKept {
        /// What is, may yet be, or may still be kept in vain.
        releases: Vec<Release>,
    },
    /// Its lines were replaced.
    LinesChanged {
        /// The new lines.
        lines: Vec<Arc<Terms>>,
        /// What they cost.
        totals: Totals,
        /// What they no longer need.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        releases: Vec<Release>,
    },
    /// It became binding; stock items are asked to keep its goods.
    Placed {
        /// What is asked of each.
        demands: Vec<Demand>,
        /// Until when it waits for their answers.
        reserve_by: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A stock item keeps its goods.
    StockReserved {
        /// The stock item.
        stock: StockId,
    },
    /// A stock item keeps nothing for it, or no more than it does already.
    StockRefused {
        /// The stock item.
        stock: StockId,
        /// Why.
        reason: RefusalReason,
        /// How much was available.
        available: i64,
    },
    /// All its goods are kept for it.
    Confirmed {
        /// When.
        at: DateTime<Utc>,
    },
    /// Its goods cannot be had.
    Rejected {
        /// Why.
        reason: RejectReason,
        /// What is, or may yet be, kept for it in vain.
        releases: Vec<Release>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its goods are being collected.
    PickingStarted {},
    /// Its goods are packed.
    Packed {},
    /// It is to be called off if its shipments can be.
    CancelRequested {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Cancellation>,
        /// The shipments in question.
        shipments: Vec<ShipmentId>,
    },
    /// It was called off.
    Cancelled {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Cancellation>,
        /// What is, or may yet be, kept for it in vain.
        releases: Vec<Release>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was to be called off but some of it had left; what had not was called off.
    CancelFellShort {
        /// What was called off.
        lines: Vec<Portion>,
        /// What is kept for it in vain.
        releases: Vec<Release>,
    },
    /// Goods are to be handed over to a carrier.
    ShipmentRequested(Box<ShipmentRequested>),
    /// A shipment was called off before it left; its lines are free for another.
    ShipmentCancelled {
        /// The shipment.
        shipment: ShipmentId,
    },
    /// A shipment left.
    ShipmentLeft {
        /// The shipment.
        shipment: ShipmentId,
        /// What left with it at each stock item.
        goods: Vec<Goods>,
    },
    /// A shipment left although it had been called off and nothing was kept for it any more.
    ShipmentStrayed {
        /// The shipment.
        shipment: ShipmentId,
        /// What left with it at each stock item.
        goods: Vec<Goods>,
    },
    /// A shipment was delivered.
    ShipmentDelivered {
        /// The shipment.
        shipment: ShipmentId,
    },
    /// The carrier brought a shipment back.
    ShipmentReturned {
        /// The shipment.
        shipment: ShipmentId,
    },
    /// The carrier declared a shipment lost.
    ShipmentLost {
        /// The shipment.
        shipment: ShipmentId,
    },
    /// Goods were taken back.
    GoodsReturned(Box<GoodsReturned>),
}

/// An order was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// Whose order it is.
    pub customer: CustomerId,
    /// The currency of every amount.
    pub currency: Currency,
    /// Its lines.
    pub lines: Vec<Arc<Terms>>,
    /// What they cost.
    pub totals: Totals,
    /// What else it says.
    pub details: Details,
    /// What it says of people, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Personal>,
}

/// What an order says was changed: all of it as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    /// What it says.
    pub details: Details,
    /// What it says of people, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Personal>,
}

/// What an order says beside its lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// The client's own name for it, unique in the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// What the client keeps with it.
    #[serde(default)]
    pub metadata: Metadata,
    /// When it should arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<DateTime<Utc>>,
}

/// What an order says of people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Personal {
    /// Where the goods go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// Where the invoice goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    /// For whoever handles it; free text may name anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Note>,
}

/// Goods are to be handed over to a carrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShipmentRequested {
    /// The shipment to be made.
    pub shipment: ShipmentId,
    /// What is inside.
    pub lines: Vec<shipment::Line>,
    /// The parcels.
    pub parcels: Vec<Parcel>,
    /// Who carries it.
    pub carrier: Carrier,
    /// Which of the carrier's services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Text<60>>,
    /// The carrier's number, if it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<TrackingNumber>,
    /// When it should arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// Who sends and who receives it, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Parties>,
}

/// Goods were taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoodsReturned {
    /// Which goods.
    pub lines: Vec<Portion>,
    /// What of them goes back into stock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restocks: Vec<Restock>,
    /// Why they came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<500>>,
}

/// Why an order was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RejectReason {
    /// A stock item refused.
    StockRefused,
    /// A stock item did not answer in time.
    NoAnswer,
}

impl Personal {
    /// Itself, unless it says nothing.
    pub(super) fn unless_empty(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }

    fn is_personal(&self) -> bool {
        match self {
            Self::Created(created) => created.personal.is_some(),
            Self::Updated(updated) => updated.personal.is_some(),
            Self::ShipmentRequested(requested) => requested.personal.is_some(),
            Self::LinesProposed(_)
            | Self::LinesKept { .. }
            | Self::LinesChanged { .. }
            | Self::Placed { .. }
            | Self::StockReserved { .. }
            | Self::StockRefused { .. }
            | Self::Confirmed { .. }
            | Self::Rejected { .. }
            | Self::PickingStarted {}
            | Self::Packed {}
            | Self::CancelRequested { .. }
            | Self::Cancelled { .. }
            | Self::CancelFellShort { .. }
            | Self::ShipmentCancelled { .. }
            | Self::ShipmentLeft { .. }
            | Self::ShipmentStrayed { .. }
            | Self::ShipmentDelivered { .. }
            | Self::ShipmentReturned { .. }
            | Self::ShipmentLost { .. }
            | Self::GoodsReturned(_) => false,
        }
    }
}
