//! What may happen to a user.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::command::{Profile, Role};
use crate::values::{Metadata, Reference, SecretHash};

/// What may happen to a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The user was taken on.
    Registered(Box<Registered>),
    /// The user was changed.
    Updated(Box<Updated>),
    /// The user got another password.
    PasswordChanged {
        /// Its hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretHash>,
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

/// A user was taken on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// What the user may do.
    pub role: Role,
    /// The client's own name for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
    /// The hash of the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretHash>,
    /// Who it is, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Profile>,
}

/// A user was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Updated {
    /// What the user may do now.
    pub role: Role,
    /// The client's own name for the user now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The client's own notes now.
    #[serde(default)]
    pub metadata: Metadata,
    /// Who it is now, until erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Profile>,
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }

    fn is_personal(&self) -> bool {
        match self {
            Self::Registered(registered) => registered.personal.is_some(),
            Self::Updated(updated) => updated.personal.is_some(),
            Self::PasswordChanged { .. }
            | Self::SignInFailed { .. }
            | Self::FailuresForgiven {}
            | Self::Activated {}
            | Self::Deactivated {} => false,
        }
    }
}
