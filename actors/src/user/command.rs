//! What may be asked of a user.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::values::{Email, Metadata, Name, Reference, SecretHash, given};

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
    /// Gives the user another password, which ends all sessions and lifts a lock.
    ChangePassword {
        /// Its hash.
        password: SecretHash,
    },
    /// Somebody gave a wrong password.
    RecordFailure,
    /// Somebody gave the right one and asks to be let in. Refused while the account is locked or
    /// deactivated, whatever was known when the password was checked: of many passwords tried at
    /// once, only those before the lock count.
    RecordSuccess,
    /// Lets the user in again.
    Activate,
    /// Lets the user in no more, and ends all sessions.
    Deactivate,
}

/// Who a user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserProfile)]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPatch)]
pub struct Patch {
    /// The name.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// What the user may do.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub role: Option<Role>,
    /// The client's own name for the user.
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
