//! A client that does not give up: it repeats what it asks until there is a final answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;

/// By when there must be a final answer, kills included. Servers are started again at once, so a
/// client that waits longer has found something that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long one attempt may take; beyond the server's own limit.
const ATTEMPT: Duration = Duration::from_secs(20);
/// What a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a client waits for another server before it tries the same one again.
const COMEBACK: Duration = Duration::from_millis(500);

/// The API, as somebody who is signed in sees it.
#[derive(Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    place: watch::Receiver<SocketAddr>,
    token: String,
    company: Option<String>,
    broken_off: Arc<AtomicUsize>,
    put_off: Arc<AtomicUsize>,
    succeeded: Arc<AtomicUsize>,
}

/// A request for a change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// Its key.
    pub(super) key: String,
    /// Its method.
    pub(super) method: Method,
    /// Its path.
    pub(super) path: String,
    /// Its body.
    pub(super) body: Value,
    /// The only version of the resource that it is meant for.
    pub(super) if_match: Option<i64>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body, byte for byte.
    pub(super) body: String,
    /// Whether it says that it was given before.
    pub(super) is_replay: bool,
    /// Whether it says when to ask again.
    pub(super) says_when: bool,
}

/// What came of a request that is not repeated.
pub(super) enum Told {
    /// This.
    Answer(Answer),
    /// Nobody knows: it may have been done, or may yet be.
    Unknown,
    /// Nothing was done, or there was no server to ask.
    Nothing,
}

