//! A user: somebody who signs in with a password.
//!
//! ```text
//!  (none) --Register--> active --Deactivate--> deactivated
//!                         ^                         |
//!                         '--------Activate---------'
//! ```
//!
//! A superuser runs the installation and belongs to no company; everybody else belongs to one.
//! Sessions are opened under the user's `generation`: raising it, as a new password and a
//! deactivation do, ends them all at once. After five failed sign-ins in a row the account is
//! locked for a minute, and for twice as long after each further one.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::claims;
use crate::ids::UserId;
use crate::values::{Email, Metadata, Name, Reference, SecretHash, given, set};

/// Failed sign-ins in a row that an account takes without being locked.
const FAILURES_FREE: u32 = 4;
/// The longest lock: 2^10 minutes, some 17 hours.
const LOCK_DOUBLINGS_MAX: u32 = 10;

/// What may be asked of a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Takes the user on, in the company of the request.
    Register {
        /// Who it is.
        profile: Profile,
        /// What the user may do.
        role: Role,
        /// The hash of the password.
        password: SecretHash,
        /// The client's own name for the user.
        reference: Option<Reference>,
        /// The client's own notes.
        metadata: Metadata,
    },
    /// Changes who it is and what the user may do.
    Update {
        /// The changes.
        patch: Patch,
    },
    /// Gives the user another password, which ends all sessions.
    ChangePassword {
        /// Its hash.
        password: SecretHash,
    },
    /// Somebody gave a wrong password.
    RecordFailure,
    /// Somebody gave the right one.
    RecordSuccess,
    /// Lets the user in again.
    Activate,
    /// Lets the user in no more, and ends all sessions.
    Deactivate,
}

/// Who a user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The address to sign in with, unique in the installation.
    pub email: Email,
    /// The name.
    pub name: Name,
}

/// What a user may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantNames,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Runs the installation.
    Superuser,
    /// Runs a company.
    Admin,
    /// Reads what a company has.
    Viewer,
}

/// Changes to a user: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Patch {
    /// The name.
    pub name: Option<Name>,
    /// What the user may do.
    pub role: Option<Role>,
    /// The client's own name for the user.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    pub metadata: Option<Metadata>,
}

/// What may happen to a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The user was taken on.
    Registered {
        /// What the user may do.
        role: Role,
        /// The client's own name for the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        /// The client's own notes.
        #[serde(default)]
        metadata: Metadata,
        /// The hash of the password.
        secret: SecretHash,
        /// Who it is, until erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        personal: Option<Profile>,
    },
    /// The user was changed.
    Updated {
        /// What the user may do now.
        role: Role,
        /// The client's own name for the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        /// The client's own notes.
        #[serde(default)]
        metadata: Metadata,
        /// Who it is now, until erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        personal: Option<Profile>,
    },
    /// The user got another password.
    PasswordChanged {
        /// Its hash.
        secret: SecretHash,
    },
    /// A sign-in failed.
    SignInFailed {
        /// How many in a row.
        failures: u32,
        /// Until when the account is locked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locked_until: Option<DateTime<Utc>>,
    },
    /// A sign-in succeeded after failed ones.
    FailuresForgiven {},
    /// The user is let in again.
    Activated {},
    /// The user is let in no more.
    Deactivated {},
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }

    fn is_personal(&self) -> bool {
        match self {
            Self::Registered { personal, .. } | Self::Updated { personal, .. } => {
                personal.is_some()
            }
            Self::PasswordChanged { .. }
            | Self::SignInFailed { .. }
            | Self::FailuresForgiven {}
            | Self::Activated {}
            | Self::Deactivated {} => false,
        }
    }
}

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
    /// The hash of the password.
    pub password: SecretHash,
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

impl State {
    /// Whether sign-ins are refused for now, whatever the password.
    #[must_use]
    pub fn is_locked(&self, now: DateTime<Utc>) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }
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

/// Why a user refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, IntoStaticStr)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// The user was taken on before.
    #[error("the user exists already")]
    AlreadyExists,
    /// Another user has the address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// Another user of the company has the reference.
    #[error("another user has this reference")]
    ReferenceTaken,
    /// Superusers belong to no company, and others to one.
    #[error("superusers belong to no company, and everybody else to one")]
    RoleOutOfPlace,
    /// The personal data of the user were erased.
    #[error("the personal data of this user were erased")]
    Erased,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::EmailTaken | Self::ReferenceTaken | Self::Erased => {
                RejectionKind::Conflict
            }
            Self::RoleOutOfPlace => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::EmailTaken => Some("/email".into()),
            Self::ReferenceTaken => Some("/reference".into()),
            Self::RoleOutOfPlace => Some("/role".into()),
            Self::NotFound | Self::AlreadyExists | Self::Erased => None,
        }
    }
}

