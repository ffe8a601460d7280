//! Why a user refuses.

use engine::RejectionKind;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

/// Why a user refuses.
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
    /// Too many sign-ins have failed.
    #[error("too many sign-ins have failed; try again later")]
    AccountLocked,
    /// The user is let in no more.
    #[error("the user is deactivated")]
    UserDeactivated,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::EmailTaken | Self::ReferenceTaken | Self::Erased => {
                RejectionKind::Conflict
            }
            Self::RoleOutOfPlace => RejectionKind::Invalid,
            Self::AccountLocked | Self::UserDeactivated => RejectionKind::Unauthenticated,
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
            Self::NotFound
            | Self::AlreadyExists
            | Self::Erased
            | Self::AccountLocked
            | Self::UserDeactivated => None,
        }
    }
}
