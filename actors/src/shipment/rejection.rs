//! Why a shipment refuses.

use engine::RejectionKind;
use serde::{Deserialize, Serialize};

use super::scan::SCANS_AT_MOST;
use super::status::Status;

/// Why a shipment refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// There is no such shipment.
    #[error("there is no such shipment")]
    NotFound,
    /// The shipment has been made before.
    #[error("the shipment exists already")]
    AlreadyExists,
    /// The number has the form of those that we make ourselves.
    #[error("tracking numbers of this form are given by the system only")]
    NumberReserved,
    /// Another shipment has the number.
    #[error("another shipment has this tracking number")]
    NumberTaken,
    /// Another shipment of the company has the reference.
    #[error("another shipment has this reference")]
    ReferenceTaken,
    /// The estimated delivery is out of range.
    #[error("an estimated delivery lies between the year 2000 and ten years from now")]
    EstimateOutOfRange {
        /// Which of the scans, unless it is the shipment's own.
        scan: Option<usize>,
    },
    /// A scan cannot say that a shipment was created.
    #[error("a carrier's event cannot have the status created")]
    NotAScan {
        /// Which of the scans.
        scan: usize,
    },
    /// A scan is older than parcels are.
    #[error("a carrier's event cannot be older than the year 2000")]
    TooLongAgo {
        /// Which of the scans.
        scan: usize,
    },
    /// A scan is yet to happen.
    #[error("a carrier's event cannot lie more than 24 hours in the future")]
    InTheFuture {
        /// Which of the scans.
        scan: usize,
    },
    /// The shipment has no room for the scans.
    #[error("a shipment keeps at most {SCANS_AT_MOST} carrier events, and has no room for these")]
    TooManyScans,
    /// The parcels have left.
    #[error("the shipment is {status} and can no longer be cancelled")]
    TooLateToCancel {
        /// Where it stands.
        status: Status,
    },
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists
            | Self::NumberTaken
            | Self::ReferenceTaken
            | Self::TooManyScans
            | Self::TooLateToCancel { .. } => RejectionKind::Conflict,
            Self::NumberReserved
            | Self::EstimateOutOfRange { .. }
            | Self::NotAScan { .. }
            | Self::TooLongAgo { .. }
            | Self::InTheFuture { .. } => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "shipment-not-found",
            Self::AlreadyExists => "shipment-exists",
            Self::NumberReserved => "tracking-number-reserved",
            Self::NumberTaken => "tracking-number-taken",
            Self::ReferenceTaken => "reference-taken",
            Self::EstimateOutOfRange { .. } => "estimate-out-of-range",
            Self::NotAScan { .. } => "status-not-scannable",
            Self::TooLongAgo { .. } => "event-too-old",
            Self::InTheFuture { .. } => "event-in-the-future",
            Self::TooManyScans => "too-many-events",
            Self::TooLateToCancel { .. } => "illegal-transition",
        }
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::NumberReserved | Self::NumberTaken => Some("/tracking_number".into()),
            Self::ReferenceTaken => Some("/reference".into()),
            Self::EstimateOutOfRange { scan: None } => Some("/estimated_delivery".into()),
            Self::EstimateOutOfRange { scan: Some(scan) } => {
                Some(format!("/events/{scan}/estimated_delivery"))
            }
            Self::NotAScan { scan } => Some(format!("/events/{scan}/status")),
            Self::TooLongAgo { scan } | Self::InTheFuture { scan } => {
                Some(format!("/events/{scan}/occurred_at"))
            }
            Self::TooManyScans => Some("/events".into()),
            Self::NotFound | Self::AlreadyExists | Self::TooLateToCancel { .. } => None,
        }
    }

    fn allowed(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::TooLateToCancel { status } => Some(status.next()),
            _ => None,
        }
    }
}
