//! What holds for every route: ids, problems, limits, headers.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use gateway::config::Config;
use gateway::http::extract;
use gateway::http::front::front;
use gateway::http::problems;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Greeting {
    name: String,
}

async fn greet(extract::Body(greeting): extract::Body<Greeting>) -> String {
    greeting.name
}

#[expect(clippy::panic, reason = "that a handler panics is what is tested")]
async fn fail() -> &'static str {
    panic!("as the test wants it")
}

fn app(settings: &[(&str, &str)]) -> Router {
    let settings = settings
        .iter()
        .map(|(key, value)| (format!("QUENTY__GATEWAY__{key}"), (*value).to_owned()));
    let config = Config::load_with(None, settings).unwrap().gateway;
    let router = Router::new()
        .route("/greet", post(greet))
        .route("/panic", get(fail))
        .route("/hang", get(std::future::pending::<&'static str>))
        .route("/problems/{code}", get(problems::page))
        .fallback(problems::no_route)
        .method_not_allowed_fallback(problems::no_method);
    front(router, &config, false)
}

fn request(method: Method, uri: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

async fn problem(response: Response) -> Value {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 65_536)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["request_id"], id);
    assert_eq!(body["status"], status);
    body
}

async fn refusal(request: Request<Body>) -> (u16, String) {
    let body = problem(
        app(&[("MAX_BODY_BYTES", "100")])
            .oneshot(request)
            .await
            .unwrap(),
    )
    .await;
    let status = u16::try_from(body["status"].as_u64().unwrap()).unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn bad_requests_are_told_apart() {
    let oversized = format!("{{\"name\":\"{}\"}}", "x".repeat(100));
    let chunked = Body::from_stream(futures::stream::iter(
        [oversized.clone()].map(Ok::<_, std::convert::Infallible>),
    ));
    let mut untyped = request(Method::POST, "/greet", "{}");
    untyped.headers_mut().remove("content-type");
    let cases = [
        (request(Method::POST, "/greet", "{"), 400, "malformed"),
        (
            request(Method::POST, "/greet", "{\"name\":1}"),
            422,
            "invalid",
        ),
        (request(Method::POST, "/greet", oversized), 413, "too-large"),
        (request(Method::POST, "/greet", chunked), 413, "too-large"),
        (untyped, 415, "unsupported-media-type"),
        (
            request(Method::GET, "/greet", ""),
            405,
            "method-not-allowed",
        ),
        (request(Method::GET, "/nowhere", ""), 404, "not-found"),
        (
            request(Method::GET, "/problems/%3Cscript%3E", ""),
            404,
            "not-found",
        ),
        (request(Method::GET, "/panic", ""), 500, "internal"),
    ];
    for (request, status, code) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(refusal(request).await, (status, code.to_owned()), "{what}");
    }
}

#[tokio::test]
async fn the_wrong_method_is_told_the_right_one() {
    let response = app(&[])
        .oneshot(request(Method::GET, "/greet", ""))
        .await
        .unwrap();
    assert_eq!(response.headers()["allow"], "POST");
}

#[tokio::test(start_paused = true)]
async fn no_request_hangs() {
    let response = app(&[])
        .oneshot(request(Method::GET, "/hang", ""))
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(problem(response).await["code"], "outcome-unknown");
    let trickle = Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>());
    let response =
        app(&[("BODY_TIMEOUT_MS", "1000")]).oneshot(request(Method::POST, "/greet", trickle));
    let response = tokio::time::timeout(Duration::from_secs(2), response)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_another_replaced() {
    for (sent, is_kept) in [("abc-1._Z", true), ("a b", false), ("", false)] {
        let mut request = request(Method::POST, "/greet", "{\"name\":\"Ada\"}");
        request
            .headers_mut()
            .insert("x-request-id", sent.parse().unwrap());
        let response = app(&[]).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(id == sent, is_kept);
        assert!(!id.is_empty());
    }
}

#[tokio::test]
async fn browsers_may_call_from_configured_origins_only() {
    let preflight = |origin: &str| {
        let mut request = request(Method::OPTIONS, "/greet", "");
        let headers = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
        headers.insert("access-control-request-method", "POST".parse().unwrap());
        headers.insert(
            "access-control-request-headers",
            "authorization".parse().unwrap(),
        );
        request
    };
    let app = app(&[("CORS_ORIGINS", "https://shop.example")]);
    let good = app
        .clone()
        .oneshot(preflight("https://shop.example"))
        .await
        .unwrap();
    assert_eq!(
        good.headers()["access-control-allow-origin"],
        "https://shop.example"
    );
    let allowed = good.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
    let bad = app
        .oneshot(preflight("https://evil.example"))
        .await
        .unwrap();
    assert!(!bad.headers().contains_key("access-control-allow-origin"));
}
