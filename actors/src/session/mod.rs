//! A session: what a sign-in opens, kept alive by refresh tokens that are good once.
//!
//! ```text
//!  (none) --Open--> active --Revoke, or a token used again--> revoked
//!                    |  ^ \
//!           Refresh  '--'  '--Expire (timer)----------------> expired
//! ```
//!
//! Each refresh gives the client a new token. One that was replaced is proof that two have a copy,
//! and ends the session for both (RFC 9700, section 4.14.2). There is no time in which it is still
//! good: a thief would come within it. So a client whose answer was lost signs in anew.

mod state;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use engine::RejectionKind;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

pub use self::state::{Session, State, Status};
use crate::ids::UserId;
use crate::values::SecretHash;

/// What may be asked of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Opens it.
    Open {
        /// Whose it is.
        user: UserId,
        /// The user's generation, which must stay the same.
        generation: u32,
        /// The hash of the first refresh token.
        token: SecretHash,
        /// When it ends at the latest.
        expires_at: DateTime<Utc>,
        /// When it ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// Replaces the token. A token used again is answered with an event, not with a refusal, since
    /// it ends the session: whoever asks looks at the state whether the session goes on.
    Refresh {
        /// The hash of the token that is presented.
        presented: SecretHash,
        /// The hash of the next one.
        next: SecretHash,
        /// When the session now ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// Ends it.
    Revoke {
        /// Why.
        reason: RevokeReason,
    },
    /// Its time is up.
    Expire,
}

/// Why a session was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// The user signed out.
    SignedOut,
    /// The user, or an admin, ended it from elsewhere.
    Requested,
    /// A token was used that had been replaced; found out by the session itself.
    Reuse,
}

/// What may happen to a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// It was opened.
    Opened {
        /// Whose it is.
        user: UserId,
        /// The user's generation.
        generation: u32,
        /// The hash of the first refresh token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretHash>,
        /// When it ends at the latest.
        expires_at: DateTime<Utc>,
        /// When it ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// Its token was replaced.
    Refreshed {
        /// The hash of the next one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretHash>,
        /// When.
        at: DateTime<Utc>,
        /// When it now ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// It was ended.
    Revoked {
        /// Why.
        reason: RevokeReason,
    },
    /// Its time was up.
    Expired {},
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }
}

/// Why a session refuses.
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
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// It was opened before.
    #[error("the session exists already")]
    AlreadyExists,
    /// It was ended.
    #[error("the session was ended; sign in again")]
    SessionRevoked,
    /// Its time is up.
    #[error("the session has expired; sign in again")]
    SessionExpired,
    /// The token is not one of the session's.
    #[error("the refresh token does not hold")]
    InvalidRefreshToken,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists => RejectionKind::Conflict,
            Self::SessionRevoked | Self::SessionExpired | Self::InvalidRefreshToken => {
                RejectionKind::Unauthenticated
            }
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }
}
