//! Where an order stands, and the table of what may follow.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};
use utoipa::ToSchema;

/// Where an order stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
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
#[schema(as = OrderStatus)]
pub enum Status {
    /// Being written; binds nobody.
    Draft,
    /// Waiting for its goods to be reserved.
    Placed,
    /// All its goods are reserved.
    Confirmed,
    /// Its goods could not be reserved.
    Rejected,
    /// Its goods are being collected.
    Picking,
    /// Its goods are packed.
    Packed,
    /// Being called off: its shipments are asked whether they can be.
    Cancelling,
    /// Called off; nothing has left.
    Cancelled,
    /// Some of its goods have left.
    PartiallyShipped,
    /// All its goods have left.
    Shipped,
    /// Some of its goods were delivered.
    PartiallyDelivered,
    /// All its goods were delivered.
    Delivered,
    /// Some of its goods came back.
    PartiallyReturned,
    /// All its goods came back.
    Returned,
}

impl Status {
    /// The name as it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What may follow directly.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Placed, Self::Cancelled],
            Self::Placed => &[Self::Confirmed, Self::Rejected, Self::Cancelled],
            Self::Confirmed => &[Self::Picking, Self::Cancelled],
            Self::Picking => &[Self::Packed, Self::Cancelled],
            Self::Packed => &[
                Self::PartiallyShipped,
                Self::Shipped,
                Self::Cancelling,
                Self::Cancelled,
            ],
            Self::Cancelling => &[
                Self::Cancelled,
                Self::Shipped,
                Self::PartiallyDelivered,
                Self::Delivered,
            ],
            Self::PartiallyShipped => &[
                Self::Shipped,
                Self::PartiallyDelivered,
                Self::PartiallyReturned,
            ],
            Self::Shipped => &[
                Self::PartiallyDelivered,
                Self::Delivered,
                Self::PartiallyReturned,
                Self::Returned,
            ],
            Self::PartiallyDelivered => &[Self::Delivered, Self::PartiallyReturned, Self::Returned],
            Self::Delivered => &[Self::PartiallyReturned, Self::Returned],
            Self::PartiallyReturned => &[Self::Returned],
            Self::Rejected | Self::Cancelled | Self::Returned => &[],
        }
    }

    /// Whether one may follow directly.
    #[must_use]
    pub fn allows(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Whether what it says may still be changed: picking has not started.
    #[must_use]
    pub const fn is_open_to_change(self) -> bool {
        matches!(self, Self::Draft | Self::Placed | Self::Confirmed)
    }

    /// Whether shipments may be asked for: it is packed, and may have goods that have not left.
    #[must_use]
    pub const fn is_shippable(self) -> bool {
        matches!(
            self,
            Self::Packed
                | Self::PartiallyShipped
                | Self::PartiallyDelivered
                | Self::PartiallyReturned
        )
    }

    /// Whether goods are kept for it, as far as they have not left.
    #[must_use]
    pub const fn holds_stock(self) -> bool {
        !matches!(
            self,
            Self::Draft | Self::Placed | Self::Rejected | Self::Cancelled
        )
    }
}
