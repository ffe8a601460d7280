//! Idempotency-Key: which request a key stands for, and answers that can be given again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use dashmap::DashSet;
use engine::RequestKey;
use engine::journal::{Answer, NewAnswer, RequestRow};
use hmac::Mac as _;
use tracing::Instrument as _;

use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::token::KeyedHash;
use crate::http::extract;
use crate::http::front::RequestId;
use crate::outcome::Outcome;
use crate::problem::Problem;

/// The header that carries the key.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Set on an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The longest key taken.
const LONGEST: usize = 255;
/// What the hashes of requests are keyed for. Never changes.
const PURPOSE: &str = "idempotency";
/// Headers that are part of an answer; the others are made anew.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// Keys whose requests are under way on this node.
#[derive(Debug, Default)]
pub struct UnderWay(DashSet<(String, String)>);

/// A key's place among those under way, until it is dropped.
struct Place {
    under_way: Arc<UnderWay>,
    key: (String, String),
}

impl UnderWay {
    fn enter(self: &Arc<Self>, request: &RequestKey) -> Option<Place> {
        let key = (request.scope.clone(), request.key.clone());
        // Lazily: a place that is made and dropped would free the key for the next one.
        self.0.insert(key.clone()).then(|| Place {
            under_way: Arc::clone(self),
            key,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.0.remove(&self.key);
    }
}

/// What a response is kept as, where that differs from what is sent: answers with secrets are
/// replayed without them. In the response's extensions.
#[derive(Clone, Debug)]
pub struct WithoutSecret(pub Bytes);

/// What [`once`] works with: the program, and the context whose journal keeps the keys of a route.
#[derive(Clone)]
pub struct Once {
    app: Arc<App>,
    context: &'static str,
}

impl Once {
    /// For a route whose commands go to a context.
    #[must_use]
    pub fn new(app: Arc<App>, context: &'static str) -> Self {
        Self { app, context }
    }

    async fn known(&self, request: &RequestKey) -> Result<Option<RequestRow>, Problem> {
        let (scope, key) = (&request.scope, &request.key);
        Ok(self.app.engine.request(self.context, scope, key).await?)
    }
}

/// The layer of every route that takes a key. Without one it does nothing. With one, the key goes
/// to the handler's command, whose journal keeps it in the same transaction as the change; the
/// answer is kept before it is sent, unless the handler can tell it again. A key that has a change
/// but no answer, for that reason or because the program died in between, runs the handler again:
/// its command finds the key, changes nothing, and what it led to is answered.
pub async fn once(State(once): State<Once>, request: Request, next: Next) -> Response {
    answer(&once, request, next)
        .await
        .unwrap_or_else(Problem::into_response)
}

async fn answer(once: &Once, mut request: Request, next: Next) -> Result<Response, Problem> {
    let outcome = Outcome::default();
    request.extensions_mut().insert(outcome.clone());
    let Some(text) = key(request.headers())?.map(str::to_owned) else {
        return Ok(outcome.truthful(next.run(request).await));
    };
    let (mut request, key) = identify(once, request, &text).await?;
    let Some(place) = once.app.under_way.enter(&key) else {
        return Err(in_progress());
    };
    if let Some(row) = once.known(&key).await? {
        if row.body_hash != key.body_hash {
            return Err(reused());
        }
        if let Some(answer) = &row.answer {
            return Ok(replay(answer));
        }
        if row.refusal.is_none() {
            outcome.set_effective();
        }
        request.extensions_mut().insert(row);
    }
    // A task of its own: were it to end with a client that goes away, the key would be free for a
    // second try while the first one's command is still under way.
    let (task, once) = (once.app.tasks.clone(), once.clone());
    let finish = async move {
        let _place = place;
        finish(&once, key, outcome, request, next).await
    };
    let answer = task.spawn(finish.in_current_span()).await;
    answer.map_err(|error| {
        tracing::error!(%error, "a handler failed");
        Problem::internal()
    })?
}

async fn finish(
    once: &Once,
    key: RequestKey,
    outcome: Outcome,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = outcome.truthful(next.run(request).await);
    let is_final = outcome.is_known()
        && !response.status().is_server_error()
        && response.status() != StatusCode::TOO_MANY_REQUESTS;
    if !is_final {
        return Ok(response);
    }
    if outcome.is_repeat() {
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if response.status().is_success() && outcome.is_retold() {
        return Ok(response);
    }
    record(once, key, response, id).await
}

/// Reads the body, and puts the caller and the key where the handler finds them.
async fn identify(
    once: &Once,
    request: Request,
    key: &str,
) -> Result<(Request, RequestKey), Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &once.app).await?;
    let kept = (
        parts.method.clone(),
        parts.uri.clone(),
        parts.headers.clone(),
    );
    let mut whole = Request::from_parts(parts, body);
    let extensions = std::mem::take(whole.extensions_mut());
    *whole.extensions_mut() = extensions.clone();
    let bytes = extract::bytes(whole).await?;
    let route = extensions
        .get::<MatchedPath>()
        .map_or_else(|| kept.1.path().to_owned(), |path| path.as_str().to_owned());
    let scope = Scope {
        company: &caller.tenant.simple().to_string(),
        principal: &caller.principal,
        method: &kept.0,
        route: &route,
    };
    let path_and_query = kept.1.path_and_query().map_or("", |it| it.as_str());
    let hash = once.app.tokens.keyed_hash(PURPOSE);
    let key = request_key(hash, scope, key, path_and_query, &bytes);
    let mut again = Request::new(Body::from(bytes));
    *again.method_mut() = kept.0;
    *again.uri_mut() = kept.1;
    *again.headers_mut() = kept.2;
    *again.extensions_mut() = extensions;
    again.extensions_mut().insert(caller);
    again.extensions_mut().insert(key.clone());
    Ok((again, key))
}

/// Keeps an answer that is final, before it is sent.
async fn record(
    once: &Once,
    key: RequestKey,
    response: Response,
    id: Option<RequestId>,
) -> Result<Response, Problem> {
    let (mut parts, body) = response.into_parts();
    let bytes = match parts.extensions.get::<Problem>() {
        Some(problem) => problem.render(id.as_ref().map(|id| &*id.0)).into(),
        None => axum::body::to_bytes(body, usize::MAX)
            .await
            .map_err(|_| Problem::internal())?,
    };
    let shown = parts.extensions.remove::<WithoutSecret>();
    let kept = shown.map_or_else(|| bytes.clone(), |it| it.0);
    let answer = keep(parts.status, &parts.headers, &kept);
    let RequestKey { scope, key, .. } = key;
    let note = NewAnswer { scope, key, answer };
    let kept = once.app.engine.answer(once.context, note).await;
    kept.map_err(|error| {
        tracing::warn!(%error, "an answer could not be kept");
        Problem::outcome_unknown()
    })?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// What a key is good for: one company, one user or API key, one route.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The company's public id.
    pub company: &'a str,
    /// The user's or API key's public id, not its token's: a retry may come with a fresh token.
    pub principal: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The route's template.
    pub route: &'a str,
}

/// The key that a request came with, if it did.
///
/// # Errors
/// 422 when it is not 1 to 255 printable ASCII characters, or comes twice.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let is_good = (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_good || values.next().is_some() {
        return Err(Problem::bad_parameter(
            KEY.as_str(),
            "invalid-value",
            "one key of 1 to 255 printable ASCII characters",
        ));
    }
    Ok(Some(text))
}

