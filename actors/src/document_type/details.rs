//! What a document type is, and changes to it.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::Rule;
use crate::values::{CountryCode, DocumentCode, Metadata, Name, Reference, given, set};

/// What a document type is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentTypeDetails)]
pub struct Details {
    /// The company's own code; with the country, unique in the company.
    pub code: DocumentCode,
    /// The country that issues such documents; any, if absent.
    #[serde(default)]
    pub country: Option<CountryCode>,
    /// Whom such documents identify.
    pub category: Category,
    /// Its name.
    pub name: Name,
    /// How a number is validated.
    pub rule: Rule,
    /// Whether it is in use.
    #[serde(default = "in_use")]
    #[schema(default = true)]
    pub active: bool,
    /// The client's own name for it, unique in the company.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Whom documents identify.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = DocumentCategory)]
pub enum Category {
    /// A person.
    Personal,
    /// A business.
    Business,
    /// A public body.
    Government,
}

/// Changes to a document type: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentTypePatch)]
pub struct Patch {
    /// The company's own code.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub code: Option<DocumentCode>,
    /// The country that issues such documents.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<CountryCode>)]
    pub country: Option<Option<CountryCode>>,
    /// Whom such documents identify.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub category: Option<Category>,
    /// Its name.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// How a number is validated, replaced as a whole.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub rule: Option<Rule>,
    /// Whether it is in use.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub active: Option<bool>,
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
    pub(super) fn patched(&self, patch: &Patch) -> Self {
        let mut details = self.clone();
        set(&mut details.code, &patch.code);
        set(&mut details.country, &patch.country);
        set(&mut details.category, &patch.category);
        set(&mut details.name, &patch.name);
        set(&mut details.rule, &patch.rule);
        set(&mut details.active, &patch.active);
        set(&mut details.reference, &patch.reference);
        set(&mut details.metadata, &patch.metadata);
        details
    }
}

fn in_use() -> bool {
    true
}
