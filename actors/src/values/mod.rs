//! What things are made of: small values whose constructor is the only way in, also for JSON.
//!
//! A value that exists is valid, normalised, and prints as it reads. What a constructor accepts
//! may be widened but never narrowed: events that were stored under it must stay readable.

#[macro_use]
mod macros;

mod address;
mod codes;
mod country;
mod currency;
mod document;
mod email;
mod hs_code;
mod invalid;
mod list;
mod measure;
mod metadata;
mod money;
mod patch;
mod phone;
mod quantity;
mod reference;
mod secret_hash;
mod sku;
mod text;
mod time;
mod time_zone;

pub use address::Address;
pub use country::CountryCode;
pub use currency::Currency;
pub use document::{DocumentCode, DocumentLength};
pub use email::Email;
pub use hs_code::HsCode;
pub use invalid::Invalid;
pub use list::List;
pub use measure::{Dimensions, Length, Weight};
pub use metadata::Metadata;
pub use money::Money;
pub use patch::{given, set};
pub use phone::Phone;
pub use quantity::Quantity;
pub use reference::Reference;
pub use secret_hash::SecretHash;
pub use sku::Sku;
pub use text::{Name, Text};
pub use time::{milliseconds, milliseconds_if_any};
pub use time_zone::TimeZone;

#[cfg(test)]
mod tests;
