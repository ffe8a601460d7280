//! What may be asked of a shipment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};
use utoipa::ToSchema;

use super::place::{Coordinates, Place};
use super::status::Status;
use super::tracking_number::TrackingNumber;
use crate::ids::{OrderId, ProductId};
use crate::values::{Address, Dimensions, List, Metadata, Quantity, Reference, Sku, Text, Weight};

/// What may be asked of a shipment.
///
/// [`Command::CancelForOrder`], [`Command::Number`], and [`Command::Create`] without a given number
/// come from the order's saga. They are never refused and may overtake each other; a number is
/// given only to a shipment that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Makes the shipment.
    Create(Box<Create>),
    /// Gives it the carrier's number in place of our own; the own one goes on being found. Should
    /// the number not be free, [`Command::ForgoNumber`] is decided instead.
    Number(TrackingNumber),
    /// Notes that it cannot have the carrier's number, and so keeps its own.
    ForgoNumber(TrackingNumber),
    /// Files scans; all of them or, if one is not acceptable, none.
    Record(List<CarrierEvent, 1, 100>),
    /// Calls it off, which is refused once the parcels have left.
    Cancel {
        /// Why.
        reason: Option<Text<500>>,
    },
    /// Calls it off because its order was; if the parcels have left, that is noted.
    CancelForOrder {
        /// The order, to be told when there is no shipment yet that knows it.
        order: OrderId,
    },
}

/// What a shipment is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Create {
    /// The order that it serves, if any.
    pub order: Option<OrderId>,
    /// What is inside.
    pub lines: List<Line, 0, 1_000>,
    /// The parcels.
    pub parcels: List<Parcel, 1, 100>,
    /// To whom.
    pub consignee: Address,
    /// From whom.
    pub sender: Option<Address>,
    /// Who carries it.
    pub carrier: Carrier,
    /// Which of the carrier's services.
    pub service: Option<Text<60>>,
    /// Where its tracking number comes from.
    pub numbering: Numbering,
    /// When it should arrive.
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// The client's own name for it, unique among the company's shipments.
    pub reference: Option<Reference>,
    /// What the client keeps with it.
    pub metadata: Metadata,
}

/// Where a shipment's tracking number comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbering {
    /// We make one, by [`TrackingNumber::of`].
    #[default]
    Own,
    /// The client gives the carrier's; refused if another shipment has it.
    Given(TrackingNumber),
    /// The order asked for this one. The shipment begins under our own number and is given this
    /// one by a command of its own, so that a number that is taken costs the shipment its wish,
    /// not its existence.
    Wished(TrackingNumber),
}

/// Who carries a shipment.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Carrier {
    /// DHL.
    Dhl,
    /// FedEx.
    #[serde(rename = "fedex")]
    #[strum(serialize = "fedex")]
    FedEx,
    /// UPS.
    Ups,
    /// Any other.
    #[default]
    Generic,
}

/// Goods in a shipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The number of the order's line, or the position if there is no order.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub line: u32,
    /// The product, if it is in the catalogue.
    #[serde(default)]
    pub product: Option<ProductId>,
    /// The product's SKU.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// In words.
    #[serde(default)]
    pub description: Option<Text<200>>,
}

/// A parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// Its weight in grams.
    pub weight_g: Weight,
    /// Its outer measures.
    #[serde(default)]
    pub dimensions: Option<Dimensions>,
    /// The client's own name for it.
    #[serde(default)]
    pub reference: Option<Reference>,
}

/// A scan as a carrier reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CarrierEvent {
    /// The carrier's own code.
    pub code: Text<40>,
    /// What it means.
    pub status: Status,
    /// Where.
    #[serde(default)]
    pub place: Option<Place>,
    /// The exact point.
    #[serde(default)]
    pub coordinates: Option<Coordinates>,
    /// In the carrier's words.
    #[serde(default)]
    pub description: Option<Text<500>>,
    /// When, by the carrier's clock; kept in whole milliseconds.
    pub occurred_at: DateTime<Utc>,
    /// Why, for an exception or a failed attempt.
    #[serde(default)]
    pub reason: Option<Text<200>>,
    /// When the carrier now expects to deliver.
    #[serde(default)]
    pub estimated_delivery: Option<DateTime<Utc>>,
}
