//! A company: whose customers, catalogue, stock, orders and shipments are kept apart from others'.
//!
//! ```text
//!  (none) --Create--> active --Suspend--> suspended
//!                       ^                     |
//!                       '------Activate-------'
//! ```
//!
//! Nobody of a suspended company is let in. A company belongs to itself: its id is the tenant of
//! everything in it.

mod details;

#[cfg(test)]
mod tests;

use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

pub use self::details::{Details, Patch, Settings, SettingsPatch};
use crate::claims;
use crate::ids::CompanyId;
use crate::values::{Reference, Text};

/// What may be asked of a company.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Takes it on.
    Create {
        /// What it is.
        details: Box<Details>,
    },
    /// Changes what it is.
    Update {
        /// The changes.
        patch: Box<Patch>,
    },
    /// Lets nobody of it in any more.
    Suspend {
        /// Why.
        reason: Option<Text<500>>,
    },
    /// Lets its people in again.
    Activate,
}

/// What may happen to a company.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was taken on.
    Created {
        /// What it is.
        details: Box<Details>,
    },
    /// It was changed.
    Updated {
        /// What it is now.
        details: Box<Details>,
    },
    /// Nobody of it is let in any more.
    Suspended {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
    /// Its people are let in again.
    Activated {},
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}

/// A company: nothing before it is taken on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Company(pub Option<State>);

/// A company as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// What it is.
    pub details: Details,
}

/// Where a company stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = CompanyStatus)]
pub enum Status {
    /// At work.
    Active,
    /// Nobody of it is let in.
    Suspended,
}

/// Why a company refuses.
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
    /// It was not taken on.
    #[error("there is no such company")]
    NotFound,
    /// It was taken on before.
    #[error("the company exists already")]
    AlreadyExists,
    /// Another company has the reference.
    #[error("another company has this reference")]
    ReferenceTaken,
    /// Its orders and prices are in the present currency.
    #[error("the currency of a company cannot be changed")]
    CurrencyFixed,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::ReferenceTaken => RejectionKind::Conflict,
            Self::CurrencyFixed => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::ReferenceTaken => Some("/reference".into()),
            Self::CurrencyFixed => Some("/currency".into()),
            Self::NotFound | Self::AlreadyExists => None,
        }
    }
}

impl Entity for Company {
    const KIND: &'static str = "company";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 1;

    type Id = CompanyId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        let Some(state) = &self.0 else {
            return match command {
                Command::Create { details } => Ok(vec![Event::Created {
                    details: details.clone(),
                }]),
                Command::Update { .. } | Command::Suspend { .. } | Command::Activate => {
                    Err(Rejection::NotFound)
                }
            };
        };
        Ok(match (state.status, command) {
            (_, Command::Create { .. }) => return Err(Rejection::AlreadyExists),
            (_, Command::Update { patch }) => {
                let details = state.details.patched(patch)?;
                if details == state.details {
                    return Ok(vec![]);
                }
                let details = Box::new(details);
                vec![Event::Updated { details }]
            }
            (Status::Active, Command::Suspend { reason }) => vec![Event::Suspended {
                reason: reason.clone(),
            }],
            (Status::Suspended, Command::Activate) => vec![Event::Activated {}],
            (Status::Suspended, Command::Suspend { .. }) | (Status::Active, Command::Activate) => {
                vec![]
            }
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
            (Event::Suspended { .. }, Some(state)) => state.status = Status::Suspended,
            (Event::Activated {}, Some(state)) => state.status = Status::Active,
            (Event::Updated { .. } | Event::Suspended { .. } | Event::Activated {}, None) => {}
        }
        self
    }

    fn index(&self) -> Index {
        let Some(State { status, details }) = &self.0 else {
            return Index::default();
        };
        Index {
            reference: details.reference.as_ref().map(Reference::to_string),
            status: status.into(),
            text: details.name.to_string(),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let reference = self
            .0
            .as_ref()
            .and_then(|state| state.details.reference.as_ref());
        claims::reference(
            ClaimScope::Installation,
            reference,
            Rejection::ReferenceTaken,
        )
        .into_iter()
        .collect()
    }
}