/// The request's key as the engine knows it. The path is part of what is hashed, since one route
/// serves many ids: the same key on another id is another request.
///
/// Bodies hold passwords, and the hash is kept in the journal: it is a keyed one, lest whoever gets
/// the journal can guess them fast. The price is that after a change of the signing key, a repeat
/// of an older request is taken for another one and refused.
#[must_use]
pub fn request_key(
    hash: KeyedHash,
    scope: Scope<'_>,
    key: &str,
    path_and_query: &str,
    body: &[u8],
) -> RequestKey {
    let hash = hash
        .chain_update(path_and_query)
        .chain_update([0])
        .chain_update(body)
        .finalize()
        .into_bytes();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    RequestKey {
        scope: format!(
            "{}/{}/{} {}",
            scope.company, scope.principal, scope.method, scope.route
        ),
        key: key.to_owned(),
        body_hash: i64::from_be_bytes(first),
        is_client: true,
    }
}

/// 422: the key came before, with another request.
#[must_use]
pub fn reused() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "this Idempotency-Key came before with another request",
    )
}

/// 409: the key's first request has no answer yet.
#[must_use]
pub fn in_progress() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "request-in-progress",
        "a request with this Idempotency-Key is still under way",
    )
}

/// An answer as it is kept: its status, the headers that are part of it, and its body.
#[must_use]
pub fn keep(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    let lines = KEPT.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(format!("{name}: {value}"))
    });
    Answer {
        status: status.as_u16(),
        headers: lines.collect::<Vec<_>>().join("\n"),
        body: body.to_vec(),
    }
}

