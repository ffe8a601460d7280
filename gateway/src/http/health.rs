//! What load balancers and other servers ask: alive, ready, and the public keys of access tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jsonwebtoken::jwk::JwkSet;
use serde_json::json;

use crate::app::App;
use crate::http::resource::json_response;
use crate::problem::Problem;

/// How long the journals have to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /health/live`: the program runs.
pub async fn live() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "live" }))
}

/// `GET /health/ready`: requests can be served.
///
/// # Errors
/// 503 while the program stops, cannot write, or a journal does not answer.
pub async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Problem::unavailable("stopping", "the server is stopping"));
    }
    // Unlike what a database says of itself, these reasons are the engine's own and fit to be shown.
    if let Err(error) = app.engine.writable() {
        tracing::warn!(%error, "not ready");
        return Err(Problem::unavailable("unavailable", error.to_string()));
    }
    match tokio::time::timeout(PATIENCE, app.engine.ping()).await {
        Ok(Ok(())) => Ok(json_response(StatusCode::OK, &json!({ "status": "ready" }))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Problem::unavailable(
            "unavailable",
            "a database does not answer",
        )),
    }
}

/// `GET /.well-known/jwks.json`: the keys that access tokens are signed with.
pub async fn jwks(State(app): State<Arc<App>>) -> Json<JwkSet> {
    Json(app.tokens.jwks().clone())
}
