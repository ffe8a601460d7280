//! What may be asked of a stock item.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{LocationId, MovementId, OrderId, ProductId, ShipmentId, StockId};
use crate::values::{Metadata, Reference, Text};

/// A remark on a movement.
pub type Note = Text<500>;

/// What staff say about a movement that they enter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remarks {
    /// A remark; for an adjustment the reason, which must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// The client's own name for the movement: no other of the company's has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

/// A command to the stock item of a product at a location.
///
/// Every command names the pair, because the first one that arrives opens the item, whichever it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// The product.
    pub product: ProductId,
    /// The location.
    pub location: LocationId,
    /// What is asked.
    pub action: Action,
}

impl Command {
    /// The stock item that the command is for.
    #[must_use]
    pub fn addressee(&self) -> StockId {
        StockId::of(self.product, self.location)
    }
}

/// What is asked of a stock item. Quantities are in the product's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Staff enter a movement. The same movement again has no effect.
    Move {
        /// The movement's id.
        movement: MovementId,
        /// What kind of movement.
        kind: MoveKind,
        /// How much: positive, except for an adjustment, whose sign says the direction.
        quantity: i64,
        /// What is said about it.
        remarks: Remarks,
    },
    /// Staff send goods to another location; a policy lets them arrive there.
    TransferOut {
        /// The movement's id, the same at both ends.
        movement: MovementId,
        /// Where the goods go.
        to: LocationId,
        /// How much.
        quantity: i64,
        /// What is said about it.
        remarks: Remarks,
    },
    /// Goods sent from another location arrive.
    TransferIn {
        /// The movement's id, the same at both ends.
        movement: MovementId,
        /// Where the goods come from.
        from: LocationId,
        /// How much.
        quantity: i64,
    },
    /// An order wants goods kept for it, or more than it has.
    Reserve {
        /// The order.
        order: OrderId,
        /// How much in all, summed over the order's lines.
        quantity: i64,
        /// Whether the reservation may exceed what is available.
        backorder: bool,
        /// Until when the order waits for the answer; afterwards it goes on without it. An order
        /// that asks again asks with a later moment, by which what it asks is put in order.
        reserve_by: DateTime<Utc>,
    },
    /// An order gives up what is reserved for it, except for what it has sent on its way.
    Release {
        /// The order.
        order: OrderId,
        /// How much of the whole reservation, issued goods included, the order still needs.
        keep: i64,
        /// As in the order's last `Reserve`.
        reserve_by: DateTime<Utc>,
    },
    /// Reserved goods have left in a shipment.
    Issue {
        /// The order.
        order: OrderId,
        /// The shipment.
        shipment: ShipmentId,
        /// How much.
        quantity: i64,
    },
    /// Goods have left in a shipment that had been called off, so that nothing was kept for it any
    /// more.
    IssueStray {
        /// The order.
        order: OrderId,
        /// The shipment.
        shipment: ShipmentId,
        /// How much.
        quantity: i64,
    },
    /// Goods of an order have come back and are fit to be sold again.
    Return {
        /// The order.
        order: OrderId,
        /// The id of the movement back into stock.
        movement: MovementId,
        /// How much.
        quantity: i64,
    },
    /// Staff say from which available quantity down the item counts as low.
    SetReorderPoint {
        /// The quantity; `None` if the item never counts as low.
        reorder_point: Option<i64>,
    },
}

/// The kinds of movements that staff enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// Goods arrive from outside.
    Receipt,
    /// Goods leave without an order: consumed, given away, written off.
    Issue,
    /// The books are brought in line with a count.
    Adjustment,
}
