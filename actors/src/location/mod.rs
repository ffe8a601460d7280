//! A location: a place that holds stock, such as a warehouse.
//!
//! ```text
//!  (none) --Create--> active --Deactivate--> inactive
//!                       ^                       |
//!                       '-------Activate--------'
//! ```
//!
//! An inactive location keeps its stock, but no new order is served from it.

#[cfg(test)]
mod tests;

use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::claims;
use crate::ids::LocationId;
use crate::values::{Address, Metadata, Name, Reference, given, set};

/// What may be asked of a location.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Opens it.
    Create {
        /// What it is.
        details: Details,
    },
    /// Changes what it is.
    Update {
        /// The changes.
        patch: Patch,
    },
    /// Lets orders be served from it again.
    Activate,
    /// Lets no more orders be served from it.
    Deactivate,
}

/// Changes to a location: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LocationPatch)]
pub struct Patch {
    /// Its name.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// Where it is.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub address: Option<Address>,
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

/// What may happen to a location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was opened.
    Created {
        /// What it is.
        details: Details,
    },
    /// It was changed.
    Updated {
        /// What it is now.
        details: Details,
    },
    /// Orders may be served from it again.
    Activated,
    /// No more orders are served from it.
    Deactivated,
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}

/// A location: nothing before it is created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Location(pub Option<State>);

/// A location as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands in its life.
    pub status: Status,
    /// What it is.
    pub details: Details,
}

/// What a location is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LocationDetails)]
pub struct Details {
    /// Its name.
    pub name: Name,
    /// Where it is.
    pub address: Address,
    /// The client's own name for it, unique in the company.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Where a location stands in its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = LocationStatus)]
pub enum Status {
    /// Orders may be served from it.
    Active,
    /// It is out of use.
    Inactive,
}

/// Why a location refuses.
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
    /// It was not created.
    #[error("there is no such location")]
    NotFound,
    /// It was created before.
    #[error("the location exists already")]
    AlreadyExists,
    /// Another location of the company has the reference.
    #[error("another location has this reference")]
    ReferenceTaken,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::ReferenceTaken => RejectionKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        matches!(self, Self::ReferenceTaken).then(|| "/reference".into())
    }
}

impl Entity for Location {
    const KIND: &'static str = "location";
    const CONTEXT: &'static str = "order";
    const SCHEMA: u32 = 1;

    type Id = LocationId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        let Some(state) = &self.0 else {
            return match command {
                Command::Create { details } => Ok(vec![Event::Created {
                    details: details.clone(),
                }]),
                Command::Update { .. } | Command::Activate | Command::Deactivate => {
                    Err(Rejection::NotFound)
                }
            };
        };
        Ok(match (state.status, command) {
            (_, Command::Create { .. }) => return Err(Rejection::AlreadyExists),
            (_, Command::Update { patch }) => {
                let details = state.details.patched(patch);
                if details == state.details {
                    return Ok(vec![]);
                }
                vec![Event::Updated { details }]
            }
            (Status::Inactive, Command::Activate) => vec![Event::Activated],
            (Status::Active, Command::Deactivate) => vec![Event::Deactivated],
            (Status::Active, Command::Activate) | (Status::Inactive, Command::Deactivate) => vec![],
        })
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (Event::Created { details }, state) => {
                *state = Some(State {
                    status: Status::Active,
                    details: details.clone(),
                });
            }
            (Event::Updated { details }, Some(state)) => state.details = details.clone(),
            (Event::Activated, Some(state)) => state.status = Status::Active,
            (Event::Deactivated, Some(state)) => state.status = Status::Inactive,
            (Event::Updated { .. } | Event::Activated | Event::Deactivated, None) => {}
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
            text: format!("{} {}", details.name, details.address.city),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let reference = self
            .0
            .as_ref()
            .and_then(|state| state.details.reference.as_ref());
        claims::reference(ClaimScope::Tenant, reference, Rejection::ReferenceTaken)
            .into_iter()
            .collect()
    }
}

impl Details {
    fn patched(&self, patch: &Patch) -> Self {
        let mut details = self.clone();
        set(&mut details.name, &patch.name);
        set(&mut details.address, &patch.address);
        set(&mut details.reference, &patch.reference);
        set(&mut details.metadata, &patch.metadata);
        details
    }
}
