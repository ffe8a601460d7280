//! The pages behind the `type` of problems, and the answers where no route matches.

use axum::http::StatusCode;
use axum::response::Html;

use crate::http::extract::Path;
use crate::problem::{Problem, title};

/// The codes that are not an entity's own, each with what it means and what to do.
const KNOWN: [(&str, &str); 27] = [
    (
        "malformed",
        "The body is not JSON, or says something twice. Send well-formed JSON.",
    ),
    (
        "unauthenticated",
        "No credential came with the request, or it does not hold. Sign in.",
    ),
    (
        "invalid-credentials",
        "The e-mail address or the password is wrong.",
    ),
    ("token-expired", "The access token has expired. Refresh it."),
    ("session-revoked", "The session was ended. Sign in again."),
    (
        "forbidden",
        "The credential is good but does not reach so far.",
    ),
    (
        "not-found",
        "There is nothing here, or nothing that you may know of.",
    ),
    (
        "method-not-allowed",
        "The resource exists but not for this method; see the Allow header.",
    ),
    ("body-too-slow", "The body did not arrive in time."),
    (
        "request-in-progress",
        "A request with this Idempotency-Key is still under way. Wait, and repeat it.",
    ),
    (
        "version-mismatch",
        "The resource has changed since you read it. Read it again.",
    ),
    ("too-large", "The body is larger than is taken."),
    ("unsupported-media-type", "Bodies are application/json."),
    (
        "invalid",
        "The request reads well, but some of its values are not acceptable; `errors` says which.",
    ),
    (
        "unknown-field",
        "There is no such field. It is refused so that a slip of the pen is not lost silently.",
    ),
    ("missing-field", "A field that is needed is not there."),
    (
        "invalid-type",
        "The value has another JSON type than the field takes.",
    ),
    (
        "invalid-value",
        "The value is out of range or not of the form that the field takes.",
    ),
    ("unknown-parameter", "There is no such query parameter."),
    (
        "invalid-cursor",
        "The cursor is not one of this list with these filters. Start again without it.",
    ),
    (
        "idempotency-key-reused",
        "This Idempotency-Key came before with another request. Use a new one.",
    ),
    (
        "too-many-requests",
        "The company has too many requests under way. Slow down.",
    ),
    (
        "overloaded",
        "The server has too much to do. Nothing was changed; try again later.",
    ),
    (
        "too-late",
        "The request could not be done in time. Nothing was changed; try again.",
    ),
    (
        "unavailable",
        "Something that the request needs is away. Nothing was changed; try again.",
    ),
    (
        "outcome-unknown",
        "It is not known yet whether the request took effect. Repeat it with the same Idempotency-Key.",
    ),
    (
        "internal",
        "Something went wrong at our end. Tell us the request id.",
    ),
];

/// `GET /problems/{code}`.
///
/// # Errors
/// 404 when the code could not be one.
pub async fn page(Path(code): Path<String>) -> Result<Html<String>, Problem> {
    let could_be = (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !could_be {
        return Err(Problem::not_found());
    }
    let meaning = KNOWN.iter().find(|(known, _)| *known == code).map_or(
        "A rule of the resource refused the request; `detail` says which.",
        |(_, meaning)| meaning,
    );
    Ok(Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <h1>{title}</h1><p><code>{code}</code></p><p>{meaning}</p></html>",
        title = title(&code),
    )))
}

/// Where no route matches.
pub async fn no_route() -> Problem {
    Problem::not_found()
}

/// Where the route exists for other methods; axum adds `Allow`.
pub async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "this resource does not take this method",
    )
}
