//! Why an order refuses.

use engine::RejectionKind;
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use super::consignment::SHIPMENTS_AT_MOST;
use super::status::Status;

/// Why an order refuses. `line` and `entry` count from 0, as JSON pointers do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rejection {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// It was made before.
    #[error("the order exists already")]
    AlreadyExists,
    /// Another order of the company has the reference.
    #[error("another order has this reference")]
    ReferenceTaken,
    /// An amount is in another currency than the order.
    #[error("all amounts of an order are in its currency")]
    CurrencyMismatch {
        /// The line.
        line: usize,
        /// The amount.
        field: Field,
    },
    /// An amount is less than nothing.
    #[error("an amount of an order's line cannot be negative")]
    NegativeAmount {
        /// The line.
        line: usize,
        /// The amount.
        field: Field,
    },
    /// With this amount the line costs more than an amount can be.
    #[error("the line costs more than an amount can be")]
    AmountOutOfRange {
        /// The line.
        line: usize,
        /// The amount.
        field: Field,
    },
    /// A discount is larger than what it is taken off.
    #[error("the discount is larger than the price of the line")]
    DiscountTooLarge {
        /// The line.
        line: usize,
    },
    /// The order costs more than an amount can be.
    #[error("the order costs more than an amount can be")]
    TotalOutOfRange,
    /// The estimated delivery is out of range.
    #[error("an estimated delivery lies between the year 2000 and ten years from now")]
    EstimateOutOfRange,
    /// It stands where this cannot follow.
    #[error("an order that is {from} cannot become {to}")]
    IllegalTransition {
        /// Where it stands.
        from: Status,
        /// Where it was to go.
        to: Status,
    },
    /// It stands where it cannot be shipped from.
    #[error("an order that is {from} cannot be shipped")]
    NotShippable {
        /// Where it stands.
        from: Status,
    },
    /// Picking has started, or it is over.
    #[error("an order that is {status} can no longer be changed")]
    TooLateToChange {
        /// Where it stands.
        status: Status,
    },
    /// It waits for stock items to answer.
    #[error("the goods of the order are being reserved; try again once that is settled")]
    ReservationPending,
    /// A line that the order does not have.
    #[error("the order has no such line")]
    UnknownLine {
        /// The entry of the command.
        entry: usize,
    },
    /// A line that the command names twice.
    #[error("the line is named twice")]
    RepeatedLine {
        /// The entry of the command.
        entry: usize,
    },
    /// More of a line than there is for the purpose.
    #[error("only {available} of the line can be taken")]
    QuantityTooLarge {
        /// The entry of the command.
        entry: usize,
        /// How many there are.
        available: u32,
    },
    /// All goods are in shipments.
    #[error("all goods of the order are in shipments already")]
    NothingToShip,
    /// Nobody knows where the goods go.
    #[error("the order has no shipping address")]
    ShippingAddressMissing,
    /// The parcels were not given, and the weight of the goods is not known.
    #[error("parcels must be given, since the weight of the goods is not known")]
    ParcelsMissing,
    /// It has as many shipments as an order can have.
    #[error("an order has at most {SHIPMENTS_AT_MOST} shipments")]
    TooManyShipments,
}

/// An amount of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Field {
    /// The price of one.
    UnitPrice,
    /// What is taken off.
    Discount,
    /// Tax.
    Tax,
    /// Freight.
    Freight,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists
            | Self::ReferenceTaken
            | Self::IllegalTransition { .. }
            | Self::NotShippable { .. }
            | Self::TooLateToChange { .. }
            | Self::ReservationPending
            | Self::NothingToShip
            | Self::TooManyShipments => RejectionKind::Conflict,
            Self::CurrencyMismatch { .. }
            | Self::NegativeAmount { .. }
            | Self::AmountOutOfRange { .. }
            | Self::DiscountTooLarge { .. }
            | Self::TotalOutOfRange
            | Self::EstimateOutOfRange
            | Self::UnknownLine { .. }
            | Self::RepeatedLine { .. }
            | Self::QuantityTooLarge { .. }
            | Self::ShippingAddressMissing
            | Self::ParcelsMissing => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "order-not-found",
            Self::AlreadyExists => "order-exists",
            Self::ReferenceTaken => "reference-taken",
            Self::CurrencyMismatch { .. } => "currency-mismatch",
            Self::NegativeAmount { .. } => "negative-amount",
            Self::AmountOutOfRange { .. } => "amount-out-of-range",
            Self::DiscountTooLarge { .. } => "discount-too-large",
            Self::TotalOutOfRange => "total-out-of-range",
            Self::EstimateOutOfRange => "estimate-out-of-range",
            Self::IllegalTransition { .. } | Self::NotShippable { .. } => "illegal-transition",
            Self::TooLateToChange { .. } => "too-late-to-change",
            Self::ReservationPending => "reservation-pending",
            Self::UnknownLine { .. } => "unknown-line",
            Self::RepeatedLine { .. } => "repeated-line",
            Self::QuantityTooLarge { .. } => "quantity-too-large",
            Self::NothingToShip => "nothing-to-ship",
            Self::ShippingAddressMissing => "shipping-address-missing",
            Self::ParcelsMissing => "parcels-missing",
            Self::TooManyShipments => "too-many-shipments",
        }
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::ReferenceTaken => Some("/reference".into()),
            Self::CurrencyMismatch { line, field }
            | Self::NegativeAmount { line, field }
            | Self::AmountOutOfRange { line, field } => Some(format!("/lines/{line}/{field}")),
            Self::DiscountTooLarge { line } => Some(format!("/lines/{line}/discount")),
            Self::TotalOutOfRange | Self::NothingToShip => Some("/lines".into()),
            Self::EstimateOutOfRange => Some("/estimated_delivery".into()),
            Self::UnknownLine { entry } | Self::RepeatedLine { entry } => {
                Some(format!("/lines/{entry}/line"))
            }
            Self::QuantityTooLarge { entry, .. } => Some(format!("/lines/{entry}/quantity")),
            Self::ShippingAddressMissing => Some("/shipping_address".into()),
            Self::ParcelsMissing => Some("/parcels".into()),
            Self::NotFound
            | Self::AlreadyExists
            | Self::IllegalTransition { .. }
            | Self::NotShippable { .. }
            | Self::TooLateToChange { .. }
            | Self::ReservationPending
            | Self::TooManyShipments => None,
        }
    }

    fn allowed(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::IllegalTransition { from, .. } | Self::NotShippable { from } => {
                Some(from.next().iter().map(|next| next.name()).collect())
            }
            _ => None,
        }
    }
}
