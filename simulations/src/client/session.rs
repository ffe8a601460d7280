//! A user's credentials, renewed before they expire.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::wire::{Call, Refused, Wire};

/// A token is renewed when this is left of its life, or a quarter if that is less.
const MARGIN: Duration = Duration::from_secs(60);

/// Who signs in.
#[derive(Clone)]
pub struct Credentials {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: String,
}

/// A session that is kept alive.
pub(super) struct Session {
    credentials: Credentials,
    tokens: Mutex<Option<Tokens>>,
}

struct Tokens {
    access: String,
    refresh: String,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    refresh_token: String,
    expires_in: u64,
}

impl Session {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            tokens: Mutex::new(None),
        }
    }

    /// An access token that holds a while yet.
    pub(super) async fn token(&self, wire: &Wire) -> Result<String> {
        // Held while renewing: a refresh token works once, so one request renews for all.
        let mut tokens = self.tokens.lock().await;
        let fresh = match tokens.take() {
            Some(held) if Instant::now() < held.renew_at => held,
            Some(stale) => self.refresh(wire, &stale).await?,
            None => self.log_in(wire).await?,
        };
        let access = fresh.access.clone();
        *tokens = Some(fresh);
        Ok(access)
    }

    /// Makes the next caller renew the token, unless somebody already did.
    pub(super) async fn distrust(&self, access: &str) {
        let mut tokens = self.tokens.lock().await;
        if let Some(held) = tokens.as_mut().filter(|held| held.access == access) {
            held.renew_at = Instant::now();
        }
    }

    /// A refresh whose answer was lost has used the refresh token up; the password always works.
    async fn refresh(&self, wire: &Wire, stale: &Tokens) -> Result<Tokens> {
        let body = json!({ "refresh_token": stale.refresh });
        match grant(wire, "/auth/refresh", body).await {
            Err(error) if error.is::<Refused>() => self.log_in(wire).await,
            granted => granted,
        }
    }

    async fn log_in(&self, wire: &Wire) -> Result<Tokens> {
        let Credentials { email, password } = &self.credentials;
        grant(
            wire,
            "/auth/login",
            json!({ "email": email, "password": password }),
        )
        .await
        .with_context(|| format!("signing in as {email}"))
    }
}

async fn grant(wire: &Wire, path: &str, body: serde_json::Value) -> Result<Tokens> {
    let granted: Granted = wire.send(&Call::post(path, body), None).await?;
    let life = Duration::from_secs(granted.expires_in);
    Ok(Tokens {
        access: granted.access_token,
        refresh: granted.refresh_token,
        renew_at: Instant::now() + life.saturating_sub(MARGIN.min(life / 4)),
    })
}
