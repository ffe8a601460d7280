//! What is done with an order, and how it ends, by what the data says of it.
//!
//! | status in the data | handed over | delivered | what is done | the order ends as |
//! |---|---|---|---|---|
//! | `created` | | | written as a draft; placed if its payment was approved | `draft`, `confirmed` |
//! | `approved` | | | placed | `confirmed` |
//! | `processing` | | | … and picked | `picking` |
//! | `invoiced` | | | … and packed | `packed` |
//! | `shipped` | yes | | … and shipped: booked, picked up, in transit | `shipped` |
//! | `delivered` | yes | yes | … and delivered | `delivered` |
//! | `canceled` | no | | placed and cancelled; a draft if it was never approved | `cancelled` |
//! | `canceled` | yes | no | shipped, then turned back on the way | `shipped` |
//! | `canceled` | yes | yes | delivered, then all goods returned to stock | `returned` |
//! | `unavailable` | | | placed on a shelf that is empty | `rejected` |
//!
//! Time stamps are believed before the status, for what has no time cannot be filed. So of rows
//! that contradict themselves:
//!
//! | status in the data | handed over | delivered | the order ends as |
//! |---|---|---|---|
//! | `delivered` | yes | no | `shipped` |
//! | `shipped`, `delivered` | no | | `packed` |
//!
//! Times that run backwards (delivered before the hand-over, handed over before the approval) are
//! filed as they are: a shipment's status does not depend on the order of its scans.
//!
//! Many orders that came to nothing name no goods. They get one piece of a stand-in product at the
//! price that was paid.

use chrono::{DateTime, Utc};

use super::data::{Order, Status};

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Never paid.
    Draft,
    /// Never paid, and called off.
    Abandoned,
    /// Its goods are not there.
    Rejected,
    /// Its goods are kept for it.
    Confirmed,
    /// They are being collected.
    Picking,
    /// They are packed.
    Packed,
    /// Called off before the carrier had it.
    Cancelled,
    /// With the carrier.
    Shipped,
    /// Called off when the carrier had it: on its way back.
    Recalled,
    /// With the customer.
    Delivered,
    /// Called off when the customer had it: back in stock.
    Returned,
}

/// Something done to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is written down.
    Draft,
    /// It is placed.
    Place,
    /// It is called off.
    Cancel,
    /// Its goods are collected.
    Pick,
    /// They are packed.
    Pack,
    /// A shipment is made.
    Ship,
    /// The carrier accepts the shipment.
    Book,
    /// The carrier takes the shipment and drives off.
    Depart,
    /// The carrier turns round.
    TurnBack,
    /// The customer gets the shipment.
    Deliver,
    /// The customer sends everything back.
    Return,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Draft,
        Self::Abandoned,
        Self::Rejected,
        Self::Confirmed,
        Self::Picking,
        Self::Packed,
        Self::Cancelled,
        Self::Shipped,
        Self::Recalled,
        Self::Delivered,
        Self::Returned,
    ];

    /// The status that the server must show.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Rejected => "rejected",
            Self::Confirmed => "confirmed",
            Self::Picking => "picking",
            Self::Packed => "packed",
            Self::Abandoned | Self::Cancelled => "cancelled",
            Self::Shipped | Self::Recalled => "shipped",
            Self::Delivered => "delivered",
            Self::Returned => "returned",
        }
    }

    /// What is done, in this order.
    #[must_use]
    pub const fn steps(self) -> &'static [Step] {
        use Step::{
            Book, Cancel, Deliver, Depart, Draft, Pack, Pick, Place, Return, Ship, TurnBack,
        };
        match self {
            Self::Draft => &[Draft],
            Self::Abandoned => &[Draft, Cancel],
            Self::Rejected | Self::Confirmed => &[Place],
            Self::Picking => &[Place, Pick],
            Self::Packed => &[Place, Pick, Pack],
            Self::Cancelled => &[Place, Cancel],
            Self::Shipped => &[Place, Pick, Pack, Ship, Book, Depart],
            Self::Recalled => &[Place, Pick, Pack, Ship, Book, Depart, TurnBack],
            Self::Delivered => &[Place, Pick, Pack, Ship, Book, Depart, Deliver],
            Self::Returned => &[Place, Pick, Pack, Ship, Book, Depart, Deliver, Return],
        }
    }

    /// Whether stock has to be there for it.
    #[must_use]
    pub const fn needs_stock(self) -> bool {
        !matches!(self, Self::Draft | Self::Abandoned | Self::Rejected)
    }

    /// Whether its goods are in stock but promised in the end.
    #[must_use]
    pub const fn reserves(self) -> bool {
        matches!(self, Self::Confirmed | Self::Picking | Self::Packed)
    }

    /// Whether its goods are gone in the end.
    #[must_use]
    pub const fn consumes(self) -> bool {
        matches!(self, Self::Shipped | Self::Recalled | Self::Delivered)
    }
}

