//! What a product is, and changes to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Rejection;
use crate::values::{
    CountryCode, Dimensions, HsCode, Metadata, Money, Name, Reference, Sku, Text, Weight, given,
    set,
};

/// What a product is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductDetails)]
pub struct Details {
    /// The company's own code, unique in the company.
    pub sku: Sku,
    /// Its name.
    pub name: Name,
    /// In more words.
    #[serde(default)]
    pub description: Option<Text<2000>>,
    /// What it is a kind of.
    #[serde(default)]
    pub category: Option<Text<100>>,
    /// What one costs customers; order lines may say otherwise.
    pub price: Money,
    /// What one costs the company, in the currency of the price.
    #[serde(default)]
    pub cost: Option<Money>,
    /// What one weighs, in grams.
    #[serde(default)]
    pub weight_g: Option<Weight>,
    /// The outer measures of one.
    #[serde(default)]
    pub dimensions: Option<Dimensions>,
    /// Its place in the Harmonized System of the World Customs Organization.
    #[serde(default)]
    pub hs_code: Option<HsCode>,
    /// The country that it was made in.
    #[serde(default)]
    pub origin: Option<CountryCode>,
    /// Whether orders may exceed what is there, and wait.
    #[serde(default)]
    pub backorderable: bool,
    /// The client's own name for it, unique in the company.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Changes to a product: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductPatch)]
pub struct Patch {
    /// The company's own code.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub sku: Option<Sku>,
    /// Its name.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// In more words.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Text<2000>>)]
    pub description: Option<Option<Text<2000>>>,
    /// What it is a kind of.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Text<100>>)]
    pub category: Option<Option<Text<100>>>,
    /// What one costs customers.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub price: Option<Money>,
    /// What one costs the company.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Money>)]
    pub cost: Option<Option<Money>>,
    /// What one weighs, in grams.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Weight>)]
    pub weight_g: Option<Option<Weight>>,
    /// The outer measures of one.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Dimensions>)]
    pub dimensions: Option<Option<Dimensions>>,
    /// Its place in the Harmonized System.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<HsCode>)]
    pub hs_code: Option<Option<HsCode>>,
    /// The country that it was made in.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<CountryCode>)]
    pub origin: Option<Option<CountryCode>>,
    /// Whether orders may exceed what is there, and wait.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub backorderable: Option<bool>,
    /// The client's own name for it.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Reference>)]
    pub reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
}

impl Details {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        if self.price.is_negative() {
            return Err(Rejection::NegativePrice);
        }
        if self.cost.is_some_and(Money::is_negative) {
            return Err(Rejection::NegativeCost);
        }
        if self
            .cost
            .is_some_and(|cost| cost.currency() != self.price.currency())
        {
            return Err(Rejection::CurrencyMismatch);
        }
        Ok(())
    }

    pub(super) fn patched(&self, patch: &Patch) -> Self {
        let mut details = self.clone();
        set(&mut details.sku, &patch.sku);
        set(&mut details.name, &patch.name);
        set(&mut details.description, &patch.description);
        set(&mut details.category, &patch.category);
        set(&mut details.price, &patch.price);
        set(&mut details.cost, &patch.cost);
        set(&mut details.weight_g, &patch.weight_g);
        set(&mut details.dimensions, &patch.dimensions);
        set(&mut details.hs_code, &patch.hs_code);
        set(&mut details.origin, &patch.origin);
        set(&mut details.backorderable, &patch.backorderable);
        set(&mut details.reference, &patch.reference);
        set(&mut details.metadata, &patch.metadata);
        details
    }
}
