//! Idempotency-Key: which request a key stands for, and answers that can be given again.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use engine::RequestKey;
use engine::journal::Answer;
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

/// The header that carries the key.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Set on an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The longest key taken.
const LONGEST: usize = 255;
/// Headers that are part of an answer; the others are made anew.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

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
#[must_use]
pub fn request_key(scope: Scope<'_>, key: &str, path_and_query: &str, body: &[u8]) -> RequestKey {
    let hash = Sha256::new()
        .chain_update(path_and_query)
        .chain_update([0])
        .chain_update(body)
        .finalize();
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
    use super::*;

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
    fn the_hash_sees_path_and_body() {
        let scope = Scope {
            company: "com_1",
            principal: "usr_1",
            method: &Method::POST,
            route: "/orders/{id}/cancel",
        };
        let hash = |path, body| request_key(scope, "k", path, body).body_hash;
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
