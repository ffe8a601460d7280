//! The pages behind the `type` of problems, and the answers where no route matches.

use axum::http::StatusCode;
use axum::response::Html;

use crate::http::extract::Path;
use crate::kinds;
use crate::problem::{Problem, title};

/// The codes that are not an entity's own, each with what it means and what to do.
const KNOWN: &[(&str, &str)] = &[
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
    (
        "head-too-large",
        "The request line and the headers are larger than is taken.",
    ),
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
        "damaged",
        "What is stored of the resource is damaged. It is out of service until the operator of this \
         installation has repaired it; everything else is served.",
    ),
    (
        "internal",
        "Something went wrong at our end. Tell us the request id.",
    ),
    (
        "company-suspended",
        "The company is suspended. Only the operator of this installation can change that.",
    ),
    (
        "company-missing",
        "A superuser says with the header Quenty-Company which company to act in.",
    ),
    (
        "going-away",
        "The server is stopping. Resume from your cursor.",
    ),
    (
        "credential-revoked",
        "The credential was withdrawn. Get another one.",
    ),
    (
        "already-authenticated",
        "The live connection knows already who you are.",
    ),
    (
        "already-subscribed",
        "The live connection has this topic already.",
    ),
    (
        "too-many-topics",
        "A live connection takes no more topics. Open another one.",
    ),
    (
        "upgrade-required",
        "This resource is for WebSockets only. Ask for an upgrade of the connection.",
    ),
    (
        "missing-parameter",
        "A query parameter or header that is needed is not there.",
    ),
    (
        "duplicate-parameter",
        "A query parameter or header came twice.",
    ),
    (
        "exclusive-parameters",
        "Two parameters came that exclude each other. Send one of them.",
    ),
    ("out-of-range", "The number is too small or too large."),
    (
        "amount-too-precise",
        "The amount has more decimals than its currency.",
    ),
    (
        "customer-blocked",
        "The customer is blocked, and orders nothing until unblocked.",
    ),
    (
        "product-inactive",
        "The product is not active, and is not sold.",
    ),
    (
        "location-inactive",
        "The location is not active, and takes no goods.",
    ),
    (
        "location-missing",
        "Neither the line nor the company says which location serves it. Say it in the line.",
    ),
    (
        "destination-misplaced",
        "Only a transfer goes to another location.",
    ),
    ("destination-missing", "A transfer says where the goods go."),
    (
        "own-account",
        "Nobody does this to the account that they are signed in with.",
    ),
];

/// What an order refuses.
pub const ORDER: &[&str] = &[
    "order-not-found",
    "order-exists",
    "reference-taken",
    "currency-mismatch",
    "negative-amount",
    "amount-out-of-range",
    "discount-too-large",
    "total-out-of-range",
    "estimate-out-of-range",
    "illegal-transition",
    "too-late-to-change",
    "reservation-pending",
    "unknown-line",
    "repeated-line",
    "quantity-too-large",
    "nothing-to-ship",
    "shipping-address-missing",
    "parcels-missing",
    "too-many-shipments",
];

/// What a shipment refuses.
pub const SHIPMENT: &[&str] = &[
    "shipment-not-found",
    "shipment-exists",
    "tracking-number-reserved",
    "tracking-number-taken",
    "reference-taken",
    "estimate-out-of-range",
    "status-not-scannable",
    "event-too-old",
    "event-in-the-future",
    "too-many-events",
    "illegal-transition",
];

/// What a stock item refuses.
pub const STOCK: &[&str] = &[
    "wrong-stock-item",
    "quantity-out-of-range",
    "adjustment-out-of-range",
    "balance-out-of-range",
    "reason-missing",
    "same-location",
    "insufficient-stock",
    "reference-taken",
    "reorder-point-out-of-range",
];

/// Why something is not a value.
const VALUES: &[&str] = &[
    "amount-out-of-range",
    "control-character",
    "currency-mismatch",
    "document-length-out-of-range",
    "invalid-amount",
    "invalid-coordinates",
    "invalid-document-code",
    "invalid-email",
    "invalid-hash",
    "invalid-hs-code",
    "invalid-id",
    "invalid-length",
    "invalid-metadata",
    "invalid-phone",
    "invalid-reference",
    "invalid-sku",
    "invalid-tracking-number",
    "length-out-of-range",
    "quantity-out-of-range",
    "too-much-metadata",
    "unknown-country",
    "unknown-currency",
    "unknown-time-zone",
    "weight-out-of-range",
    "wrong-check-digit",
];

/// `GET /problems/{code}`.
///
/// # Errors
/// 404 when no problem has the code.
pub async fn page(Path(code): Path<String>) -> Result<Html<String>, Problem> {
    let meaning = meaning(&code).ok_or_else(Problem::not_found)?;
    Ok(Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <h1>{title}</h1><p><code>{code}</code></p><p>{meaning}</p></html>",
        title = title(&code),
    )))
}

fn meaning(code: &str) -> Option<&'static str> {
    if let Some((_, meaning)) = KNOWN.iter().find(|(known, _)| *known == code) {
        return Some(meaning);
    }
    let mut rules = kinds::ALL.iter().map(|kind| kind.codes).chain([VALUES]);
    rules
        .any(|codes| codes.contains(&code))
        .then_some("A rule of the resource refused the request; `detail` says which.")
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The texts in a source file that look like a code of several words.
    fn codes(source: &str) -> impl Iterator<Item = &str> {
        source.split('"').skip(1).step_by(2).filter(|text| {
            let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            text.contains('-') && text.bytes().all(is_code) && *text != "kebab-case"
        })
    }

    /// How many codes there are in a folder's sources, once each was seen to have a page. Tests
    /// have none of their own, and what policies are called is no code.
    fn check(folder: &Path) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy();
            if ["tests", "policies"].contains(&&*stem) {
                continue;
            }
            if path.is_dir() {
                count += check(&path);
                continue;
            }
            for code in codes(&fs::read_to_string(&path).unwrap()) {
                assert!(meaning(code).is_some(), "{code} of {}", path.display());
                count += 1;
            }
        }
        count
    }

    #[test]
    fn every_rule_has_a_page() {
        let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../actors/src");
        assert!(check(&domain) > 50);
        assert_eq!(meaning("lengths-reversed"), meaning("invalid-sku"));
        assert!(meaning("not-a-code").is_none());
    }
}
