//! Single requests to a server, for setting things up.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use uuid::Uuid;

use crate::wire::{Connection, write_get, write_post};

/// A server as somebody with a token sees it.
#[derive(Clone)]
pub(crate) struct Api {
    /// Where it answers.
    pub(crate) address: SocketAddr,
    /// What stands before every path.
    pub(crate) base: &'static str,
    /// The token.
    pub(crate) token: String,
    /// The company that a superuser acts in.
    pub(crate) company: Option<String>,
}

impl Api {
    /// As nobody yet.
    pub(crate) fn new(address: SocketAddr, base: &'static str) -> Self {
        Self {
            address,
            base,
            token: String::new(),
            company: None,
        }
    }

    /// A whole path.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The headers that say who asks.
    pub(crate) fn headers(&self) -> String {
        let mut headers = String::new();
        if !self.token.is_empty() {
            headers = format!("authorization: Bearer {}\r\n", self.token);
        }
        if let Some(company) = &self.company {
            headers += &format!("quenty-company: {company}\r\n");
        }
        headers
    }

    /// Reads a text.
    pub(crate) async fn text(&self, path: &str) -> Result<String> {
        let mut request = Vec::new();
        write_get(&mut request, &self.path(path), &self.token);
        self.exchange(&request, path).await
    }

    /// Sends a body under a new key.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: impl AsRef<[u8]>,
    ) -> Result<String> {
        let key = Uuid::now_v7().to_string();
        let mut request = Vec::new();
        let (whole, headers) = (self.path(path), self.headers());
        write_post(
            &mut request,
            method,
            &whole,
            &headers,
            Some(&key),
            body.as_ref(),
        );
        self.exchange(&request, path).await
    }

    /// Makes or does something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.send("POST", path, body.to_string()).await?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Makes something and gives its id.
    pub(crate) async fn make(&self, path: &str, body: &Value) -> Result<String> {
        let made = self.post(path, body).await?;
        let id = made["id"].as_str();
        id.map(ToOwned::to_owned).context("no id in the answer")
    }

    async fn exchange(&self, request: &[u8], path: &str) -> Result<String> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.exchange(request).await?;
        let body = String::from_utf8_lossy(answer.body).into_owned();
        ensure!(
            (200..300).contains(&answer.status),
            "{path} was answered {}: {body}",
            answer.status
        );
        Ok(body)
    }
}
