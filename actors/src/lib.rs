//! The domain of Quenty: companies, customers, catalogue, stock, orders and shipments; pure.
//!
//! ```text
//!  values    what things are made of: money, weight, address …; a constructor is the only way in
//!  ids       what things are called: `ord_…`, `shp_…`
//!     |
//!  entities  one folder each, always in the same order: state diagram, command, event, state, decide
//!     |
//!  policies  when this event of one entity, then that command to another: the sagas
//! ```
//!
//! Nothing here knows the time, draws a random number, or reads or writes anything: what a
//! decision needs comes with its command and its context.

pub mod ids;
pub mod values;

pub mod claims;

pub mod api_key;
pub mod company;
pub mod customer;
pub mod document_type;
pub mod location;
pub mod order;
pub mod product;
pub mod session;
pub mod shipment;
pub mod stock;
pub mod user;

pub mod policies;

#[cfg(test)]
pub mod testing;
