//! The ids of everything: a UUID inside, outside a prefix and 26 characters, as in `ord_01jd…`.
//!
//! The text form is that of TypeID (<https://github.com/jetify-com/typeid>): the 128 bits in
//! Crockford's base32, lower case. It sorts as the UUIDs do. Nothing here makes new ids: that takes
//! a clock and randomness, so ids come from outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::values::Invalid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX: usize = 26;
/// The namespace of ids that are derived from other ids. Never changes.
const DERIVED: Uuid = Uuid::from_u128(0x5f0d_8d0c_52f5_4d0e_9a3b_6c1e_7a57_0c4b);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// What the printed form begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}_{}", Self::PREFIX, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| unreadable(concat!($prefix, "_")))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .examples([concat!($prefix, "_01jd7k2m4qf3v8s6t0w9x5y1zc")])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

ids! {
    /// A company.
    CompanyId = "com";
    /// A user.
    UserId = "usr";
    /// A session of a user.
    SessionId = "ses";
    /// An API key.
    ApiKeyId = "key";
    /// A customer of a company.
    CustomerId = "cus";
    /// A document type of a company.
    DocumentTypeId = "dty";
    /// A product.
    ProductId = "prd";
    /// A location that holds stock.
    LocationId = "loc";
    /// A stock item: a product at a location.
    StockId = "stk";
    /// An order.
    OrderId = "ord";
    /// A shipment.
    ShipmentId = "shp";
    /// A movement in the ledger of a stock item.
    MovementId = "mov";
}

impl StockId {
    /// The stock item of a product at a location: there is exactly one, so its id follows from
    /// theirs. The derivation is part of the stored format and never changes.
    #[must_use]
    pub fn of(product: ProductId, location: LocationId) -> Self {
        let mut name = [0; 32];
        name[..16].copy_from_slice(product.0.as_bytes());
        name[16..].copy_from_slice(location.0.as_bytes());
        Self(Uuid::new_v5(&DERIVED, &name))
    }
}

/// An id for what has only a name, such as a code or a country, so that lists can find what belongs
/// to it. The derivation is part of the stored format and never changes.
#[must_use]
pub fn named(name: &str) -> Uuid {
    Uuid::new_v5(&DERIVED, name.as_bytes())
}

/// The public id of an entity's event: `evt_`, the entity, and the version that it led to.
#[must_use]
pub fn event_id(entity: Uuid, version: u64) -> String {
    format!("evt_{}-{version}", encode(entity))
}

/// Reads an event's public id: the entity and the version.
///
/// # Errors
/// When the text is not exactly what [`event_id`] writes.
pub fn parse_event_id(text: &str) -> Result<(Uuid, u64), Invalid> {
    let read = || {
        let (entity, version) = text.strip_prefix("evt_")?.split_once('-')?;
        let (entity, version) = (decode(entity)?, version.parse::<u64>().ok()?);
        // Rust reads `+1` and `01` too; there is one form of each id.
        (version > 0 && event_id(entity, version) == text).then_some((entity, version))
    };
    read().ok_or_else(|| unreadable("evt_"))
}

/// The 26 characters of a UUID, without a prefix.
#[must_use]
pub fn encode(id: Uuid) -> String {
    let bits = id.as_u128();
    (0..SUFFIX)
        .rev()
        .map(|place| char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]))
        .collect()
}

fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    // 26 characters carry 130 bits: a first one above 7 would not fit into 128.
    if bytes.len() != SUFFIX || bytes[0] > b'7' {
        return None;
    }
    let mut bits = 0u128;
    for byte in bytes {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = bits << 5 | digit as u128;
    }
    Some(Uuid::from_u128(bits))
}

fn unreadable(prefix: &str) -> Invalid {
    Invalid::new(
        "invalid-id",
        format!("an id here is `{prefix}` and 26 characters of lower-case base32"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_as_typeid_does() {
        // Test vectors of the TypeID specification.
        let vectors = [
            (0, "00000000000000000000000000"),
            (1, "00000000000000000000000001"),
            (10, "0000000000000000000000000a"),
            (32, "00000000000000000000000010"),
            (u128::MAX, "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
            (
                0x0110_c853_1d09_52d8_d73e_1194_e95b_5f19,
                "0123456789abcdefghjkmnpqrs",
            ),
        ];
        for (bits, suffix) in vectors {
            let id = OrderId::from(Uuid::from_u128(bits));
            assert_eq!(id.to_string(), format!("ord_{suffix}"));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn reads_nothing_but_the_canonical_form() {
        for text in [
            "",
            "ord_",
            "ord",
            "shp_00000000000000000000000000",
            "ord_0000000000000000000000000",
            "ord_000000000000000000000000000",
            "ord_80000000000000000000000000",
            "ord_0000000000000000000000000A",
            "ORD_00000000000000000000000000",
            "ord_0000000000000000000000000l",
            "ord_ 0000000000000000000000000",
            "ord_000000000000000000000000é",
            "00000000000000000000000000",
        ] {
            assert_eq!(text.parse::<OrderId>().unwrap_err().code, "invalid-id");
        }
    }

    #[test]
    fn a_stock_item_follows_from_product_and_location() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let item = StockId::of(one.into(), two.into());
        assert_eq!(item.to_string(), "stk_7kjqx72nsaanr94ea3q6qj054g");
        assert_ne!(item, StockId::of(two.into(), one.into()));
    }

    #[test]
    fn reads_only_the_canonical_form_of_an_event() {
        let id = event_id(Uuid::from_u128(7), 12);
        assert_eq!(id, "evt_00000000000000000000000007-12");
        assert_eq!(parse_event_id(&id), Ok((Uuid::from_u128(7), 12)));
        for text in [
            "evt_00000000000000000000000007-0",
            "evt_00000000000000000000000007-+1",
            "evt_00000000000000000000000007-01",
            "evt_00000000000000000000000007-18446744073709551616",
            "evt_00000000000000000000000007",
            "ord_00000000000000000000000007-1",
        ] {
            assert!(parse_event_id(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_reads_back_and_sorts_alike(left: u128, right: u128) {
            let [left, right] = [left, right].map(|bits| OrderId::from(Uuid::from_u128(bits)));
            prop_assert_eq!(left.to_string().parse(), Ok(left));
            prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
            let json = serde_json::to_string(&left).unwrap();
            prop_assert_eq!(serde_json::from_str::<OrderId>(&json).unwrap(), left);
        }

        #[test]
        fn hostile_text_is_refused_or_canonical(text in "(ord_|evt_)?.{0,30}") {
            if let Ok(id) = text.parse::<OrderId>() {
                prop_assert_eq!(id.to_string(), text.clone());
            }
            if let Ok((entity, version)) = parse_event_id(&text) {
                prop_assert_eq!(event_id(entity, version), text);
            }
        }
    }
}