/// The key under which the user with an address is found.
#[must_use]
pub fn email_key(email: &Email) -> String {
    format!("email:{email}")
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
        let Some(state) = &self.0 else {
            return register(command, context);
        };
        Ok(match (state.status, command) {
            (_, Command::Register { .. }) => return Err(Rejection::AlreadyExists),
            (_, Command::Update { patch }) => state.update(patch, context)?,
            (_, Command::ChangePassword { password }) => vec![Event::PasswordChanged {
                secret: password.clone(),
            }],
            (_, Command::RecordFailure) => state.fail(context.now),
            (_, Command::RecordSuccess) if state.failures == 0 => vec![],
            (_, Command::RecordSuccess) => vec![Event::FailuresForgiven {}],
            (Status::Deactivated, Command::Activate) => vec![Event::Activated {}],
            (Status::Active, Command::Deactivate) => vec![Event::Deactivated {}],
            (Status::Active, Command::Activate) | (Status::Deactivated, Command::Deactivate) => {
                vec![]
            }
        })
    }

    fn evolve(mut self, event: &Event) -> Self {
        if let Event::Registered { .. } = event {
            return Self(State::registered(event));
        }
        if let Some(state) = &mut self.0 {
            state.apply(event);
        }
        self
    }

    fn index(&self) -> Index {
        let Some(state) = &self.0 else {
            return Index::default();
        };
        let text = state.profile.as_ref();
        Index {
            reference: state.reference.as_ref().map(Reference::to_string),
            status: state.status.into(),
            text: text.map_or_else(String::new, |it| format!("{} {}", it.name, it.email)),
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

fn register(command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Register {
            profile,
            role,
            password,
            reference,
            metadata,
        } => {
            check_role(*role, context)?;
            Ok(vec![Event::Registered {
                role: *role,
                reference: reference.clone(),
                metadata: metadata.clone(),
                secret: password.clone(),
                personal: Some(profile.clone()),
            }])
        }
        Command::Update { .. }
        | Command::ChangePassword { .. }
        | Command::RecordFailure
        | Command::RecordSuccess
        | Command::Activate
        | Command::Deactivate => Err(Rejection::NotFound),
    }
}

fn check_role(role: Role, context: &Context) -> Result<(), Rejection> {
    match (role, context.tenant.is_nil()) {
        (Role::Superuser, true) | (Role::Admin | Role::Viewer, false) => Ok(()),
        (Role::Superuser, false) | (Role::Admin | Role::Viewer, true) => {
            Err(Rejection::RoleOutOfPlace)
        }
    }
}

impl State {
    fn registered(event: &Event) -> Option<Self> {
        let Event::Registered {
            role,
            reference,
            metadata,
            secret,
            personal,
        } = event
        else {
            return None;
        };
        Some(Self {
            status: Status::Active,
            role: *role,
            profile: personal.clone(),
            password: secret.clone(),
            generation: 0,
            failures: 0,
            locked_until: None,
            reference: reference.clone(),
            metadata: metadata.clone(),
        })
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Registered { .. } => {}
            Event::Updated {
                role,
                reference,
                metadata,
                personal,
            } => {
                self.role = *role;
                self.reference.clone_from(reference);
                self.metadata.clone_from(metadata);
                self.profile.clone_from(personal);
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

    fn update(&self, patch: &Patch, context: &Context) -> Result<Vec<Event>, Rejection> {
        let mut profile = self.profile.clone().ok_or(Rejection::Erased)?;
        let (mut role, mut reference) = (self.role, self.reference.clone());
        let mut metadata = self.metadata.clone();
        set(&mut profile.name, &patch.name);
        set(&mut role, &patch.role);
        set(&mut reference, &patch.reference);
        set(&mut metadata, &patch.metadata);
        check_role(role, context)?;
        let is_same = self.profile.as_ref() == Some(&profile)
            && (self.role, &self.reference, &self.metadata) == (role, &reference, &metadata);
        if is_same {
            return Ok(vec![]);
        }
        Ok(vec![Event::Updated {
            role,
            reference,
            metadata,
            personal: Some(profile),
        }])
    }

    /// While the account is locked nothing is counted: whoever knocks then learns nothing, and
    /// cannot keep the account locked for ever.
    fn fail(&self, now: DateTime<Utc>) -> Vec<Event> {
        if self.is_locked(now) {
            return vec![];
        }
        let failures = self.failures.saturating_add(1);
        let locked_until = failures
            .checked_sub(FAILURES_FREE + 1)
            .map(|beyond| now + TimeDelta::minutes(1 << beyond.min(LOCK_DOUBLINGS_MAX)));
        vec![Event::SignInFailed {
            failures,
            locked_until,
        }]
    }
}
