//! What is known of a user, and how each event changes it.

use chrono::{DateTime, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Index};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::command::{Command, Profile, Role};
use super::event::{Event, Registered};
use super::rejection::Rejection;
use crate::claims;
use crate::ids::UserId;
use crate::values::{Email, Metadata, Reference, SecretHash};

/// A user: nothing before taken on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct User(pub Option<State>);

/// A user as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where the user stands.
    pub status: Status,
    /// What the user may do.
    pub role: Role,
    /// Who it is; absent once erased.
    pub profile: Option<Profile>,
    /// The hash of the password; without one nobody can sign in.
    pub password: Option<SecretHash>,
    /// Under which sessions must have been opened.
    pub generation: u32,
    /// Failed sign-ins in a row.
    pub failures: u32,
    /// Until when the account is locked.
    pub locked_until: Option<DateTime<Utc>>,
    /// The client's own name for the user.
    pub reference: Option<Reference>,
    /// The client's own notes.
    pub metadata: Metadata,
}

/// Where a user stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = UserStatus)]
pub enum Status {
    /// May sign in.
    Active,
    /// May not.
    Deactivated,
}

/// The key under which the user with an address is found.
#[must_use]
pub fn email_key(email: &Email) -> String {
    format!("email:{email}")
}

impl State {
    /// Whether sign-ins are refused for now, whatever the password.
    #[must_use]
    pub fn is_locked(&self, now: DateTime<Utc>) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Whether a session that was opened under a generation still holds as far as its user goes.
    #[must_use]
    pub fn admits(&self, generation: u32) -> bool {
        self.status == Status::Active && self.generation == generation
    }

    fn registered(event: &Registered) -> Self {
        Self {
            status: Status::Active,
            role: event.role,
            profile: event.personal.clone(),
            password: event.secret.clone(),
            generation: 0,
            failures: 0,
            locked_until: None,
            reference: event.reference.clone(),
            metadata: event.metadata.clone(),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Registered(registered) => *self = Self::registered(registered),
            Event::Updated(updated) => {
                self.role = updated.role;
                self.reference.clone_from(&updated.reference);
                self.metadata.clone_from(&updated.metadata);
                self.profile.clone_from(&updated.personal);
            }
            Event::PasswordChanged { secret } => {
                self.password.clone_from(secret);
                self.generation += 1;
                (self.failures, self.locked_until) = (0, None);
            }
            Event::SignInFailed {
                failures,
                locked_until,
            } => (self.failures, self.locked_until) = (*failures, *locked_until),
            Event::FailuresForgiven {} => (self.failures, self.locked_until) = (0, None),
            Event::Activated {} => self.status = Status::Active,
            Event::Deactivated {} => {
                self.status = Status::Deactivated;
                self.generation += 1;
            }
        }
    }
}

impl Entity for User {
    const KIND: &'static str = "user";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 1;

    type Id = UserId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        super::decide::decide(self, command, context)
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (_, Some(state)) => state.apply(event),
            (Event::Registered(registered), none) => *none = Some(State::registered(registered)),
            (_, None) => {}
        }
        self
    }

    fn index(&self) -> Index {
        let Some(state) = &self.0 else {
            return Index::default();
        };
        let text = state
            .profile
            .as_ref()
            .map(|profile| format!("{} {}", profile.name, profile.email));
        Index {
            reference: state.reference.as_ref().map(Reference::to_string),
            status: state.status.into(),
            text: text.unwrap_or_default(),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let Some(state) = &self.0 else {
            return Vec::new();
        };
        let email = state.profile.as_ref().map(|profile| Claim {
            scope: ClaimScope::Installation,
            key: email_key(&profile.email),
            rejection: Rejection::EmailTaken,
        });
        let reference = claims::reference(
            ClaimScope::Tenant,
            state.reference.as_ref(),
            Rejection::ReferenceTaken,
        );
        email.into_iter().chain(reference).collect()
    }
}
