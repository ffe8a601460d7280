//! What is known of a session, and how it changes.

use chrono::{DateTime, SubsecRound, Utc};
use engine::{Context, Entity, Index, Timer};
use imbl::Vector;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::{Command, Event, Rejection, RevokeReason};
use crate::ids::{SessionId, UserId};
use crate::values::SecretHash;

/// How many replaced tokens are known again: more than half a day of refreshes, one in a quarter of
/// an hour. An older one is refused like any other text, and lets nobody in either.
const SPENT_MAX: usize = 64;

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
    pub token: Option<SecretHash>,
    /// The hashes of the tokens before, the last one last.
    pub spent: Vector<SecretHash>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// When it ends unless refreshed.
    pub idle_expires_at: DateTime<Utc>,
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

    /// Whether a token of this hash is the one to refresh with.
    #[must_use]
    pub fn is_good(&self, token: &SecretHash) -> bool {
        self.status == Status::Active && self.token.as_ref() == Some(token)
    }

    fn refresh(
        &self,
        presented: &SecretHash,
        next: &SecretHash,
        idle_expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Event, Rejection> {
        if now >= self.ends_at() {
            return Err(Rejection::SessionExpired);
        }
        if self.is_good(presented) {
            return Ok(Event::Refreshed {
                secret: Some(next.clone()),
                at: now,
                idle_expires_at: idle_expires_at.trunc_subsecs(3),
            });
        }
        if self.spent.contains(presented) {
            let reason = RevokeReason::Reuse;
            return Ok(Event::Revoked { reason });
        }
        Err(Rejection::InvalidRefreshToken)
    }

    fn replace(&mut self, next: Option<&SecretHash>) {
        let replaced = std::mem::replace(&mut self.token, next.cloned());
        self.spent.extend(replaced);
        if self.spent.len() > SPENT_MAX {
            self.spent.pop_front();
        }
    }
}

impl Entity for Session {
    const KIND: &'static str = "session";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 2;
    const SPENT: &'static [&'static str] = &["revoked", "expired"];

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
            (Status::Revoked, Command::Refresh { .. }) => return Err(Rejection::SessionRevoked),
            (Status::Expired, Command::Refresh { .. }) => return Err(Rejection::SessionExpired),
            (Status::Active, Command::Revoke { reason }) => {
                vec![Event::Revoked { reason: *reason }]
            }
            (Status::Active, Command::Expire) if context.now >= state.ends_at() => {
                vec![Event::Expired {}]
            }
            (Status::Active, Command::Expire)
            | (Status::Revoked | Status::Expired, Command::Revoke { .. } | Command::Expire) => {
                vec![]
            }
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
                    spent: Vector::new(),
                    expires_at: *expires_at,
                    idle_expires_at: *idle_expires_at,
                });
            }
            (
                Event::Refreshed {
                    secret,
                    idle_expires_at,
                    ..
                },
                Some(state),
            ) => {
                state.replace(secret.as_ref());
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
            secret: Some(token.clone()),
            expires_at: expires_at.trunc_subsecs(3),
            idle_expires_at: idle_expires_at.trunc_subsecs(3),
        }]),
        Command::Refresh { .. } => Err(Rejection::InvalidRefreshToken),
        Command::Revoke { .. } | Command::Expire => Err(Rejection::NotFound),
    }
}
