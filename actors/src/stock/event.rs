//! What may happen to a stock item; together the ledger.

use chrono::{DateTime, Utc};
use engine::{Claim, ClaimScope};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::command::Remarks;
use super::rejection::Rejection;
use crate::claims;
use crate::ids::{LocationId, MovementId, OrderId, ProductId, ShipmentId};

/// A fact about a stock item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The item was first heard of.
    Opened {
        /// The product.
        product: ProductId,
        /// The location.
        location: LocationId,
    },
    /// Staff entered a receipt, an issue or an adjustment.
    Moved {
        /// The movement.
        movement: MovementId,
        /// What was said about it, such as its reason.
        #[serde(flatten)]
        remarks: Remarks,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// Goods left for another location.
    TransferredOut {
        /// The movement.
        movement: MovementId,
        /// The product, for whoever handles the other end.
        product: ProductId,
        /// Where they left.
        from: LocationId,
        /// Where they go.
        to: LocationId,
        /// How much.
        quantity: i64,
        /// What was said about it.
        #[serde(flatten)]
        remarks: Remarks,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// Goods arrived from another location.
    TransferredIn {
        /// The movement.
        movement: MovementId,
        /// Where they left.
        from: LocationId,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// Goods are kept for an order.
    Reserved {
        /// The order.
        order: OrderId,
        /// How much in all.
        quantity: i64,
        /// Whether it was allowed to exceed what is available.
        backorder: bool,
        /// Until when the order waits for this answer.
        reserve_by: DateTime<Utc>,
        /// When it was decided, by the clock: from then on, orders that end before are forgotten.
        at: DateTime<Utc>,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// An order was told that it gets no more than it has, if anything. The answer is final.
    Refused {
        /// The order.
        order: OrderId,
        /// How much it wanted in all.
        quantity: i64,
        /// How much there was, with what is kept for it already.
        available: i64,
        /// Why.
        reason: RefusalReason,
        /// Until when the order waits for this answer.
        reserve_by: DateTime<Utc>,
        /// When it was decided, by the clock: from then on, orders that end before are forgotten.
        at: DateTime<Utc>,
    },
    /// An order gave up what it had not sent on its way.
    Released {
        /// The order.
        order: OrderId,
        /// How much of the whole reservation, issued goods included, it keeps.
        keep: i64,
        /// Until when the order waited for what it gave up.
        reserve_by: DateTime<Utc>,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// An order gave up before its `Reserve` arrived, which must now have no effect.
    Barred {
        /// The order.
        order: OrderId,
        /// Until when the order would have waited.
        reserve_by: DateTime<Utc>,
        /// When it was decided, by the clock: from then on, orders that end before are forgotten.
        at: DateTime<Utc>,
    },
    /// Reserved goods left in a shipment.
    Sold {
        /// The order.
        order: OrderId,
        /// The shipment.
        shipment: ShipmentId,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// Goods left in a shipment that had been called off.
    Strayed {
        /// The order.
        order: OrderId,
        /// The shipment.
        shipment: ShipmentId,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// Goods of an order came back into stock.
    Returned {
        /// The order.
        order: OrderId,
        /// The movement.
        movement: MovementId,
        /// What it did to the balance.
        ledger: Entry,
    },
    /// The quantity from which down the item counts as low was set.
    ReorderPointSet {
        /// The quantity; `None` if the item never counts as low.
        reorder_point: Option<i64>,
    },
}

/// A line of the ledger: what an event did to the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The kind of movement.
    pub kind: EntryKind,
    /// By how much the quantity on hand changed.
    pub on_hand: i64,
    /// By how much the reserved quantity changed.
    pub reserved: i64,
}

/// The kinds of movements in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EntryKind {
    /// Goods arrived from outside.
    Receipt,
    /// Goods left without an order.
    Issue,
    /// The books were brought in line with a count.
    Adjustment,
    /// Goods left for another location.
    TransferOut,
    /// Goods arrived from another location.
    TransferIn,
    /// Goods are kept for an order.
    Reservation,
    /// Goods are no longer kept for an order.
    Release,
    /// Goods of an order left in a shipment.
    Sale,
    /// Goods of an order came back.
    Return,
}

/// Why a reservation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RefusalReason {
    /// Less is available than was wanted.
    InsufficientStock,
    /// The request arrived after the moment until which the order waits.
    TooLate,
    /// The quantity is beyond what a stock item can hold.
    OutOfRange,
}

impl Event {
    /// The event's line in the ledger, if it changed the balance.
    #[must_use]
    pub fn ledger(&self) -> Option<Entry> {
        match self {
            Self::Moved { ledger, .. }
            | Self::TransferredOut { ledger, .. }
            | Self::TransferredIn { ledger, .. }
            | Self::Reserved { ledger, .. }
            | Self::Released { ledger, .. }
            | Self::Sold { ledger, .. }
            | Self::Strayed { ledger, .. }
            | Self::Returned { ledger, .. } => Some(*ledger),
            Self::Opened { .. }
            | Self::Refused { .. }
            | Self::Barred { .. }
            | Self::ReorderPointSet { .. } => None,
        }
    }
}

impl Event {
    /// The reference of a movement, which is its own for good. Of a transfer, it is the end where
    /// the goods leave that has it.
    pub(super) fn mark(&self) -> Option<Claim<Rejection>> {
        let (Self::Moved { remarks, .. } | Self::TransferredOut { remarks, .. }) = self else {
            return None;
        };
        let reference = remarks.reference.as_ref();
        claims::reference(ClaimScope::Tenant, reference, Rejection::ReferenceTaken)
    }
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}
