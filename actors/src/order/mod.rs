//! An order: what a customer wants, what is kept for it, and how far it has come.
//!
//! ```text
//!          Place             all stock items reserved     Pick        Pack
//!  draft ---------> placed --------------------> confirmed --> picking --> packed
//!    |               |  '-> rejected                 |           |          |
//!    |               |   refused, or no answer       |           |          |
//!    '--- Cancel ----+-------------------------------+-----------+----------+--> cancelled
//!                                                                           |        ^
//!                                             Cancel, with shipments booked '-> cancelling
//!                                                                                    |
//!            a shipment leaves    is delivered          goods come back              | had left
//!  packed --> partially_shipped --> partially_delivered --> partially_returned       v
//!         '-> shipped ------------> delivered ------------> returned             shipped
//! ```
//!
//! The exact table is [`Status::next`], and commands of clients are decided by it.
//!
//! **Stock.** Lines are summed per stock item. `Placed` asks every item to keep its sum, and the
//! order waits for all the answers, so that a rejected order can name everything that is missing,
//! but not beyond `reserve_by`. Whichever comes first, last answer or timer, decides; releases go
//! to every item that has or may still get a reservation, and stock items obey them in whatever
//! order they arrive.
//!
//! **Shipments** belong to another context, and only they know whether their parcels have left. So
//! an order with shipments on the books does not decide on its own that it is cancelled: it is
//! `cancelling` until each of them is called off or has left. If none has left it is `cancelled`;
//! otherwise what was not shipped is cancelled and released, and the order goes on with the rest.
//! What a shipment tells are facts that stay true ([`Milestone`](crate::shipment::Milestone)), so
//! they may come late, twice and in any order.
//!
//! A carrier may yet take parcels that were called off. If their lines are still free, the order
//! takes the shipment back. Otherwise it is a stray: the goods are gone from stock, and the ledger
//! says so, but the order does not count them; staff sort it out with the customer, and goods that
//! come back are a receipt.
//!
//! **Lines** change freely in a draft. Once confirmed, lines that need no more of any stock item
//! replace the old ones at once, and what is given up is released. Lines that need more are a
//! proposal: stock items are asked for it as at placing, and they replace the old ones when all have
//! agreed; otherwise the old ones stay. Every request carries a later `reserve_by` than the one
//! before, by which stock items put in order what overtakes.

mod cancel;
mod command;
mod consignment;
mod decide;
mod event;
mod evolve;
mod fulfilment;
mod goods;
mod line;
mod progress;
mod rejection;
mod reservation;
mod reserve;
mod state;
mod status;

#[cfg(test)]
mod tests;

pub use command::{Cancellation, Command, Create, LINES_AT_MOST, NewLine, Patch, Return, Ship};
pub use consignment::{Consignment, SHIPMENTS_AT_MOST};
pub use event::{Created, Details, Event, Note, Personal, RejectReason, Updated};
pub use event::{GoodsReturned, ShipmentRequested};
pub use goods::{Goods, Portion, Restock};
pub use line::{Line, Terms, Totals};
pub use rejection::{Field, Rejection};
pub use reservation::{Answer, Demand, Proposal, Release};
pub use state::{Order, State};
pub use status::Status;
