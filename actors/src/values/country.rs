//! Countries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::Invalid;
use super::codes::one_of;

/// A country's two-letter code of ISO 3166-1, in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountryCode(rust_iso3166::CountryCode);

impl CountryCode {
    /// Looks a code up.
    ///
    /// # Errors
    /// When ISO 3166-1 does not assign the code.
    pub fn new(code: &str) -> Result<Self, Invalid> {
        rust_iso3166::from_alpha2(code).map(Self).ok_or_else(|| {
            Invalid::new(
                "unknown-country",
                "a country is a two-letter code of ISO 3166-1 in upper case, as in BR",
            )
        })
    }

    /// The two letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.alpha2
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.alpha2)
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for CountryCode {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Self, Invalid> {
        Self::new(code)
    }
}

impl TryFrom<String> for CountryCode {
    type Error = Invalid;

    fn try_from(code: String) -> Result<Self, Invalid> {
        Self::new(&code)
    }
}

impl From<CountryCode> for String {
    fn from(country: CountryCode) -> Self {
        country.0.alpha2.to_owned()
    }
}

impl PartialSchema for CountryCode {
    fn schema() -> RefOr<Schema> {
        let names = rust_iso3166::ALL_ALPHA2.iter().copied();
        one_of("A country's two-letter code of ISO 3166-1.", names, "BR")
    }
}

impl ToSchema for CountryCode {}
