//! Why a stock item refuses.

use engine::RejectionKind;
use serde::{Deserialize, Serialize};

/// The largest quantity of one movement, and the largest balance that staff can bring about.
pub const QUANTITY_MAX: i64 = 1_000_000_000_000;

/// Why a stock item refuses. Commands of policies meet only [`Rejection::WrongItem`], a mistake of
/// this program's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rejection {
    /// The product and location are those of another stock item.
    #[error("the product and location belong to another stock item")]
    WrongItem,
    /// A quantity of nothing, in the wrong direction, or too large.
    #[error("the quantity must be between 1 and {QUANTITY_MAX}")]
    QuantityOutOfRange,
    /// An adjustment of nothing or by too much.
    #[error("an adjustment must be between -{QUANTITY_MAX} and {QUANTITY_MAX}, and not 0")]
    AdjustmentOutOfRange,
    /// The balance would become too large.
    #[error("the quantity on hand would exceed {QUANTITY_MAX}")]
    BalanceOutOfRange,
    /// An adjustment without a reason.
    #[error("an adjustment needs a reason")]
    ReasonMissing,
    /// A transfer to where the goods are.
    #[error("a transfer goes to another location")]
    SameLocation,
    /// More was to leave than is free.
    #[error("only {available} are available")]
    InsufficientStock {
        /// How much is free to leave.
        available: i64,
    },
    /// Another movement has the reference.
    #[error("another movement has this reference")]
    ReferenceTaken,
    /// A reorder point below 0 or too large.
    #[error("the reorder point must be between 0 and {QUANTITY_MAX}")]
    ReorderPointOutOfRange,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::InsufficientStock { .. } | Self::ReferenceTaken => RejectionKind::Conflict,
            Self::WrongItem
            | Self::QuantityOutOfRange
            | Self::AdjustmentOutOfRange
            | Self::BalanceOutOfRange
            | Self::ReasonMissing
            | Self::SameLocation
            | Self::ReorderPointOutOfRange => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::WrongItem => "wrong-stock-item",
            Self::QuantityOutOfRange => "quantity-out-of-range",
            Self::AdjustmentOutOfRange => "adjustment-out-of-range",
            Self::BalanceOutOfRange => "balance-out-of-range",
            Self::ReasonMissing => "reason-missing",
            Self::SameLocation => "same-location",
            Self::InsufficientStock { .. } => "insufficient-stock",
            Self::ReferenceTaken => "reference-taken",
            Self::ReorderPointOutOfRange => "reorder-point-out-of-range",
        }
    }

    fn pointer(&self) -> Option<String> {
        let pointer = match self {
            Self::WrongItem => "/product",
            Self::QuantityOutOfRange
            | Self::AdjustmentOutOfRange
            | Self::BalanceOutOfRange
            | Self::InsufficientStock { .. } => "/quantity",
            Self::ReasonMissing => "/note",
            Self::SameLocation => "/to",
            Self::ReferenceTaken => "/reference",
            Self::ReorderPointOutOfRange => "/reorder_point",
        };
        Some(pointer.to_owned())
    }
}
