//! The least that an answer over HTTP can cost: bytes that are there already.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::Shop;

/// Says what is to be answered.
pub(crate) async fn set(State(shop): State<Arc<Shop>>, body: Bytes) {
    shop.bare.store(Arc::new(body));
}

/// Answers it.
pub(crate) async fn get(State(shop): State<Arc<Shop>>) -> ([(HeaderName, &'static str); 1], Bytes) {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, Bytes::clone(&shop.bare.load()))
}
