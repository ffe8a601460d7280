//! What clients keep with a resource for their own use.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Invalid;
use super::text::refuse_controls;

/// Up to 20 pairs of texts that mean something to the client only: keys of 1 to 40 characters,
/// values of up to 500.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Checks the pairs.
    ///
    /// # Errors
    /// When there are too many, or one is too long or has control characters.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        if pairs.len() > 20 {
            return Err(Invalid::new(
                "too-much-metadata",
                "metadata has at most 20 pairs",
            ));
        }
        for (key, value) in &pairs {
            if key.is_empty() || key.chars().nth(40).is_some() || value.chars().nth(500).is_some() {
                return Err(Invalid::new(
                    "invalid-metadata",
                    "keys of metadata have 1 to 40 characters, values at most 500",
                ));
            }
            refuse_controls(key)?;
            refuse_controls(value)?;
        }
        Ok(Self(pairs))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Deref for Metadata {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = Invalid;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self, Invalid> {
        Self::new(pairs)
    }
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some(
                "Pairs of texts that mean something to the client only.",
            ))
            .max_properties(Some(20))
            .property_names(Some(text(1, 40)))
            .additional_properties(Some(AdditionalProperties::from(Schema::from(text(0, 500)))))
            .into()
    }
}

impl ToSchema for Metadata {}

fn text(shortest: usize, longest: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(shortest))
        .max_length(Some(longest))
        .pattern(Some(concat!("^[^", controls!(), "]*$")))
        .build()
}
