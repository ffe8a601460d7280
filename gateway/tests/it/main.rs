//! The gateway through its front door.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

#[macro_use]
mod world;
mod client;
mod document;
mod shop;
mod targets;

mod auth;
mod bad_input;
mod companies;
mod configuration;
mod connections;
mod contract;
mod crash;
mod decoders;
mod document_types;
mod foreign;
mod front;
mod health;
mod hostile;
mod idempotency;
mod lists;
mod live;
mod numbers;
mod orders;
mod parked;
mod postgres;
mod resources;
mod shipments;
mod stock;
mod tenants;
mod tokens;
mod watchers;
