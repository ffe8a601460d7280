//! Requests as they go over the network, sent again as long as that may help.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::retry::{Backoff, Verdict, judge};

/// The server answers, or gives up, well within this time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    key: Option<String>,
    company: Option<String>,
}

impl Call {
    pub(super) fn get(path: &str, query: Vec<(&'static str, String)>) -> Self {
        Self {
            query,
            ..Self::new(Method::GET, path, None)
        }
    }

    pub(super) fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body))
    }

    pub(super) fn patch(path: &str, body: Value) -> Self {
        Self::new(Method::PATCH, path, Some(body))
    }

    pub(super) fn keyed(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }

    pub(super) fn within(mut self, company: Option<&str>) -> Self {
        self.company = company.map(ToOwned::to_owned);
        self
    }

    fn new(method: Method, path: &str, body: Option<Value>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: Vec::new(),
            body,
            key: None,
            company: None,
        }
    }
}

/// The server's final no.
#[derive(Debug)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The problem's code.
    pub code: String,
    request: String,
    body: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            status,
            request,
            body,
            ..
        } = self;
        write!(formatter, "{request} was answered {status}: {body}")
    }
}

impl std::error::Error for Refused {}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

struct Reply {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Reply {
    fn code(&self) -> String {
        serde_json::from_slice::<Problem>(&self.body)
            .map(|problem| problem.code)
            .unwrap_or_default()
    }
}

/// The connections to a server.
pub(super) struct Wire {
    http: reqwest::Client,
    base: Url,
    retries: AtomicU64,
}

impl Wire {
    pub(super) fn new(server: &str) -> Result<Self> {
        let base = format!("{}/api/v1", server.trim_end_matches('/'));
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            base: Url::parse(&base).with_context(|| format!("reading the URL {server}"))?,
            retries: AtomicU64::new(0),
        })
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    /// Sends until there is an answer that counts.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        call: &Call,
        token: Option<&str>,
    ) -> Result<T> {
        let mut backoff = Backoff::default();
        loop {
            let (error, asked) = match self.attempt(call, token).await {
                Err(error) => (error, None),
                Ok(reply) => match judge(reply.status, &reply.code()) {
                    Verdict::Done => return read(call, &reply.body),
                    Verdict::Failed => return Err(refused(call, &reply)),
                    Verdict::Again => (refused(call, &reply), reply.retry_after),
                },
            };
            let Some(pause) = backoff.next(asked) else {
                return Err(error.context("giving up on the server"));
            };
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, call: &Call, token: Option<&str>) -> Result<Reply> {
        let response = self.request(call, token).send().await?;
        Ok(Reply {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
            body: response.bytes().await?.to_vec(),
        })
    }

    fn request(&self, call: &Call, token: Option<&str>) -> RequestBuilder {
        let mut url = self.url(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in [
            ("idempotency-key", &call.key),
            ("quenty-company", &call.company),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request
    }
}

fn read<T: DeserializeOwned>(call: &Call, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .with_context(|| format!("reading the answer to {} {}", call.method, call.path))
}

fn refused(call: &Call, reply: &Reply) -> anyhow::Error {
    anyhow::Error::new(Refused {
        status: reply.status,
        code: reply.code(),
        request: format!("{} {}", call.method, call.path),
        body: String::from_utf8_lossy(&reply.body)
            .chars()
            .take(500)
            .collect(),
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
