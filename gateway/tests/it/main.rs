//! The gateway through its front door.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod configuration;
mod connections;
mod crash;
mod front;
mod live;
mod postgres;
