//! A product: something that a company stocks and sells, known by its SKU.
//!
//! ```text
//!  (none) --Create--> active --Deactivate--> inactive
//!                       ^                       |
//!                       '-------Activate--------'
//! ```
//!
//! An inactive product keeps its stock, but is not part of new orders.

#[cfg(test)]
mod tests;

use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::claims;
use crate::ids::ProductId;
use crate::values::{
    CountryCode, Dimensions, HsCode, Metadata, Money, Name, Reference, Sku, Text, Weight, given,
    set,
};

/// What may be asked of a product.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Lists it.
    Create {
        /// What it is.
        details: Box<Details>,
    },
    /// Changes what it is.
    Update {
        /// The changes.
        patch: Box<Patch>,
    },
    /// Sells it again.
    Activate,
    /// Sells it no more.
    Deactivate,
}

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<2000>>,
    /// What it is a kind of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Text<100>>,
    /// What one costs customers; order lines may say otherwise.
    pub price: Money,
    /// What one costs the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What one weighs, in grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_g: Option<Weight>,
    /// The outer measures of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Dimensions>,
    /// Its place in the Harmonized System of the World Customs Organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hs_code: Option<HsCode>,
    /// The country that it was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<CountryCode>,
    /// Whether orders may exceed what is there, and wait.
    #[serde(default)]
    pub backorderable: bool,
    /// The client's own name for it, unique in the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Changes to a product: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ProductPatch)]
pub struct Patch {
    /// The company's own code.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// Its name.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// In more words.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Text<2000>>)]
    pub description: Option<Option<Text<2000>>>,
    /// What it is a kind of.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Text<100>>)]
    pub category: Option<Option<Text<100>>>,
    /// What one costs customers.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// What one costs the company.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Money>)]
    pub cost: Option<Option<Money>>,
    /// What one weighs, in grams.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Weight>)]
    pub weight_g: Option<Option<Weight>>,
    /// The outer measures of one.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Dimensions>)]
    pub dimensions: Option<Option<Dimensions>>,
    /// Its place in the Harmonized System.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HsCode>)]
    pub hs_code: Option<Option<HsCode>>,
    /// The country that it was made in.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CountryCode>)]
    pub origin: Option<Option<CountryCode>>,
    /// Whether orders may exceed what is there, and wait.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub backorderable: Option<bool>,
    /// The client's own name for it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Reference>)]
    pub reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// What may happen to a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was listed.
    Created {
        /// What it is.
        details: Box<Details>,
    },
    /// It was changed.
    Updated {
        /// What it is now.
        details: Box<Details>,
    },
    /// It is sold again.
    Activated {},
    /// It is sold no more.
    Deactivated {},
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}

/// A product: nothing before it is listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Product(pub Option<State>);

/// A product as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// What it is.
    pub details: Details,
}

/// Where a product stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ProductStatus)]
pub enum Status {
    /// Sold.
    Active,
    /// Not sold.
    Inactive,
}

/// Why a product refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, IntoStaticStr)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    /// It was not listed.
    #[error("there is no such product")]
    NotFound,
    /// It was listed before.
    #[error("the product exists already")]
    AlreadyExists,
    /// Another product of the company has the SKU.
    #[error("another product has this SKU")]
    SkuTaken,
    /// Another product of the company has the reference.
    #[error("another product has this reference")]
    ReferenceTaken,
    /// A price below nothing.
    #[error("a price cannot be negative")]
    NegativePrice,
    /// A cost below nothing.
    #[error("a cost cannot be negative")]
    NegativeCost,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::SkuTaken | Self::ReferenceTaken => RejectionKind::Conflict,
            Self::NegativePrice | Self::NegativeCost => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::SkuTaken => Some("/sku".into()),
            Self::ReferenceTaken => Some("/reference".into()),
            Self::NegativePrice => Some("/price/amount".into()),
            Self::NegativeCost => Some("/cost/amount".into()),
            Self::NotFound | Self::AlreadyExists => None,
        }
    }
}

impl Entity for Product {
    const KIND: &'static str = "product";
    const CONTEXT: &'static str = "order";
    const SCHEMA: u32 = 1;

    type Id = ProductId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        let Some(state) = &self.0 else {
            return match command {
                Command::Create { details } => {
                    details.check()?;
                    Ok(vec![Event::Created {
                        details: details.clone(),
                    }])
                }
                Command::Update { .. } | Command::Activate | Command::Deactivate => {
                    Err(Rejection::NotFound)
                }
            };
        };
        Ok(match (state.status, command) {
            (_, Command::Create { .. }) => return Err(Rejection::AlreadyExists),
            (_, Command::Update { patch }) => {
                let details = state.details.patched(patch);
                details.check()?;
                if details == state.details {
                    return Ok(vec![]);
                }
                let details = Box::new(details);
                vec![Event::Updated { details }]
            }
            (Status::Inactive, Command::Activate) => vec![Event::Activated {}],
            (Status::Active, Command::Deactivate) => vec![Event::Deactivated {}],
            (Status::Active, Command::Activate) | (Status::Inactive, Command::Deactivate) => vec![],
        })
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (Event::Created { details }, state) => {
                *state = Some(State {
                    status: Status::Active,
                    details: Details::clone(details),
                });
            }
            (Event::Updated { details }, Some(state)) => state.details = Details::clone(details),
            (Event::Activated {}, Some(state)) => state.status = Status::Active,
            (Event::Deactivated {}, Some(state)) => state.status = Status::Inactive,
            (Event::Updated { .. } | Event::Activated {} | Event::Deactivated {}, None) => {}
        }
        self
    }

    fn index(&self) -> Index {
        let Some(State { status, details }) = &self.0 else {
            return Index::default();
        };
        let category = details.category.as_ref().map_or("", Text::as_str);
        Index {
            reference: details.reference.as_ref().map(Reference::to_string),
            status: status.into(),
            text: format!("{} {} {category}", details.name, details.sku),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let Some(State { details, .. }) = &self.0 else {
            return Vec::new();
        };
        let sku = Claim {
            scope: ClaimScope::Tenant,
            key: format!("sku:{}", details.sku),
            rejection: Rejection::SkuTaken,
        };
        let reference = claims::reference(
            ClaimScope::Tenant,
            details.reference.as_ref(),
            Rejection::ReferenceTaken,
        );
        [sku].into_iter().chain(reference).collect()
    }
}

impl Details {
    fn check(&self) -> Result<(), Rejection> {
        if self.price.is_negative() {
            return Err(Rejection::NegativePrice);
        }
        if self.cost.is_some_and(Money::is_negative) {
            return Err(Rejection::NegativeCost);
        }
        Ok(())
    }

    fn patched(&self, patch: &Patch) -> Self {
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
