//! What anybody who knows a tracking number may see of a shipment.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::command::Carrier;
use super::place::Place;
use super::state::Shipment;
use super::status::Status;
use super::tracking_number::TrackingNumber;
use crate::values::{CountryCode, Text, milliseconds, milliseconds_if_any};

/// What anybody who knows the number may see of a shipment: no names, no addresses, no points on
/// a map, nor free text of the carrier, which may hold any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tracking {
    /// The number.
    pub tracking_number: TrackingNumber,
    /// Who carries it.
    pub carrier: Carrier,
    /// Which of the carrier's services.
    pub service: Option<Text<60>>,
    /// Where it stands.
    pub status: Status,
    /// The country that it goes to.
    pub destination: Option<CountryCode>,
    /// When it should arrive.
    #[serde(serialize_with = "milliseconds_if_any")]
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// The carrier's scans, in order of the carrier's time.
    pub events: Vec<TrackedScan>,
}

/// What anybody may see of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrackedScan {
    /// The carrier's own code.
    pub code: Text<40>,
    /// What it means.
    pub status: Status,
    /// City and country.
    pub place: Option<Place>,
    /// When, by the carrier's clock.
    #[serde(serialize_with = "milliseconds")]
    pub occurred_at: DateTime<Utc>,
    /// When we learnt of it.
    #[serde(serialize_with = "milliseconds")]
    pub recorded_at: DateTime<Utc>,
}

impl Shipment {
    /// What anybody who knows the number may see; `None` while the shipment has not been made.
    #[must_use]
    pub fn tracking(&self) -> Option<Tracking> {
        Some(Tracking {
            tracking_number: self.tracking_number()?.clone(),
            carrier: self.carrier,
            service: self.service.clone(),
            status: self.status?,
            destination: self.destination,
            estimated_delivery: self.estimated_delivery(),
            events: self
                .scans
                .iter()
                .map(|scan| TrackedScan {
                    code: scan.code.clone(),
                    status: scan.status,
                    place: scan.place.clone(),
                    occurred_at: scan.occurred_at,
                    recorded_at: scan.recorded_at,
                })
                .collect(),
        })
    }
}
