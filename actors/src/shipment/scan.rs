//! A carrier's scan as it was filed.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::place::{Coordinates, Place};
use super::status::Status;
use crate::values::{Text, milliseconds, milliseconds_if_any};

/// The most scans that a shipment keeps: some fifty times what carriers send.
pub const SCANS_AT_MOST: usize = 1_000;

/// A carrier's scan as it was filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scan {
    /// The carrier's own code.
    pub code: Text<40>,
    /// What it means.
    pub status: Status,
    /// Where.
    #[serde(default)]
    pub place: Option<Place>,
    /// When, by the carrier's clock.
    #[serde(serialize_with = "milliseconds")]
    pub occurred_at: DateTime<Utc>,
    /// When we learnt of it.
    #[serde(serialize_with = "milliseconds")]
    pub recorded_at: DateTime<Utc>,
    /// Why, for an exception or a failed attempt.
    #[serde(default)]
    pub reason: Option<Text<200>>,
    /// When the carrier then expected to deliver.
    #[serde(default, serialize_with = "milliseconds_if_any")]
    pub estimated_delivery: Option<DateTime<Utc>>,
    /// The carrier's words; absent once erased, for they may name who signed.
    #[serde(default)]
    pub description: Option<Text<500>>,
    /// The exact point; absent once erased, for it may be somebody's door.
    #[serde(default)]
    pub coordinates: Option<Coordinates>,
}

impl Scan {
    /// The order in which scans are listed: by the carrier's time, then by what they say. Scans
    /// that are equal in it are one scan sent twice.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |scan: &Self| (scan.occurred_at, scan.status);
        key(self)
            .cmp(&key(other))
            .then_with(|| self.code.cmp(&other.code))
            .then_with(|| self.place.cmp(&other.place))
    }
}
