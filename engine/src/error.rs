//! Failures of the machinery, as against refusals by the domain.

use std::time::Duration;

use crate::envelope::Unreadable;
use crate::journal;

/// Why a command or a question got no answer from its entity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too much is under way; nothing was done.
    #[error("{scope} has too many commands under way")]
    Overloaded {
        /// Whose bound was met.
        scope: Bound,
        /// When trying again may help.
        retry_after: Duration,
    },
    /// The deadline passed before the command was decided; nothing was done.
    #[error("the deadline passed before the command was decided")]
    Late,
    /// The deadline passed while the commit was under way; its request key will tell.
    #[error("the deadline passed while the commit was under way")]
    Timeout,
    /// The journal, or this entity's host, cannot work right now; nothing was done.
    #[error("not available right now: {0}")]
    Unavailable(String),
    /// It is not known whether the command took effect; its request key will tell.
    #[error("it is not known whether the command took effect: {0}")]
    InDoubt(String),
    /// The entity's host ended before it answered; the command's request key will tell.
    #[error("the entity's host failed with the command under way")]
    HostFailed,
    /// Deciding the command panicked, or what was decided cannot be written; nothing was done.
    #[error("the command cannot be decided: {0}")]
    Panicked(String),
    /// The entity's stored events are damaged; it is out of service until they are mended.
    #[error("the entity is out of service: {0}")]
    Damaged(String),
    /// The command asked for another version than the present one; nothing was done.
    #[error("the entity is at version {actual}")]
    Stale {
        /// The version that the entity is at.
        actual: u64,
    },
    /// The entity belongs to another company, which must look as if it did not exist.
    #[error("no such entity")]
    NotFound,
    /// No entity of this kind is hosted here.
    #[error("nothing of kind {0} is hosted here")]
    UnknownKind(String),
}

/// Whose bound an overload met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// One entity's queue.
    Entity,
    /// One company's share.
    Tenant,
    /// One shard's.
    Shard,
    /// The whole node.
    Node,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Entity => "the entity",
            Self::Tenant => "the company",
            Self::Shard => "the shard",
            Self::Node => "the node",
        })
    }
}

impl From<journal::Error> for Error {
    fn from(error: journal::Error) -> Self {
        match error {
            journal::Error::Damaged(what) => Self::Damaged(what),
            journal::Error::InDoubt(why) => Self::InDoubt(why),
            journal::Error::Unavailable(why) | journal::Error::Refused(why) => {
                Self::Unavailable(why)
            }
        }
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::Damaged(format!("{error}: {}", error.source))
    }
}
