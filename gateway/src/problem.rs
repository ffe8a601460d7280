//! What went wrong, as clients are told: problem+json (RFC 9457), from refusals and failures.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::{Bound, RejectionKind};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// How soon a client should try again when nothing better is known.
const SOON: Duration = Duration::from_secs(1);

/// An answer that is an error. It becomes a response by itself; the request's id is filled in on
/// the way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Fault>,
    allowed_transitions: Option<Vec<&'static str>>,
    retry_after: Option<Duration>,
}

/// One field at fault.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer of the field in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Name of the query parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Stable kebab-case code.
    pub code: Cow<'static, str>,
    /// The same for people.
    pub detail: String,
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// A page about this kind of problem, relative to this server.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time.
    detail: &'a str,
    /// Stable kebab-case code; programs should look at this.
    code: &'a str,
    /// The id under which the server's logs know the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// The fields at fault.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    /// For an illegal transition, the legal ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_transitions: Option<&'a [&'static str]>,
    /// Seconds after which trying again may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a stable kebab-case code.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            allowed_transitions: None,
            retry_after: None,
        }
    }

    /// 404: nothing there, or nothing that the caller may know of.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here")
    }

    /// 401: no credential, or one that does not hold.
    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// 403: a good credential that does not reach so far.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 422 with one field of the body at fault.
    pub fn invalid(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self::unprocessable("some fields are not acceptable").at(pointer, code, detail)
    }

    /// 422 with one query parameter or header at fault.
    pub fn bad_parameter(
        name: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let mut problem = Self::unprocessable("some parameters are not acceptable");
        problem.errors.push(Fault {
            parameter: Some(name.into()),
            code: code.into(),
            detail: detail.into(),
            ..Fault::default()
        });
        problem
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(SOON)
    }

    /// 503: it may have been done, or may yet be.
    #[must_use]
    pub fn outcome_unknown() -> Self {
        Self::unavailable(
            "outcome-unknown",
            "the outcome is not known yet; repeat the request with the same Idempotency-Key",
        )
    }

    /// 500. What went wrong is for the log, not for the client.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the request id helps to find it",
        )
    }

    /// Adds a field of the body that is at fault.
    #[must_use]
    pub fn at(
        mut self,
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        self.errors.push(Fault {
            pointer: Some(pointer.into()),
            code: code.into(),
            detail: detail.into(),
            ..Fault::default()
        });
        self
    }

    /// Says when trying again may help.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// A refusal by the domain.
    pub fn refused(rejection: &impl engine::Rejection) -> Self {
        let status = match rejection.kind() {
            RejectionKind::NotFound => StatusCode::NOT_FOUND,
            RejectionKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RejectionKind::Conflict => StatusCode::CONFLICT,
            RejectionKind::Forbidden => StatusCode::FORBIDDEN,
            RejectionKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        };
        let mut problem = Self::new(status, rejection.code(), rejection.to_string());
        problem.allowed_transitions = rejection.allowed();
        if let Some(pointer) = rejection.pointer() {
            return problem.at(pointer, rejection.code(), rejection.to_string());
        }
        problem
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The fields at fault.
    #[must_use]
    pub fn errors(&self) -> &[Fault] {
        &self.errors
    }

    /// The body as JSON.
    #[must_use]
    pub fn render(&self, request_id: Option<&str>) -> Vec<u8> {
        let document = self.document(request_id);
        // Plain strings and numbers: writing them cannot fail.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The body as a value, for places where problems are part of a larger answer.
    #[must_use]
    pub fn document<'a>(&'a self, request_id: Option<&'a str>) -> Document<'a> {
        Document {
            kind: format!("/problems/{}", self.code),
            title: title(self.code),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
            allowed_transitions: self.allowed_transitions.as_deref(),
            retry_after: self.retry_after.map(whole_seconds),
        }
    }

    fn unprocessable(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }
}

/// `insufficient-stock` becomes `Insufficient stock`.
#[must_use]
pub fn title(code: &str) -> String {
    let words = code.replace('-', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Retry-After has no fractions, and 0 would invite a storm.
fn whole_seconds(duration: Duration) -> u64 {
    let rounded_up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    rounded_up.max(1)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.render(None)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, whole_seconds(after).into());
        }
        // Picked up on the way out, where the request's id is known.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<engine::Error> for Problem {
    /// The one place that turns failures into statuses, and logs those that need a person.
    fn from(error: engine::Error) -> Self {
        use engine::Error;
        match error {
            Error::NotFound => Self::not_found(),
            Error::Stale { actual } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "version-mismatch",
                format!("the version is {actual}, not the one in If-Match"),
            ),
            Error::Overloaded { scope, retry_after } => overloaded(scope).retry_after(retry_after),
            Error::Late => Self::unavailable("too-late", "the request could not be done in time"),
            Error::Timeout => Self::outcome_unknown(),
            Error::InDoubt(_) | Error::HostFailed => {
                tracing::warn!(%error, "a client is told that an outcome is unknown");
                Self::outcome_unknown()
            }
            Error::Unavailable(_) => {
                tracing::warn!(%error, "a request could not be done");
                Self::unavailable(
                    "unavailable",
                    "not available right now; nothing was changed",
                )
            }
            Error::Damaged(_) => {
                tracing::error!(%error, "a request met damage");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "damaged",
                    "what is stored of it is damaged; it is out of service until that is repaired",
                )
            }
            Error::Panicked(_) | Error::UnknownKind(_) => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

fn overloaded(scope: Bound) -> Problem {
    match scope {
        Bound::Tenant => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "this company has too many requests under way",
        ),
        Bound::Entity | Bound::Shard | Bound::Node => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            format!("{scope} has too many requests under way"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_where_and_when_to_retry() {
        let problem = Problem::invalid("/lines/0", "out-of-range", "must be positive")
            .retry_after(Duration::from_millis(1_200));
        let body: serde_json::Value = serde_json::from_slice(&problem.render(Some("r-1"))).unwrap();
        assert_eq!(body["type"], "/problems/invalid");
        assert_eq!(body["title"], "Invalid");
        assert_eq!(body["status"], 422);
        assert_eq!(body["request_id"], "r-1");
        assert_eq!(body["errors"][0]["pointer"], "/lines/0");
        assert_eq!(body["retry_after"], 2);
        assert_eq!(problem.into_response().headers()["retry-after"], "2");
    }

    #[test]
    fn failures_map_to_statuses_without_telling_secrets() {
        let failures = [
            (engine::Error::NotFound, 404),
            (engine::Error::Stale { actual: 3 }, 412),
            (engine::Error::Late, 503),
            (engine::Error::Unavailable("postgres://secret".into()), 503),
            (engine::Error::InDoubt("secret".into()), 503),
            (engine::Error::HostFailed, 503),
            (engine::Error::Panicked("secret".into()), 500),
        ];
        for (error, status) in failures {
            let problem = Problem::from(error);
            assert_eq!(problem.status().as_u16(), status);
            let body = String::from_utf8(problem.render(None)).unwrap();
            assert!(!body.contains("secret"), "{body}");
        }
        let noisy = engine::Error::Overloaded {
            scope: Bound::Tenant,
            retry_after: Duration::from_secs(2),
        };
        assert_eq!(Problem::from(noisy).status().as_u16(), 429);
    }
}
