//! An API key: what a third party's program signs in with.
//!
//! ```text
//!  (none) --Create--> active --Revoke----------> revoked
//!                       '------Expire (timer)---> expired
//! ```
//!
//! A key holds only until its end whether or not the timer has come by: see [`State::holds`].

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind, Timer};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::claims;
use crate::ids::ApiKeyId;
use crate::values::{Metadata, Name, Reference, SecretHash, Text};

/// What may be asked of an API key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Makes it.
    Create {
        /// What it is for.
        name: Name,
        /// What it may do.
        scopes: BTreeSet<Scope>,
        /// When it ends by itself.
        expires_at: Option<DateTime<Utc>>,
        /// What it is recognised by.
        prefix: Text<100>,
        /// The hash of the key.
        key: SecretHash,
        /// The client's own name for it, unique in the company.
        reference: Option<Reference>,
        /// The client's own notes.
        metadata: Metadata,
    },
    /// Ends it.
    Revoke,
    /// Its time is up.
    Expire,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApiKeyScope)]
pub enum Scope {
    /// Read what the company has.
    Read,
    /// Change it; implies reading.
    Write,
}

/// What may happen to an API key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was made.
    Created {
        /// What it is for.
        name: Name,
        /// What it may do.
        scopes: BTreeSet<Scope>,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
        /// What it is recognised by.
        prefix: Text<100>,
        /// The hash of the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretHash>,
        /// The client's own name for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        /// The client's own notes.
        #[serde(default, skip_serializing_if = "Metadata::is_empty")]
        metadata: Metadata,
    },
    /// It was ended.
    Revoked {},
    /// Its time was up.
    Expired {},
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}

/// An API key: nothing before it is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(pub Option<State>);

/// An API key as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// What it is for.
    pub name: Name,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it is recognised by.
    pub prefix: Text<100>,
    /// The hash of the key; without one nothing fits it.
    pub key: Option<SecretHash>,
    /// The client's own name for it.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
}

impl State {
    /// Whether it lets anybody in.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.status == Status::Active && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it may do that, while it holds.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Write)
    }
}

/// Where an API key stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = ApiKeyStatus)]
pub enum Status {
    /// Good.
    Active,
    /// Ended by somebody.
    Revoked,
    /// Ended in time.
    Expired,
}

/// Why an API key refuses.
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
    /// It was not made.
    #[error("there is no such API key")]
    NotFound,
    /// It was made before.
    #[error("the API key exists already")]
    AlreadyExists,
    /// Another key of the company has the reference.
    #[error("another API key has this reference")]
    ReferenceTaken,
    /// A key that may do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// A key that would end before it began.
    #[error("the end of a key must lie in the future")]
    EndInThePast,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::ReferenceTaken => RejectionKind::Conflict,
            Self::NoScope | Self::EndInThePast => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::ReferenceTaken => Some("/reference".into()),
            Self::NoScope => Some("/scopes".into()),
            Self::EndInThePast => Some("/expires_at".into()),
            Self::NotFound | Self::AlreadyExists => None,
        }
    }
}

impl Entity for ApiKey {
    const KIND: &'static str = "api_key";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 1;

    type Id = ApiKeyId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        let Some(state) = &self.0 else {
            return create(command, context.now);
        };
        Ok(match (state.status, command) {
            (_, Command::Create { .. }) => return Err(Rejection::AlreadyExists),
            (Status::Active, Command::Revoke) => vec![Event::Revoked {}],
            (Status::Active, Command::Expire) if !state.holds(context.now) => {
                vec![Event::Expired {}]
            }
            (Status::Active, Command::Expire)
            | (Status::Revoked | Status::Expired, Command::Revoke | Command::Expire) => vec![],
        })
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (
                Event::Created {
                    name,
                    scopes,
                    expires_at,
                    prefix,
                    secret,
                    reference,
                    metadata,
                },
                state,
            ) => {
                *state = Some(State {
                    status: Status::Active,
                    name: name.clone(),
                    scopes: scopes.clone(),
                    expires_at: *expires_at,
                    prefix: prefix.clone(),
                    key: secret.clone(),
                    reference: reference.clone(),
                    metadata: metadata.clone(),
                });
            }
            (Event::Revoked {}, Some(state)) => state.status = Status::Revoked,
            (Event::Expired {}, Some(state)) => state.status = Status::Expired,
            (Event::Revoked {} | Event::Expired {}, None) => {}
        }
        self
    }

    fn index(&self) -> Index {
        let Some(state) = &self.0 else {
            return Index::default();
        };
        Index {
            reference: state.reference.as_ref().map(Reference::to_string),
            status: state.status.into(),
            text: state.name.to_string(),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let reference = self.0.as_ref().and_then(|state| state.reference.as_ref());
        claims::reference(ClaimScope::Tenant, reference, Rejection::ReferenceTaken)
            .into_iter()
            .collect()
    }

    fn timers(&self) -> Vec<Timer<Command>> {
        let open = self.0.iter().filter(|state| state.status == Status::Active);
        open.filter_map(|state| state.expires_at)
            .map(|at| Timer {
                name: "end".into(),
                at,
                command: Command::Expire,
            })
            .collect()
    }
}

fn create(command: &Command, now: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Create { scopes, .. } if scopes.is_empty() => Err(Rejection::NoScope),
        Command::Create { expires_at, .. } if expires_at.is_some_and(|end| end <= now) => {
            Err(Rejection::EndInThePast)
        }
        Command::Create {
            name,
            scopes,
            expires_at,
            prefix,
            key,
            reference,
            metadata,
        } => Ok(vec![Event::Created {
            name: name.clone(),
            scopes: scopes.clone(),
            expires_at: expires_at.map(|end| end.trunc_subsecs(3)),
            prefix: prefix.clone(),
            secret: Some(key.clone()),
            reference: reference.clone(),
            metadata: metadata.clone(),
        }]),
        Command::Revoke | Command::Expire => Err(Rejection::NotFound),
    }
}
