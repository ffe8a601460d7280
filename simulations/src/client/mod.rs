//! A client of the public API that lives through restarts of the server.
//!
//! Every mutation carries an idempotency key that is the same whenever the same run comes to the
//! same point, so it may be sent as often as it takes.

mod retry;
mod session;
mod wire;

pub use retry::Backoff;
pub use session::Credentials;
pub use wire::Refused;

use std::sync::Arc;

use anyhow::Result;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::Page;
use session::Session;
use wire::{Call, Wire};

/// The most that a page of a list holds.
const PAGE: usize = 100;
/// Credentials that are refused are renewed this often before they are believed to be wrong.
const RENEWALS: u32 = 2;

/// A user of a server. Clones share connections and session.
#[derive(Clone)]
pub struct Client {
    wire: Arc<Wire>,
    session: Arc<Session>,
    company: Option<String>,
    run: Arc<str>,
}

impl Client {
    /// A user of the server at a URL. The run's name goes into all keys.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(server: &str, credentials: Credentials, run: &str) -> Result<Self> {
        Ok(Self {
            wire: Arc::new(Wire::new(server)?),
            session: Arc::new(Session::new(credentials)),
            company: None,
            run: run.into(),
        })
    }

    /// Another user, over the same connections.
    #[must_use]
    pub fn sign_in(&self, credentials: Credentials) -> Self {
        Self {
            session: Arc::new(Session::new(credentials)),
            company: None,
            ..self.clone()
        }
    }

    /// The same superuser, acting in a company.
    #[must_use]
    pub fn within(&self, company: &str) -> Self {
        Self {
            company: Some(company.to_owned()),
            ..self.clone()
        }
    }

    /// An access token that holds a while yet.
    ///
    /// # Errors
    /// When the user cannot sign in.
    pub async fn token(&self) -> Result<String> {
        self.session.token(&self.wire).await
    }

    /// Makes the next caller renew a token that was refused.
    pub async fn distrust(&self, token: &str) {
        self.session.distrust(token).await;
    }

    /// The address of a path below the API's base.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        self.wire.url(path)
    }

    /// How often anything was sent again.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.wire.retries()
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Call::get(path, Vec::new())).await
    }

    /// Reads a resource that may not be there.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) => match error.downcast_ref::<Refused>() {
                Some(Refused { status: 404, .. }) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Reads one page, beginning at a cursor that goes by the name that the list gives it.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        filter: &[(&'static str, String)],
        cursor: Option<(&'static str, String)>,
    ) -> Result<Page<T>> {
        let mut query = filter.to_vec();
        query.push(("limit", PAGE.to_string()));
        query.extend(cursor);
        self.send(Call::get(path, query)).await
    }

    /// Reads a whole list.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        filter: &[(&'static str, String)],
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page: Page<T> = self.page(path, filter, cursor).await?;
            all.extend(page.data);
            match page.next_cursor {
                Some(next) => cursor = Some(("cursor", next)),
                None => return Ok(all),
            }
        }
    }

    /// Creates or does something, once, whatever happens on the way. The step names it within the
    /// run.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        step: &str,
        body: Value,
    ) -> Result<T> {
        self.send(Call::post(path, body).keyed(self.key(step)))
            .await
    }

    /// Changes a resource, once. The step names the change within the run.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        step: &str,
        body: Value,
    ) -> Result<T> {
        self.send(Call::patch(path, body).keyed(self.key(step)))
            .await
    }

    /// A token that was good when a request was first sent may have expired since.
    async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let call = call.within(self.company.as_deref());
        let mut renewals = 0;
        loop {
            let token = self.token().await?;
            match self.wire.send(&call, Some(&token)).await {
                Err(error) if renewals < RENEWALS && is_unauthenticated(&error) => {
                    self.distrust(&token).await;
                    renewals += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn key(&self, step: &str) -> String {
        format!("{}/{step}", self.run)
    }
}

fn is_unauthenticated(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Refused { status: 401, .. }))
}