/// A kept answer, given again byte for byte.
#[must_use]
pub fn replay(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    for line in answer.headers.lines() {
        let parsed = line.split_once(": ").and_then(|(name, value)| {
            Some((
                name.parse::<HeaderName>().ok()?,
                HeaderValue::from_str(value).ok()?,
            ))
        });
        if let Some((name, value)) = parsed {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit as _;

    use super::*;

    fn keyed(key: &[u8]) -> KeyedHash {
        KeyedHash::new_from_slice(key).unwrap()
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (KEY, HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn a_key_is_short_printable_and_alone() {
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(key(&headers(&["a b-1"])).unwrap(), Some("a b-1"));
        let longest = "k".repeat(255);
        assert_eq!(key(&headers(&[&longest])).unwrap(), Some(longest.as_str()));
        let too_long = "k".repeat(256);
        for bad in [
            vec![""],
            vec!["a\tb"],
            vec!["\u{e9}"],
            vec!["a", "a"],
            vec![&too_long],
        ] {
            assert!(key(&headers(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_place_is_taken_until_its_holder_leaves() {
        let under_way = Arc::new(UnderWay::default());
        let scope = Scope {
            company: "com_1",
            principal: "usr_1",
            method: &Method::POST,
            route: "/orders",
        };
        let key = request_key(keyed(b"a"), scope, "k", "/orders", b"{}");
        let holder = under_way.enter(&key);
        assert!(holder.is_some());
        assert!(under_way.enter(&key).is_none());
        assert!(under_way.enter(&key).is_none());
        drop(holder);
        assert!(under_way.enter(&key).is_some());
    }

    #[test]
    fn the_hash_sees_path_body_and_secret() {
        let scope = Scope {
            company: "com_1",
            principal: "usr_1",
            method: &Method::POST,
            route: "/orders/{id}/cancel",
        };
        let hash_with =
            |secret, path, body| request_key(keyed(secret), scope, "k", path, body).body_hash;
        let hash = |path, body| hash_with(b"a", path, body);
        assert_eq!(
            hash("/orders/1/cancel", b"{}"),
            hash("/orders/1/cancel", b"{}")
        );
        assert_ne!(
            hash("/orders/1/cancel", b"{}"),
            hash("/orders/2/cancel", b"{}")
        );
        assert_ne!(
            hash("/orders/1/cancel", b"{}"),
            hash("/orders/1/cancel", b"{ }")
        );
        assert_ne!(
            hash_with(b"b", "/orders/1/cancel", b"{}"),
            hash("/orders/1/cancel", b"{}")
        );
    }

    #[tokio::test]
    async fn an_answer_is_given_again_as_it_was() {
        let headers = HeaderMap::from_iter([
            (header::ETAG, HeaderValue::from_static("\"3\"")),
            (header::DATE, HeaderValue::from_static("today")),
        ]);
        let again = replay(&keep(StatusCode::CREATED, &headers, b"{\"id\":1}"));
        assert_eq!(again.status(), StatusCode::CREATED);
        assert_eq!(again.headers()[header::ETAG], "\"3\"");
        assert_eq!(again.headers()[REPLAYED], "true");
        assert!(!again.headers().contains_key(header::DATE));
        let body = axum::body::to_bytes(again.into_body(), 100).await.unwrap();
        assert_eq!(body.as_ref(), b"{\"id\":1}");
    }
}
