//! How long a connection may go on: until its credential ends, or the program does.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::Instant;

use super::hub::Beat;
use crate::app::App;
use crate::auth::caller::Caller;

/// How long the question whether a credential still holds may take.
const READ: Duration = Duration::from_secs(5);

/// Why a connection may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The credential has expired.
    Expired,
    /// The credential was withdrawn.
    Revoked,
    /// The program stops.
    GoingAway,
}

impl End {
    /// A stable kebab-case code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "token-expired",
            Self::Revoked => "credential-revoked",
            Self::GoingAway => "going-away",
        }
    }

    /// The same for people.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Expired => "the credential has expired; resume from your cursor with a new one",
            Self::Revoked => "the credential was withdrawn",
            Self::GoingAway => "the server is stopping; resume from your cursor",
        }
    }
}

/// What a connection rests on.
pub struct Tenure {
    app: Arc<App>,
    caller: Option<Caller>,
}

impl Tenure {
    /// A caller's connection, or anybody's.
    #[must_use]
    pub fn new(app: Arc<App>, caller: Option<Caller>) -> Self {
        Self { app, caller }
    }

    /// Waits until the connection must end. To be polled on, not begun anew: a question whether
    /// the credential still holds may be under way.
    pub async fn over(self) -> End {
        let shutdown = self.app.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => End::GoingAway,
            () = self.expired() => End::Expired,
            () = self.revoked(self.app.live.beats()) => End::Revoked,
        }
    }

    async fn expired(&self) {
        match self.caller.as_ref().and_then(|caller| caller.expires_at) {
            Some(end) => {
                let left = (end - Utc::now()).to_std().unwrap_or_default();
                tokio::time::sleep(left).await;
            }
            None => std::future::pending().await,
        }
    }

    async fn revoked(&self, mut beats: watch::Receiver<Beat>) {
        let Some(caller) = &self.caller else {
            return std::future::pending().await;
        };
        while beats.changed().await.is_ok() {
            let is_time = *beats.borrow_and_update() == Beat::Ping;
            // If it cannot be told now, the next beat will.
            if is_time
                && let Err(problem) = self
                    .app
                    .still_holds(caller, (Instant::now() + READ).into())
                    .await
                && problem.status().is_client_error()
            {
                return;
            }
        }
        // The clock has stopped, and with it the program.
        std::future::pending().await
    }
}
