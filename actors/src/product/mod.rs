//! A product: something that a company stocks and sells, known by its SKU.
//!
//! ```text
//!  (none) --Create--> active --Deactivate--> inactive
//!                       ^                       |
//!                       '-------Activate--------'
//! ```
//!
//! An inactive product keeps its stock, but is not part of new orders.

mod details;

#[cfg(test)]
mod tests;

use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

pub use self::details::{Details, Patch};
use crate::claims;
use crate::ids::ProductId;
use crate::values::{Reference, Text};

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
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    thiserror::Error,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantNames,
)]
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
    /// A cost that cannot be compared with the price.
    #[error("price and cost are in the same currency")]
    CurrencyMismatch,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::SkuTaken | Self::ReferenceTaken => RejectionKind::Conflict,
            Self::NegativePrice | Self::NegativeCost | Self::CurrencyMismatch => {
                RejectionKind::Invalid
            }
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
            Self::CurrencyMismatch => Some("/cost/currency".into()),
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
