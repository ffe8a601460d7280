//! The OpenAPI document and the pages to browse it with, all served from here.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;

/// What the pages may load: themselves, and styles that they make as they go.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// `/openapi.json` and `/docs`.
pub fn routes(document: &OpenApi) -> Router<Arc<App>> {
    // Written once: anybody may ask for it, and read it as slowly as they like, so an answer must
    // cost neither time nor memory. A document of our own making can be written.
    let text = Bytes::from(document.to_json().unwrap_or_default());
    let document = async || ([(header::CONTENT_TYPE, "application/json")], text);
    let config = Config::new(["/openapi.json"]).validator_url("none");
    Router::from(SwaggerUi::new("/docs").config(config))
        .route("/openapi.json", get(document))
        .layer(middleware::from_fn(allow_pages))
}

async fn allow_pages(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}
