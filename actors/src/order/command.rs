//! What may be asked of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::Note;
use super::goods::Portion;
use crate::ids::{CustomerId, LocationId, ProductId, ShipmentId, StockId};
use crate::shipment::{Carrier, Milestone, Parcel, TrackingNumber};
use crate::stock::RefusalReason;
use crate::values::{
    Address, Currency, List, Metadata, Money, Name, Quantity, Reference, Sku, Text, Weight, given,
};

/// The most lines that an order has.
pub const LINES_AT_MOST: usize = 200;

/// Why an order is cancelled.
pub type Cancellation = Text<500>;

/// What may be asked of an order. The last four come from its saga and are never refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Makes it, and places it unless it is a draft.
    Create(Box<Create>),
    /// Changes what it says, until picking starts.
    Update(Box<Patch>),
    /// Makes a draft binding.
    Place,
    /// Calls it off, until the first parcel leaves.
    Cancel {
        /// Why.
        reason: Option<Cancellation>,
    },
    /// Its goods are being collected.
    Pick,
    /// Its goods are collected and packed.
    Pack,
    /// Hands goods over to a carrier.
    Ship(Box<Ship>),
    /// Goods have come back.
    Return(Box<Return>),
    /// A stock item keeps what the order asked of it.
    StockReserved {
        /// The stock item.
        stock: StockId,
        /// As it was asked: says which of the order's requests this answers.
        reserve_by: DateTime<Utc>,
    },
    /// A stock item keeps nothing for the order, or no more than it does already.
    StockRefused {
        /// The stock item.
        stock: StockId,
        /// As it was asked: says which of the order's requests this answers.
        reserve_by: DateTime<Utc>,
        /// Why.
        reason: RefusalReason,
        /// How much was available.
        available: i64,
    },
    /// A shipment has come so far.
    ShipmentMoved {
        /// The shipment.
        shipment: ShipmentId,
        /// How far.
        milestone: Milestone,
    },
    /// Stock items have had their time to answer.
    StopWaiting,
}

/// What an order is made of. What belongs to others, such as a product's price, was read when the
/// order was written and is part of it from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// Whose order it is.
    pub customer: CustomerId,
    /// The currency of every amount.
    pub currency: Currency,
    /// What is wanted.
    pub lines: List<NewLine, 1, LINES_AT_MOST>,
    /// Whether it is to stay a draft.
    pub is_draft: bool,
    /// Where the goods go; must be known before anything is shipped.
    pub shipping_address: Option<Address>,
    /// Where the invoice goes.
    pub billing_address: Option<Address>,
    /// For whoever handles it.
    pub notes: Option<Note>,
    /// The client's own name for it.
    pub reference: Option<Reference>,
    /// What the client keeps with it.
    pub metadata: Metadata,
    /// When it should arrive.
    pub estimated_delivery: Option<DateTime<Utc>>,
}

/// A line as it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewLine {
    /// The product.
    pub product: ProductId,
    /// The product's SKU.
    pub sku: Sku,
    /// The product's name.
    pub name: Name,
    /// Which location serves it.
    pub location: LocationId,
    /// How many.
    pub quantity: Quantity,
    /// The price of one.
    pub unit_price: Money,
    /// What is taken off the whole line.
    pub discount: Option<Money>,
    /// Tax on the whole line.
    pub tax: Option<Money>,
    /// Freight for the whole line.
    pub freight: Option<Money>,
    /// The weight of one.
    pub weight_g: Option<Weight>,
    /// Whether the order may wait for goods that are not there yet.
    pub backorderable: bool,
}

/// Changes to an order: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patch {
    /// All lines, in place of the present ones.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub lines: Option<List<NewLine, 1, LINES_AT_MOST>>,
    /// Where the goods go.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Option<Address>>,
    /// Where the invoice goes.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Option<Address>>,
    /// For whoever handles it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub notes: Option<Option<Note>>,
    /// The client's own name for it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Option<Reference>>,
    /// What the client keeps with it, replaced as a whole.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// When it should arrive.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<Option<DateTime<Utc>>>,
}

/// Goods to be handed over to a carrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ship {
    /// The id of the shipment to be made. Asking for it again has no effect.
    pub shipment: ShipmentId,
    /// Which goods; `None` for all that are not in a shipment yet.
    pub lines: Option<List<Portion, 1, LINES_AT_MOST>>,
    /// The parcels; `None` for a single one that weighs what its goods do.
    pub parcels: Option<List<Parcel, 1, 100>>,
    /// From whom.
    pub sender: Option<Address>,
    /// Who carries it.
    pub carrier: Carrier,
    /// Which of the carrier's services.
    pub service: Option<Text<60>>,
    /// The carrier's number, if it is known already.
    pub tracking_number: Option<TrackingNumber>,
    /// When it should arrive; as the order says if this does not.
    pub estimated_delivery: Option<DateTime<Utc>>,
}

/// Goods that have come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Return {
    /// Which goods.
    pub lines: List<Portion, 1, LINES_AT_MOST>,
    /// Whether they are fit to be sold again.
    pub restock: bool,
    /// Why they came back.
    pub reason: Option<Text<500>>,
}