impl Step {
    /// When it happened by the data. What has no time of its own happened with what it followed.
    #[must_use]
    pub fn at(self, order: &Order) -> DateTime<Utc> {
        let approved = order.approved.unwrap_or(order.purchased);
        let handed_over = order.handed_over.unwrap_or(approved);
        match self {
            Self::Draft | Self::Place => order.purchased,
            Self::Cancel | Self::Pick | Self::Pack | Self::Ship | Self::Book => approved,
            Self::Depart | Self::TurnBack => handed_over,
            Self::Deliver | Self::Return => order.delivered.unwrap_or(handed_over),
        }
    }
}

/// How an order ends.
#[must_use]
pub fn ending(order: &Order) -> Ending {
    let is_approved = order.approved.is_some();
    let is_handed_over = order.handed_over.is_some();
    let is_delivered = order.delivered.is_some();
    match (order.status, is_handed_over, is_delivered) {
        (Status::Created, _, _) if !is_approved => Ending::Draft,
        (Status::Created | Status::Approved, _, _) => Ending::Confirmed,
        (Status::Processing, _, _) => Ending::Picking,
        (Status::Invoiced, _, _) => Ending::Packed,
        (Status::Shipped | Status::Delivered, false, _) => Ending::Packed,
        (Status::Shipped, true, _) | (Status::Delivered, true, false) => Ending::Shipped,
        (Status::Delivered, true, true) => Ending::Delivered,
        (Status::Canceled, false, _) if !is_approved => Ending::Abandoned,
        (Status::Canceled, false, _) => Ending::Cancelled,
        (Status::Canceled, true, false) => Ending::Recalled,
        (Status::Canceled, true, true) => Ending::Returned,
        (Status::Unavailable, _, _) => Ending::Rejected,
    }
}

/// How an order's row contradicts itself.
pub fn faults(order: &Order) -> impl Iterator<Item = &'static str> {
    let Order {
        purchased,
        approved,
        handed_over,
        delivered,
        ..
    } = *order;
    let before = |early: Option<_>, late: Option<_>| early.zip(late).is_some_and(|(e, l)| e < l);
    let is_delivered = order.status == Status::Delivered;
    let has_left = is_delivered || order.status == Status::Shipped;
    let may_lack_lines = matches!(
        order.status,
        Status::Created | Status::Canceled | Status::Unavailable
    );
    [
        (
            is_delivered && delivered.is_none(),
            "delivered without a time of delivery",
        ),
        (
            has_left && handed_over.is_none(),
            "shipped or delivered without a time of hand-over",
        ),
        (
            before(delivered, handed_over),
            "delivered before it was handed over",
        ),
        (
            before(handed_over, approved),
            "handed over before it was approved",
        ),
        (
            before(handed_over, Some(purchased)),
            "handed over before it was bought",
        ),
        (
            before(approved, Some(purchased)),
            "approved before it was bought",
        ),
        (
            order.lines.is_empty() && !may_lack_lines,
            "prepared or shipped without goods",
        ),
    ]
    .into_iter()
    .filter_map(|(is_so, what)| is_so.then_some(what))
}
