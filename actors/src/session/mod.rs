//! A session: what a sign-in opens, kept alive by refresh tokens that are good once.
//!
//! ```text
//!  (none) --Open--> active --Revoke, an old token--> revoked
//!                    |  ^ \
//!           Refresh  '--'  '--Expire (timer)--> expired
//! ```
//!
//! Each refresh gives the client a new token. One that was replaced is proof that somebody else has
//! a copy, and ends the session (RFC 9700, section 4.14.2); only for a few seconds it is still good,
//! since a client whose answer was lost can do nothing but ask again.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use engine::{Claim, Context, Entity, Index, RejectionKind, Timer};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::ids::{SessionId, UserId};
use crate::values::SecretHash;

/// How long a token that was replaced is still good.
const GRACE_SECONDS: i64 = 10;
/// How many replaced tokens are known again.
const SPENT_MAX: usize = 64;

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
    /// Replaces the token.
    Refresh {
        /// The hash of the token that is presented.
        presented: SecretHash,
        /// The hash of the next one.
        next: SecretHash,
        /// When the session now ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// Ends it.
    Revoke,
    /// Its time is up.
    Expire,
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
        secret: SecretHash,
        /// When it ends at the latest.
        expires_at: DateTime<Utc>,
        /// When it ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// Its token was replaced.
    Refreshed {
        /// The hash of the next one.
        secret: SecretHash,
        /// When.
        at: DateTime<Utc>,
        /// When it now ends unless refreshed.
        idle_expires_at: DateTime<Utc>,
    },
    /// It was ended.
    Revoked {
        /// Whether because a token was used that had been replaced.
        #[serde(default)]
        is_reuse: bool,
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

/// A session: nothing before it is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Session(pub Option<State>);

/// A session as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// Whose it is.
    pub user: UserId,
    /// The user's generation when it was opened.
    pub generation: u32,
    /// The hash of the token that is good.
    pub token: SecretHash,
    /// The hashes of the replaced ones, the last one last.
    pub spent: Vec<SecretHash>,
    /// When the last one was replaced.
    pub refreshed_at: Option<DateTime<Utc>>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// When it ends unless refreshed.
    pub idle_expires_at: DateTime<Utc>,
}

impl State {
    /// When it ends as things are.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        self.expires_at.min(self.idle_expires_at)
    }

    /// Whether it is open.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.status == Status::Active && now < self.ends_at()
    }
}

/// Where a session stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = SessionStatus)]
pub enum Status {
    /// Open.
    Active,
    /// Ended before its time.
    Revoked,
    /// Ended in time.
    Expired,
}

/// Why a session refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, IntoStaticStr)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// It was opened before.
    #[error("the session exists already")]
    AlreadyExists,
    /// It has ended.
    #[error("the session has ended; sign in again")]
    SessionRevoked,
    /// The token is not one of the session's.
    #[error("the refresh token does not hold")]
    InvalidRefreshToken,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists => RejectionKind::Conflict,
            Self::SessionRevoked | Self::InvalidRefreshToken => RejectionKind::Unauthenticated,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }
}

impl Entity for Session {
    const KIND: &'static str = "session";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 1;

    type Id = SessionId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        let Some(state) = &self.0 else {
            return open(command);
        };
        Ok(match (state.status, command) {
            (_, Command::Open { .. }) => return Err(Rejection::AlreadyExists),
            (
                Status::Active,
                Command::Refresh {
                    presented,
                    next,
                    idle_expires_at,
                },
            ) => vec![state.refresh(presented, next, *idle_expires_at, context.now)?],
            (Status::Revoked | Status::Expired, Command::Refresh { .. }) => {
                return Err(Rejection::SessionRevoked);
            }
            (Status::Active, Command::Revoke) => vec![Event::Revoked { is_reuse: false }],
            (Status::Active, Command::Expire) if context.now >= state.ends_at() => {
                vec![Event::Expired {}]
            }
            (_, Command::Expire) | (Status::Revoked | Status::Expired, Command::Revoke) => vec![],
        })
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (
                Event::Opened {
                    user,
                    generation,
                    secret,
                    expires_at,
                    idle_expires_at,
                },
                state,
            ) => {
                *state = Some(State {
                    status: Status::Active,
                    user: *user,
                    generation: *generation,
                    token: secret.clone(),
                    spent: Vec::new(),
                    refreshed_at: None,
                    expires_at: *expires_at,
                    idle_expires_at: *idle_expires_at,
                });
            }
            (
                Event::Refreshed {
                    secret,
                    at,
                    idle_expires_at,
                },
                Some(state),
            ) => {
                state.spend(secret);
                state.refreshed_at = Some(*at);
                state.idle_expires_at = *idle_expires_at;
            }
            (Event::Revoked { .. }, Some(state)) => state.status = Status::Revoked,
            (Event::Expired {}, Some(state)) => state.status = Status::Expired,
            (Event::Refreshed { .. } | Event::Revoked { .. } | Event::Expired {}, None) => {}
        }
        self
    }

    fn index(&self) -> Index {
        let Some(state) = &self.0 else {
            return Index::default();
        };
        Index {
            status: state.status.into(),
            parent: Some(state.user.into()),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        Vec::new()
    }

    fn timers(&self) -> Vec<Timer<Command>> {
        let open = self.0.iter().filter(|state| state.status == Status::Active);
        open.map(|state| Timer {
            name: "end".into(),
            at: state.ends_at(),
            command: Command::Expire,
        })
        .collect()
    }
}

fn open(command: &Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Open {
            user,
            generation,
            token,
            expires_at,
            idle_expires_at,
        } => Ok(vec![Event::Opened {
            user: *user,
            generation: *generation,
            secret: token.clone(),
            expires_at: *expires_at,
            idle_expires_at: *idle_expires_at,
        }]),
        Command::Refresh { .. } | Command::Revoke | Command::Expire => Err(Rejection::NotFound),
    }
}

impl State {
    fn spend(&mut self, next: &SecretHash) {
        let spent = std::mem::replace(&mut self.token, next.clone());
        self.spent.push(spent);
        if self.spent.len() > SPENT_MAX {
            self.spent.remove(0);
        }
    }

    /// A replaced token ends the session by an event, not a refusal: whoever asks sees the state.
    fn refresh(
        &self,
        presented: &SecretHash,
        next: &SecretHash,
        idle_expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Event, Rejection> {
        if now >= self.ends_at() {
            return Err(Rejection::SessionRevoked);
        }
        let grace = self
            .refreshed_at
            .is_some_and(|at| now < at + TimeDelta::seconds(GRACE_SECONDS));
        let is_good = *presented == self.token || (grace && self.spent.last() == Some(presented));
        if is_good {
            return Ok(Event::Refreshed {
                secret: next.clone(),
                at: now,
                idle_expires_at,
            });
        }
        if self.spent.contains(presented) {
            return Ok(Event::Revoked { is_reuse: true });
        }
        Err(Rejection::InvalidRefreshToken)
    }
}