impl Change {
    /// A POST without a condition.
    pub(super) fn new(key: &str, path: &str, body: Value) -> Self {
        Self {
            key: key.to_owned(),
            method: Method::POST,
            path: path.to_owned(),
            body,
            if_match: None,
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether asking again would change nothing. No fault of the world is a fault of the
    /// program's, and whoever is to come again is told when.
    fn is_final(&self) -> bool {
        match self.status {
            409 => self.json()["code"] != "request-in-progress",
            429 | 503 => {
                assert!(self.says_when, "{self:?}");
                false
            }
            504 => false,
            status => {
                assert!(status < 500, "{self:?}");
                true
            }
        }
    }
}

impl Api {
    /// Signs the first superuser in; the status if that is refused.
    pub(super) async fn sign_in(
        place: watch::Receiver<SocketAddr>,
        password: &str,
    ) -> Result<Self, u16> {
        let mut api = Self {
            http: reqwest::Client::builder().timeout(ATTEMPT).build().unwrap(),
            place,
            token: String::new(),
            company: None,
            broken_off: Arc::default(),
            put_off: Arc::default(),
            succeeded: Arc::default(),
        };
        let login = json!({ "email": "admin@localhost", "password": password });
        let request = |base: &str| api.http.post(format!("{base}/auth/login")).json(&login);
        let answer = api.insist(request).await;
        if answer.status != 200 {
            return Err(answer.status);
        }
        api.token = answer.json()["access_token"].as_str().unwrap().to_owned();
        Ok(api)
    }

    /// The same in a company.
    pub(super) fn within(self, company: &str) -> Self {
        Self {
            company: Some(company.to_owned()),
            ..self
        }
    }

    /// What a viewer says first.
    pub(super) fn introduction(&self) -> Value {
        json!({ "type": "auth", "token": self.token, "company": self.company })
    }

    /// Requests that were under way when their server ended.
    pub(super) fn broken_off(&self) -> usize {
        self.broken_off.load(Ordering::Relaxed)
    }

    /// Times that a request was told to come again later.
    pub(super) fn put_off(&self) -> usize {
        self.put_off.load(Ordering::Relaxed)
    }

    /// Requests that have done what they asked for.
    pub(super) fn succeeded(&self) -> usize {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// What there is at a path.
    pub(super) async fn ask(&self, path: &str) -> Answer {
        self.insist(|base| self.named(self.http.get(format!("{base}{path}"))))
            .await
    }

    /// What must be at a path whatever state the storage is in: asked for once.
    pub(super) async fn get_at_once(&self, path: &str) {
        let answer = self.look(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
    }

    /// What there is at a path just now, failures of the program's included.
    pub(super) async fn look(&self, path: &str) -> Answer {
        let base = format!("http://{}/api/v1", *self.place.borrow());
        take(self.named(self.http.get(format!("{base}{path}"))))
            .await
            .unwrap()
    }

    /// What there must be at a path.
    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.ask(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    /// All pages of a list.
    pub(super) async fn list(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = format!(
            "{path}{}limit=100",
            if path.contains('?') { '&' } else { '?' }
        );
        loop {
            let mut page = self.get(&next).await;
            all.append(page["data"].as_array_mut().unwrap());
            let Some(cursor) = page["next_cursor"].as_str() else {
                return all;
            };
            let (start, _) = next.split_once("&cursor").unwrap_or((&next, ""));
            next = format!("{start}&cursor={cursor}");
        }
    }

    /// All that the company is told happened, in the feed's order.
    pub(super) async fn feed(&self) -> Vec<Value> {
        self.feed_after("", usize::MAX).await.0
    }

    /// The same after a cursor, at most so many pages of it; also the next cursor.
    pub(super) async fn feed_after(&self, cursor: &str, pages: usize) -> (Vec<Value>, String) {
        let (mut all, mut cursor) = (Vec::new(), cursor.to_owned());
        for _ in 0..pages {
            let after = if cursor.is_empty() { "" } else { "&after=" };
            let mut page = self.get(&format!("/events?limit=100{after}{cursor}")).await;
            page["next_cursor"]
                .as_str()
                .unwrap()
                .clone_into(&mut cursor);
            let events = page["data"].as_array_mut().unwrap();
            if events.is_empty() {
                break;
            }
            all.append(events);
        }
        (all, cursor)
    }

    /// Asks for a change under a key.
    pub(super) async fn ask_for(&self, change: &Change) -> Answer {
        let key = &change.key;
        self.insist(|base| self.request(base, change).header("idempotency-key", key))
            .await
    }

    /// The same once, of a server that stays: there is an answer, whatever it is.
    pub(super) async fn attempt(&self, change: &Change) -> Answer {
        let base = format!("http://{}/api/v1", *self.place.borrow());
        let request = self.request(&base, change);
        let request = request.header("idempotency-key", &change.key);
        take(request).await.unwrap()
    }

    /// Asks for a change once, without its key.
    pub(super) async fn ask_once(&self, change: &Change) -> Told {
        let base = format!("http://{}/api/v1", *self.place.borrow());
        match take(self.request(&base, change)).await {
            Ok(answer) if answer.is_final() => {
                self.count(&answer);
                Told::Answer(answer)
            }
            Ok(answer) if answer.status == 503 && answer.json()["code"] != "outcome-unknown" => {
                Told::Nothing
            }
            Err(error) if error.is_connect() => Told::Nothing,
            Ok(_) => Told::Unknown,
            Err(error) => {
                assert!(!error.is_timeout(), "it hangs: {error:?}");
                Told::Unknown
            }
        }
    }

    /// Changes a resource.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.insist(|base| self.named(self.http.patch(format!("{base}{path}")).json(body)))
            .await
    }

    fn request(&self, base: &str, change: &Change) -> RequestBuilder {
        let url = format!("{base}{}", change.path);
        let request = self.named(self.http.request(change.method.clone(), url));
        let request = match &change.body {
            Value::Null => request,
            body => request.json(body),
        };
        match change.if_match {
            Some(version) => request.header("if-match", format!("\"{version}\"")),
            None => request,
        }
    }

    fn named(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.bearer_auth(&self.token);
        match &self.company {
            Some(company) => request.header("quenty-company", company),
            None => request,
        }
    }

    fn count(&self, answer: &Answer) {
        // 202 tells of what was there before, and so does a repeated answer: nothing was written.
        let is_good = answer.status < 300 && answer.status != 202 && !answer.is_replay;
        self.succeeded.fetch_add(is_good.into(), Ordering::Relaxed);
    }

    async fn insist(&self, request: impl Fn(&str) -> RequestBuilder) -> Answer {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut place = self.place.clone();
        loop {
            let base = format!("http://{}/api/v1", *place.borrow_and_update());
            let attempt = take(request(&base)).await;
            let is_over = Instant::now() >= deadline;
            match attempt {
                Ok(answer) if answer.is_final() => {
                    self.count(&answer);
                    return answer;
                }
                attempt if is_over => assert!(!is_over, "no final answer: {attempt:?}"),
                Ok(answer) => {
                    let is_put_off = answer.status == 503;
                    self.put_off.fetch_add(is_put_off.into(), Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    assert!(!error.is_timeout(), "it hangs: {error:?}");
                    let was_under_way = !error.is_connect();
                    self.broken_off
                        .fetch_add(was_under_way.into(), Ordering::Relaxed);
                    let _ = tokio::time::timeout(COMEBACK, place.changed()).await;
                }
            }
        }
    }
}

/// A text that must be in a resource.
pub(super) fn text<'a>(resource: &'a Value, field: &str) -> &'a str {
    resource[field].as_str().unwrap()
}

/// A number that must be in a resource.
pub(super) fn number(resource: &Value, field: &str) -> i64 {
    resource[field].as_i64().unwrap()
}

async fn take(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    Ok(Answer {
        status: response.status().as_u16(),
        is_replay: response.headers().contains_key("idempotent-replayed"),
        says_when: response.headers().contains_key("retry-after"),
        body: response.text().await?,
    })
}
