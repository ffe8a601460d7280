//! What may happen to a shipment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::command::{Carrier, Line, Parcel};
use super::place::{Coordinates, Place};
use super::status::Status;
use super::tracking_number::TrackingNumber;
use crate::ids::OrderId;
use crate::values::{Address, CountryCode, Metadata, Reference, Text};

/// What may happen to a shipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was made.
    Created(Box<Created>),
    /// It got the carrier's number.
    Numbered {
        /// The carrier's number.
        tracking_number: TrackingNumber,
    },
    /// It was to have the carrier's number, but another shipment has it: it keeps its own.
    NumberRefused {
        /// The number that it was to have.
        tracking_number: TrackingNumber,
    },
    /// A scan was filed in its place in time.
    ScanRecorded(Box<ScanRecorded>),
    /// It was called off.
    Cancelled {
        /// The order that it serves, to be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<OrderId>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
    /// Its order was cancelled before the shipment had been made: if it ever is, then as cancelled.
    CancelForestalled {
        /// The order that it was to serve, to be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<OrderId>,
    },
    /// Its order was cancelled after the parcels had left.
    CancelMissed {},
}

/// A shipment was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The order that it serves, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// What is inside.
    pub lines: Vec<Line>,
    /// The parcels.
    pub parcels: Vec<Parcel>,
    /// The country that it goes to: what is left when the consignee was erased.
    pub destination: CountryCode,
    /// Who carries it.
    pub carrier: Carrier,
    /// Which of the carrier's services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Text<60>>,
    /// Its number.
    pub tracking_number: TrackingNumber,
    /// The number that it is to be given next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wished_number: Option<TrackingNumber>,
    /// When it should arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// The client's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// What the client keeps with it.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Who sends and who receives it, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Parties>,
}

/// Who sends a shipment and who receives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parties {
    /// To whom.
    pub consignee: Address,
    /// From whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Address>,
}

/// A scan was filed in its place in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanRecorded {
    /// The carrier's own code.
    pub code: Text<40>,
    /// What it means.
    pub scanned: Status,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// When, by the carrier's clock.
    pub occurred_at: DateTime<Utc>,
    /// When we learnt of it.
    pub recorded_at: DateTime<Utc>,
    /// Why, for an exception or a failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<200>>,
    /// When the carrier then expected to deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// The shipment's new status, if the scan changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The order that the shipment serves, if this is the first scan that tells it as much: see
    /// [`Status::milestone`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<OrderId>,
    /// What may tell of a person, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<ScanDetails>,
}

/// What a scan may tell of a person: words can name who signed, a point can be a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanDetails {
    /// In the carrier's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<500>>,
    /// The exact point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }

    fn is_personal(&self) -> bool {
        match self {
            Self::Created(created) => created.personal.is_some(),
            Self::ScanRecorded(scan) => scan.personal.is_some(),
            Self::Numbered { .. }
            | Self::NumberRefused { .. }
            | Self::Cancelled { .. }
            | Self::CancelForestalled { .. }
            | Self::CancelMissed {} => false,
        }
    }
}
