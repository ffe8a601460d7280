//! Postal addresses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CountryCode, List, Name, Phone, Text};

/// A postal address. Only what every country has is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Who lives or works there.
    #[serde(default)]
    pub name: Option<Name>,
    /// Street, number, floor and the like.
    #[schema(value_type = Vec<Text<200>>, min_items = 1, max_items = 4)]
    pub lines: List<Text<200>, 1, 4>,
    /// City.
    pub city: Text<100>,
    /// State, province or prefecture.
    #[serde(default)]
    pub region: Option<Text<100>>,
    /// Postal code; not every country has them.
    #[serde(default)]
    pub postal_code: Option<Text<20>>,
    /// Country.
    pub country: CountryCode,
    /// A telephone number for whoever delivers.
    #[serde(default)]
    pub phone: Option<Phone>,
}
