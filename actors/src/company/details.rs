//! What a company is, and changes to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Rejection;
use crate::ids::LocationId;
use crate::values::{CountryCode, Currency, Metadata, Name, Reference, TimeZone, given, set};

/// What a company is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CompanyDetails)]
pub struct Details {
    /// Its name.
    pub name: Name,
    /// The currency of its orders; it cannot be changed.
    pub currency: Currency,
    /// Where its days begin and end.
    #[serde(default)]
    pub time_zone: TimeZone,
    /// Where it is registered.
    #[serde(default)]
    pub country: Option<CountryCode>,
    /// How it works.
    #[serde(default)]
    pub settings: Settings,
    /// The installation's own name for it, unique among companies.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// Notes, replaced as a whole.
    #[serde(default)]
    pub metadata: Metadata,
}

/// How a company works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CompanySettings)]
pub struct Settings {
    /// The location that serves order lines which name none.
    pub default_location: Option<LocationId>,
}

/// Changes to a company: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CompanyPatch)]
pub struct Patch {
    /// Its name.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// Must be the present one.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub currency: Option<Currency>,
    /// Where its days begin and end.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub time_zone: Option<TimeZone>,
    /// Where it is registered.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<CountryCode>)]
    pub country: Option<Option<CountryCode>>,
    /// How it works.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub settings: Option<SettingsPatch>,
    /// The installation's own name for it.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Reference>)]
    pub reference: Option<Option<Reference>>,
    /// Notes, replaced as a whole.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
}

/// Changes to how a company works: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CompanySettingsPatch)]
pub struct SettingsPatch {
    /// The location that serves order lines which name none.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<LocationId>)]
    pub default_location: Option<Option<LocationId>>,
}

impl Details {
    pub(super) fn patched(&self, patch: &Patch) -> Result<Self, Rejection> {
        if patch.currency.is_some_and(|it| it != self.currency) {
            return Err(Rejection::CurrencyFixed);
        }
        let mut details = self.clone();
        set(&mut details.name, &patch.name);
        set(&mut details.time_zone, &patch.time_zone);
        set(&mut details.country, &patch.country);
        if let Some(settings) = &patch.settings {
            details.settings.patch(settings);
        }
        set(&mut details.reference, &patch.reference);
        set(&mut details.metadata, &patch.metadata);
        Ok(details)
    }
}

impl Settings {
    fn patch(&mut self, patch: &SettingsPatch) {
        set(&mut self.default_location, &patch.default_location);
    }
}
