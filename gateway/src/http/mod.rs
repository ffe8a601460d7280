//! The API over HTTP: every route on one page, and what handlers read requests with.

pub mod api;
pub mod call;
pub mod extract;
pub mod front;
pub mod list;
pub mod parameter;
pub mod resource;
mod series;
mod strict;

pub mod api_key;
pub mod auth;
pub mod company;
pub mod customer;
pub mod docs;
pub mod document_type;
pub mod events;
pub mod export;
pub mod health;
pub mod ledger;
pub mod live;
pub mod location;
pub mod order;
pub mod parked;
pub mod problems;
pub mod product;
pub mod shipment;
pub mod stock;
pub mod tracking;
pub mod user;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::app::App;
use api::Api;

/// Every route. Those under `/api/v1` are listed in the files of their resources, which say with
/// the same lines what they take and give.
pub fn router(app: &Arc<App>) -> Router {
    let api = Api::new(Arc::clone(app));
    let api = auth::routes(api);
    let api = company::routes(api);
    let api = user::routes(api);
    let api = api_key::routes(api);
    let api = customer::routes(api);
    let api = document_type::routes(api);
    let api = location::routes(api);
    let api = product::routes(api);
    let api = stock::routes(api);
    let api = order::routes(api);
    let api = shipment::routes(api);
    let api = tracking::routes(api);
    let api = events::routes(api);
    let api = live::routes(api);
    let api = export::routes(api);
    let api = parked::routes(api);
    let (router, document) = api.finish();
    router
        .merge(docs::routes(&document))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/.well-known/jwks.json", get(health::jwks))
        .route("/problems/{code}", get(problems::page))
        .fallback(problems::no_route)
        .method_not_allowed_fallback(problems::no_method)
        .with_state(Arc::clone(app))
}
