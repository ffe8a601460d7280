//! A shipment: parcels on their way from a sender to a consignee, as their carrier's scans tell.
//!
//! ```text
//! created -> booked -> picked_up -> in_transit           -> delivered -> returned
//!    |         |                    out_for_delivery          ^             ^
//!    |         |                    delivery_attempted        |             |
//!    |         |                    available_for_pickup      |             |
//!    |         |                    exception                 |             |
//!    |         |                        |                     |             |
//!    '----+----'                        '-> returning ->--+-> lost ---------+
//!         '-> cancelled ----------------------------------'
//! ```
//!
//! A carrier may leave out any step, and its scans come late, twice and out of order; the status
//! is a function of the set of scans, given by [`Status::after`]. `cancelled` comes from us until
//! the parcels have left, and then holds whatever is scanned; or from the carrier, as a scan, and
//! then gives way when the parcels turn up at either end after all.
//!
//! Nothing that a saga sends is refused: see [`Command`].

mod command;
mod decide;
mod event;
mod place;
mod rejection;
mod scan;
mod state;
mod status;
mod tracking_number;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use decide::is_plausible;

pub use command::{Carrier, CarrierEvent, Command, Create, Line, Numbering, Parcel};
pub use event::{Created, Event, Parties, ScanDetails, ScanRecorded};
pub use place::{Coordinates, Place};
pub use rejection::Rejection;
pub use scan::{SCANS_AT_MOST, Scan};
pub use state::Shipment;
pub use status::{Milestone, Status};
pub use tracking_number::TrackingNumber;
pub use view::{TrackedScan, Tracking};
