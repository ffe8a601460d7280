//! A stock item: one product at one location, its balance, its reservations and its ledger.
//!
//! ```text
//!             first command                      Move, TransferOut, SetReorderPoint   staff; may be refused
//!  (absent) ----------------> open --.           TransferIn, Reserve, Release,        policies; never refused,
//!                              ^     |             Issue, IssueStray, Return          answered with events
//!                              '-----'
//!
//!  one order at one stock item:
//!
//!            Reserve            Issue (all of it)
//!  unknown ----------> reserved ----------> settled     what a settled order asked before is void
//!     |  \ Refused        | Release            ^
//!     |   '---------------+--------------------|
//!     '---- Release before its Reserve --------'
//! ```
//!
//! The ledger is the events: every change of the balance carries an [`Entry`] with a kind and two
//! signed quantities, and the balance is the sum of the entries, nothing else.
//!
//! Commands of policies commute. A reservation is known by its order, an issue by its shipment, a
//! transfer or return by its movement, and a release says what may be *kept*, so that it does not
//! matter whether the issue of a shipment comes before or after it. An order that asks again does so
//! with a later moment (`reserve_by`), and what it asked with an earlier one is void. What makes
//! that affordable for orders that are gone is described at [`Settled`].

mod command;
mod decide;
mod event;
mod rejection;
mod settled;
mod state;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use command::{Action, Command, MoveKind, Note, Remarks};
pub use event::{Entry, EntryKind, Event, RefusalReason};
pub use rejection::{QUANTITY_MAX, Rejection};
pub use settled::Settled;
pub use state::{Item, Reservation, Stock, Summary};
