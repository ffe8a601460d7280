//! Currencies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::Invalid;
use super::codes::one_of;

/// A currency's code of ISO 4217, in upper case. Codes without a minor unit (metals, units of
/// account) are no currencies to be paid in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Looks a code up.
    ///
    /// # Errors
    /// When ISO 4217 does not list it with a minor unit.
    pub fn new(code: &str) -> Result<Self, Invalid> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or_else(|| {
                Invalid::new(
                    "unknown-currency",
                    "a currency is a three-letter code of ISO 4217 in upper case, as in BRL",
                )
            })
    }

    /// The three letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals the minor unit has: 2 for most, 0 for JPY, 3 for BHD.
    #[must_use]
    pub fn decimals(self) -> u32 {
        self.0.exponent().unwrap_or(0).into()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Self, Invalid> {
        Self::new(code)
    }
}

impl TryFrom<String> for Currency {
    type Error = Invalid;

    fn try_from(code: String) -> Result<Self, Invalid> {
        Self::new(&code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// All codes, looked for among the combinations of three letters.
fn all_codes() -> Vec<Currency> {
    let letters = || 'A'..='Z';
    letters()
        .flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])))
        .filter_map(|code| Currency::new(&String::from_iter(code)).ok())
        .collect()
}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        let codes = all_codes();
        let names = codes.iter().map(|code| code.as_str());
        one_of("A currency's code of ISO 4217.", names, "BRL")
    }
}

impl ToSchema for Currency {}
