//! What every request goes through: its id, its span, its deadline, and the finish of its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use opentelemetry::propagation::Extractor;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

use crate::config::Gateway;
use crate::http::extract::Limits;
use crate::http::series::{AllSeries, Labels};
use crate::problem::Problem;

/// The header that carries a request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const LONGEST_ID: usize = 128;
/// How long handlers have beyond the deadline to say themselves that it passed.
const GRACE: Duration = Duration::from_millis(500);

/// The id of a request; in every request's extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

struct Front {
    config: Gateway,
    is_traced: bool,
    series: AllSeries,
}

/// Puts the front before a router: everything that is the same for every route. Where traces are
/// collected, spans say more.
pub fn front(router: Router, config: &Gateway, is_traced: bool) -> Router {
    let front = Arc::new(Front {
        config: config.clone(),
        is_traced,
        series: AllSeries::default(),
    });
    router
        .layer(middleware::from_fn_with_state(front.clone(), guard))
        .layer(cors(&config.cors_origins))
        .layer(middleware::from_fn_with_state(front, name))
}

/// Gives the request its id, span and limits, and the answer its last headers.
async fn name(State(front): State<Arc<Front>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let config = &front.config;
    let id: Arc<str> = request_id(request.headers());
    let span = span(&request, &id, front.is_traced);
    let labels = Labels::of(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(Limits {
        deadline: started + config.request_timeout,
        body_timeout: config.body_timeout,
        max_body_bytes: config.max_body_bytes.get(),
    });
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        name_problem(&mut response, &problem, &id);
    }
    finish(response.headers_mut(), &id);
    span.record("http.response.status_code", response.status().as_u16());
    labels.count(&front.series, &response, started.elapsed());
    response
}

/// Refuses a head that is too large, ends what takes too long, and turns a panic of a handler into an
/// answer.
async fn guard(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let config = &front.config;
    if head_bytes(&request) > config.max_header_bytes.get() as usize {
        let what = "the request line and the headers are larger than is taken";
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Problem::new(status, "head-too-large", what).into_response();
    }
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(config.request_timeout + GRACE, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a handler panicked");
            Problem::internal().into_response()
        }
        Err(_) => Problem::outcome_unknown().into_response(),
    }
}

/// About as many bytes as the head had when it was sent.
fn head_bytes(request: &Request) -> usize {
    let (uri, headers) = (request.uri(), request.headers());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let header = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    path + headers.iter().map(header).sum::<usize>()
}

/// An id for a request that brought none.
#[must_use]
pub fn new_request_id() -> Arc<str> {
    Uuid::now_v7().simple().to_string().into()
}

fn request_id(headers: &HeaderMap) -> Arc<str> {
    let is_sane = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(is_sane)
        .map_or_else(new_request_id, Arc::from)
}

/// What log lines of a request say of it; more of it where traces are collected.
fn span(request: &Request, id: &str, is_traced: bool) -> Span {
    let route = route(request);
    if !is_traced {
        return tracing::info_span!("request", http.route = route, request_id = id);
    }
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        request_id = id,
    );
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    });
    // Fails only where no traces are wanted.
    let _ = span.set_parent(parent);
    span
}

/// The route's template: few, unlike paths, so that metrics stay bounded.
fn route(request: &Request) -> &str {
    request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unknown", MatchedPath::as_str)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The problem's body again, now with the request's id. Headers that were added on the way, such as
/// Allow, stay.
fn name_problem(response: &mut Response, problem: &Problem, id: &str) {
    if response.status().is_server_error() {
        tracing::warn!(
            request_id = id,
            code = problem.code(),
            "answered {}",
            response.status()
        );
    }
    *response.body_mut() = problem.render(Some(id)).into();
    response.headers_mut().remove(header::CONTENT_LENGTH);
}

fn finish(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    let unless_set = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in unless_set {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// CORS as configured. Credentials are never allowed: the API takes no cookies.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::from(Any)
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        // Not `*`: by the standard that leaves Authorization out.
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            REQUEST_ID,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("prefer"),
            HeaderName::from_static("quenty-company"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([
            REQUEST_ID,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("idempotent-replayed"),
        ])
        .max_age(Duration::from_secs(600))
}
