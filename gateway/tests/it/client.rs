//! Requests as clients make them, and answers with what every one must have.

use std::ops::Index;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::PASSWORD;

const BASE: &str = "/api/v1";
/// How long what follows asynchronously may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who makes requests.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    headers: Vec<(&'static str, String)>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    /// The body if it is JSON, else null.
    pub(crate) body: Value,
    /// What was asked, for failures of tests.
    asked: String,
}

impl Client {
    pub(crate) fn new(router: Router) -> Self {
        Self {
            router,
            headers: Vec::new(),
        }
    }

    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut client = self.clone();
        client.headers.push((name, value.into()));
        client
    }

    pub(crate) fn without_token(&self) -> Self {
        Self::new(self.router.clone())
    }

    pub(crate) fn bearing(&self, token: &str) -> Self {
        let client = self.without_token();
        client.with("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn acting_in(&self, company: &str) -> Self {
        self.with("quenty-company", company)
    }

    pub(crate) fn keyed(&self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.post("/auth/login", &body).await
    }

    /// Whoever has the address, with the password that everybody has.
    pub(crate) async fn sign_in(&self, email: &str) -> Self {
        let tokens = self.login(email, PASSWORD).await.gives(200);
        self.bearing(&tokens.text("access_token"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, Body::empty()).await
    }

    /// Paths are under the API's base, unless they begin with two slashes.
    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let uri = match path.strip_prefix("//") {
            Some(path) => format!("/{path}"),
            None => format!("{BASE}{path}"),
        };
        let asked = format!("{method} {uri}");
        let mut request = Request::builder().method(method).uri(uri);
        if !self.headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
            asked,
        }
    }

    /// What a path gives once it is as it should be.
    pub(crate) async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if answer.status == 200 && is_so(&answer.body) {
                return answer;
            }
            assert!(Instant::now() < deadline, "still {answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The id of the newest of a list.
    pub(crate) async fn first(&self, path: &str) -> String {
        let page = self.get(path).await.gives(200);
        page.data()[0]["id"].as_str().unwrap().to_owned()
    }

    /// All pages of a list.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let glue = if path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        let mut next = format!("{path}{glue}limit=100");
        loop {
            let page = self.get(&next).await.gives(200);
            all.extend(page.data().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else {
                return all;
            };
            next = format!("{path}{glue}limit=100&cursor={cursor}");
        }
    }
}

impl Answer {
    /// It has this status.
    #[track_caller]
    pub(crate) fn gives(self, status: u16) -> Self {
        let Self { asked, body, .. } = &self;
        assert_eq!(self.status, status, "{asked} gave {body}");
        self
    }

    /// It is a problem with this status and code.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) -> Self {
        let answer = self.gives(status).problem();
        assert_eq!(
            answer["code"], code,
            "{} gave {}",
            answer.asked, answer.body
        );
        answer
    }

    /// It is a 422 with this field of the body at fault.
    #[track_caller]
    pub(crate) fn blames(self, pointer: &str) -> Self {
        let answer = self.problem();
        let Self { asked, body, .. } = &answer;
        let blamed = answer["errors"][0]["pointer"].as_str();
        assert_eq!(blamed, Some(pointer), "{asked} gave {body}");
        answer
    }

    /// It is told as every problem is, and is the client's fault.
    #[track_caller]
    pub(crate) fn problem(self) -> Self {
        let Self { asked, body, .. } = &self;
        assert!((400..500).contains(&self.status), "{asked} gave {body}");
        let media_type = &self.headers[header::CONTENT_TYPE];
        assert_eq!(media_type, "application/problem+json", "{asked}");
        assert_eq!(body["status"], self.status, "{asked}");
        let code = body["code"].as_str().unwrap();
        assert_eq!(body["type"], format!("/problems/{code}"), "{asked}");
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(body["request_id"], id, "{asked}");
        self
    }

    /// This is what stands at a place in the body.
    #[track_caller]
    pub(crate) fn shows(self, pointer: &str, value: impl Into<Value>) -> Self {
        let Self { asked, body, .. } = &self;
        let there = body.pointer(pointer);
        assert_eq!(there, Some(&value.into()), "{pointer}: {asked} gave {body}");
        self
    }

    #[track_caller]
    pub(crate) fn text(&self, member: &str) -> String {
        let text = self.body[member].as_str();
        assert!(text.is_some(), "{} gave {}", self.asked, self.body);
        text.unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.text("id")
    }

    #[track_caller]
    pub(crate) fn data(&self) -> &Vec<Value> {
        self.body["data"].as_array().unwrap()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.body[member]
    }
}
