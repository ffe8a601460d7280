//! Time zones.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::Invalid;
use super::codes::one_of;

/// A time zone's name in the IANA data base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Looks a name up.
    ///
    /// # Errors
    /// When the data base does not have it.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        name.parse().map(Self).map_err(|_| {
            Invalid::new(
                "unknown-time-zone",
                "a time zone is a name of the IANA data base, as in America/Sao_Paulo",
            )
        })
    }

    /// The zone's rules.
    #[must_use]
    pub const fn rules(self) -> Tz {
        self.0
    }
}

/// Coordinated Universal Time.
impl Default for TimeZone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.name())
    }
}

impl FromStr for TimeZone {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl TryFrom<String> for TimeZone {
    type Error = Invalid;

    fn try_from(name: String) -> Result<Self, Invalid> {
        Self::new(&name)
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.0.name().to_owned()
    }
}

impl PartialSchema for TimeZone {
    fn schema() -> RefOr<Schema> {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        one_of(
            "A time zone's name in the IANA data base.",
            names,
            "America/Sao_Paulo",
        )
    }
}

impl ToSchema for TimeZone {}
