//! The gateway through its front door.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod configuration;
mod connections;
mod front;
mod live;
