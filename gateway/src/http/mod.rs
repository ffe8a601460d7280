//! The API over HTTP: every route on one page, and what handlers read requests with.

pub mod api;
pub mod call;
pub mod docs;
pub mod events;
pub mod extract;
pub mod front;
pub mod health;
pub mod list;
pub mod location;
pub mod problems;
pub mod resource;
mod strict;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::app::App;
use api::Api;

/// Every route. Those under `/api/v1` are listed in the files of their resources, which say with
/// the same lines what they take and give.
pub fn router(app: &Arc<App>) -> Router {
    let api = Api::new(Arc::clone(app));
    let api = location::routes(api);
    let (router, document) = api.finish();
    router
        .merge(docs::routes(document))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/.well-known/jwks.json", get(health::jwks))
        .route("/problems/{code}", get(problems::page))
        .fallback(problems::no_route)
        .method_not_allowed_fallback(problems::no_method)
        .with_state(Arc::clone(app))
}
