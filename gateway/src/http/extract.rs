//! How handlers read requests: bodies, queries and paths, each with its problems.

use std::error::Error as _;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::http::strict;
use crate::problem::Problem;

/// What one request may take; in every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// When it must be answered.
    pub deadline: Instant,
    /// How long its body may take to arrive.
    pub body_timeout: Duration,
    /// The largest body taken.
    pub max_body_bytes: usize,
}

impl Limits {
    /// The limits of a request.
    ///
    /// # Errors
    /// 500 when the front was left out of the router.
    pub fn of(extensions: &axum::http::Extensions) -> Result<Self, Problem> {
        extensions.get().copied().ok_or_else(Problem::internal)
    }
}

/// A JSON body, read strictly.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        strict::read(&json_bytes(request).await?).map(Self)
    }
}

/// A JSON body of which every member is optional: without a body it is what it is by default.
pub struct OrDefault<T>(pub T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for OrDefault<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => strict::read(&bytes).map(Self),
            (false, false) => Err(not_json()),
        }
    }
}

/// No body, or an empty object: what is sent to a route that takes nothing is a mistake, and is not
/// passed over.
pub type Nothing = OrDefault<Empty>;

/// An object without members.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// The bytes of a JSON body, within the limits.
///
/// # Errors
/// As [`bytes`], and 415 when it is no JSON.
pub(crate) async fn json_bytes(request: Request) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        return Err(not_json());
    }
    bytes(request).await
}

fn not_json() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "send application/json",
    )
}

/// The bytes of a body, within the limits.
///
/// # Errors
/// 408, 413, 415, or 400 when the connection breaks.
pub(crate) async fn bytes(request: Request) -> Result<Bytes, Problem> {
    let limits = Limits::of(request.extensions())?;
    if is_packed(request.headers()) {
        return Err(packed());
    }
    if content_length(request.headers()) > Some(limits.max_body_bytes as u64) {
        return Err(too_large(limits));
    }
    let body = Limited::new(request.into_body(), limits.max_body_bytes).collect();
    match tokio::time::timeout(limits.body_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limits)),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the body did not arrive whole",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            "the body did not arrive in time",
        )),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Nothing is unpacked: a kilobyte could come to a megabyte, and bodies are small.
fn is_packed(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings
        .map(|coding| coding.as_bytes().trim_ascii())
        .any(|coding| !coding.eq_ignore_ascii_case(b"identity"))
}

fn packed() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "send the body as it is, without a content-encoding",
    )
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn too_large(limits: Limits) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        format!("a body may have {} bytes at most", limits.max_body_bytes),
    )
}

/// The query, read strictly: a parameter that is not known is refused, since a filter that is
/// silently ignored gives a wrong answer.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::bad_parameter(
                "",
                "invalid-value",
                "no parameter may contain NUL",
            ));
        }
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| bad_query(&rejection))
    }
}

fn bad_query(rejection: &QueryRejection) -> Problem {
    let mut source = rejection.source();
    while let Some(error) = source {
        let tracked = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>();
        if let Some(tracked) = tracked {
            return bad_parameter(&tracked.path().to_string(), &tracked.inner().to_string());
        }
        source = error.source();
    }
    Problem::bad_parameter("", "invalid-value", "the query does not read")
}

fn bad_parameter(path: &str, said: &str) -> Problem {
    let quoted = said.split('`').nth(1).unwrap_or_default();
    match said {
        said if said.starts_with("unknown field") => Problem::bad_parameter(
            quoted,
            "unknown-parameter",
            said.replace("field", "parameter"),
        ),
        said if said.starts_with("missing field") => {
            Problem::bad_parameter(quoted, "missing-parameter", "this parameter is needed")
        }
        said if said.starts_with("duplicate field") => {
            Problem::bad_parameter(quoted, "duplicate-parameter", "this parameter comes twice")
        }
        said => Problem::bad_parameter(path, "invalid-value", said),
    }
}

/// The parts of the path. What does not read as an id names nothing.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(path)| Self(path))
            .map_err(|_| Problem::not_found())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        limit: Option<u8>,
    }

    async fn read(uri: &str) -> Result<Filter, Problem> {
        let (mut parts, ()) = axum::http::Request::builder()
            .uri(uri)
            .body(())
            .unwrap()
            .into_parts();
        let Query(filter) = Query::<Filter>::from_request_parts(&mut parts, &()).await?;
        Ok(filter)
    }

    #[tokio::test]
    async fn a_query_says_which_parameter_is_at_fault() {
        assert_eq!(read("/x?limit=3").await.unwrap().limit, Some(3));
        let cases = [
            ("/x?limit=many", "limit", "invalid-value"),
            ("/x?limt=3", "limt", "unknown-parameter"),
            ("/x?limit=3&limit=4", "limit", "duplicate-parameter"),
            ("/x?limit=%00", "", "invalid-value"),
        ];
        for (uri, parameter, code) in cases {
            let problem = read(uri).await.unwrap_err();
            assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(
                problem.errors()[0].parameter.as_deref(),
                Some(parameter),
                "{uri}"
            );
            assert_eq!(problem.errors()[0].code, code, "{uri}");
        }
    }
}
