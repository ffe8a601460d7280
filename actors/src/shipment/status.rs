//! Where a shipment stands, and the rule by which its carrier's scans say so.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};
use utoipa::ToSchema;

use super::scan::Scan;

/// Where a shipment stands. Carriers' own codes are normalised to this vocabulary.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// Known to us, not yet to the carrier.
    Created,
    /// The carrier has accepted the booking.
    Booked,
    /// The carrier has the parcels.
    PickedUp,
    /// Under way.
    InTransit,
    /// On the vehicle that delivers.
    OutForDelivery,
    /// The carrier tried and did not succeed.
    DeliveryAttempted,
    /// Waiting for the consignee at a counter or locker.
    AvailableForPickup,
    /// Something is wrong that may still be put right.
    Exception,
    /// On the way back to the sender.
    Returning,
    /// Called off.
    Cancelled,
    /// Declared lost by the carrier.
    Lost,
    /// Handed to the consignee.
    Delivered,
    /// Back with the sender.
    Returned,
}

/// What an order has to know of its shipments.
///
/// Each is a fact that once true stays true, so an order may learn of them late and in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The parcels have left the sender. True of all that were delivered, returned or lost.
    Left,
    /// They were handed to the consignee.
    Delivered,
    /// They are back with the sender.
    Returned,
    /// The carrier declared them lost.
    Lost,
    /// The shipment was called off, by us or by the carrier.
    Cancelled,
}

impl Status {
    /// What a scan with this status tells the shipment's order.
    #[must_use]
    pub const fn milestone(self) -> Option<Milestone> {
        match self {
            Self::Created | Self::Booked | Self::Exception => None,
            Self::PickedUp
            | Self::InTransit
            | Self::OutForDelivery
            | Self::DeliveryAttempted
            | Self::AvailableForPickup
            | Self::Returning => Some(Milestone::Left),
            Self::Cancelled => Some(Milestone::Cancelled),
            Self::Lost => Some(Milestone::Lost),
            Self::Delivered => Some(Milestone::Delivered),
            Self::Returned => Some(Milestone::Returned),
        }
    }

    /// The name as it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the journey is over. A final status gives way only to final evidence that is
    /// stronger: see [`Status::after`].
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Cancelled | Self::Lost | Self::Delivered | Self::Returned
        )
    }

    /// Whether the status can only be reached when the parcels have left the sender. A carrier
    /// also reports an exception, or that it cancelled, while they still stand there.
    #[must_use]
    pub const fn has_left(self) -> bool {
        !matches!(
            self,
            Self::Created | Self::Booked | Self::Exception | Self::Cancelled
        )
    }

    /// What a set of scans amounts to.
    ///
    /// Each scan counts by its status's evidence, then by the carrier's time, then by progress;
    /// the greatest one is the status. Being a maximum over a set, the result depends neither on
    /// the order in which scans arrive nor on how often, and a scan that comes late can raise it
    /// but never lower it. In order of evidence, weakest first:
    ///
    /// 1. `created`, 2. `booked`, 3. `picked_up`: the journey's beginning, seen once
    /// 4. `in_transit`, `out_for_delivery`, `delivery_attempted`, `available_for_pickup`,
    ///    `exception`: a parcel goes back and forth between these, so the latest one holds
    /// 5. `returning`: holds through the transit scans of the way back
    /// 6. `cancelled` by the carrier, 7. `lost`: hold until a parcel turns up after all, which
    ///    only its delivery or its return proves
    /// 8. `delivered`: gives way to `returned` alone
    /// 9. `returned`: nothing follows
    #[must_use]
    pub fn after<'a>(scans: impl IntoIterator<Item = &'a Scan>) -> Self {
        scans
            .into_iter()
            .map(|scan| (scan.status, scan.occurred_at))
            .max_by_key(|(status, occurred_at)| status.weight(*occurred_at))
            .map_or(Self::Created, |(status, _)| status)
    }

    /// The statuses that a scan can still bring about from this one.
    #[must_use]
    pub fn next(self) -> Vec<&'static str> {
        let (evidence, _) = self.rank();
        Self::iter()
            .filter(|next| *next != self && next.rank().0 >= evidence)
            .map(Self::name)
            .collect()
    }

    fn weight(self, occurred_at: DateTime<Utc>) -> (u8, DateTime<Utc>, u8) {
        let (evidence, progress) = self.rank();
        (evidence, occurred_at, progress)
    }

    /// Strength of evidence, and progress among statuses of equal evidence and time.
    const fn rank(self) -> (u8, u8) {
        match self {
            Self::Created => (1, 0),
            Self::Booked => (2, 0),
            Self::PickedUp => (3, 0),
            Self::InTransit => (4, 0),
            Self::OutForDelivery => (4, 1),
            Self::DeliveryAttempted => (4, 2),
            Self::AvailableForPickup => (4, 3),
            Self::Exception => (4, 4),
            Self::Returning => (5, 0),
            Self::Cancelled => (6, 0),
            Self::Lost => (7, 0),
            Self::Delivered => (8, 0),
            Self::Returned => (9, 0),
        }
    }
}
