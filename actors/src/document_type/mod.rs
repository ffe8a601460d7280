//! A document type: a kind of identity document, such as the CPF, and how its numbers are validated.
//!
//! ```text
//!  (none) --Create--> there --Update--.
//!                       ^             |
//!                       '-------------'
//! ```
//!
//! Whether it is in use is a property among others: numbers are validated all the same.

mod check;
mod details;
mod rule;

#[cfg(test)]
mod tests;

use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

pub use self::check::Check;
pub use self::details::{Category, Details, Patch};
pub use self::rule::{Characters, Fault, Rule, Verdict};
use crate::claims;
use crate::ids::{self, DocumentTypeId};
use crate::values::{CountryCode, Reference};

/// What may be asked of a document type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Defines it.
    Create {
        /// What it is.
        details: Box<Details>,
    },
    /// Changes what it is.
    Update {
        /// The changes.
        patch: Box<Patch>,
    },
}

/// What may happen to a document type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was defined.
    Created {
        /// What it is.
        details: Box<Details>,
    },
    /// It was changed.
    Updated {
        /// What it is now.
        details: Box<Details>,
    },
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}

/// A document type: nothing before it is defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentType(pub Option<Details>);

/// Why a document type refuses.
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
    /// It was not defined.
    #[error("there is no such document type")]
    NotFound,
    /// It was defined before.
    #[error("the document type exists already")]
    AlreadyExists,
    /// Another document type of the company has the code in this country.
    #[error("another document type of this country has this code")]
    CodeTaken,
    /// Another document type of the company has the reference.
    #[error("another document type has this reference")]
    ReferenceTaken,
    /// The longest number would be shorter than the shortest.
    #[error("the greatest length of a number is not less than the least")]
    LengthsReversed,
    /// The check digits are made for other numbers.
    #[error("numbers of these lengths and characters have no such check digits")]
    CheckUnsuited,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::CodeTaken | Self::ReferenceTaken => RejectionKind::Conflict,
            Self::LengthsReversed | Self::CheckUnsuited => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        let pointer = match self {
            Self::NotFound | Self::AlreadyExists => return None,
            Self::CodeTaken => "/code",
            Self::ReferenceTaken => "/reference",
            Self::LengthsReversed => "/rule/max_length",
            Self::CheckUnsuited => "/rule/check",
        };
        Some(pointer.into())
    }
}

impl Entity for DocumentType {
    const KIND: &'static str = "document_type";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 1;

    type Id = DocumentTypeId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match (&self.0, command) {
            (None, Command::Create { details }) => {
                details.rule.check()?;
                let details = details.clone();
                Ok(vec![Event::Created { details }])
            }
            (None, Command::Update { .. }) => Err(Rejection::NotFound),
            (Some(_), Command::Create { .. }) => Err(Rejection::AlreadyExists),
            (Some(present), Command::Update { patch }) => {
                let details = Box::new(present.patched(patch));
                details.rule.check()?;
                let is_new = *details != *present;
                Ok(is_new
                    .then_some(Event::Updated { details })
                    .into_iter()
                    .collect())
            }
        }
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (Event::Created { details }, state) => *state = Some(Details::clone(details)),
            (Event::Updated { details }, Some(state)) => *state = Details::clone(details),
            (Event::Updated { .. }, None) => {}
        }
        self
    }

    /// Types of one code belong together, and a country is where they are: for each, lists have an
    /// id to look for. The category is the only state that they have.
    fn index(&self) -> Index {
        let Some(details) = &self.0 else {
            return Index::default();
        };
        Index {
            reference: details.reference.as_ref().map(Reference::to_string),
            status: details.category.into(),
            parent: Some(ids::named(details.code.as_str())),
            site: details.country.map(|country| ids::named(country.as_str())),
            flagged: details.active,
            text: format!("{} {}", details.name, details.code),
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let Some(details) = &self.0 else {
            return Vec::new();
        };
        let country = details.country.map_or("", CountryCode::as_str);
        let code = Claim {
            scope: ClaimScope::Tenant,
            key: format!("code:{}:{country}", details.code),
            rejection: Rejection::CodeTaken,
        };
        let reference = claims::reference(
            ClaimScope::Tenant,
            details.reference.as_ref(),
            Rejection::ReferenceTaken,
        );
        [code].into_iter().chain(reference).collect()
    }
}
