//! The engine's own behaviour, tried on a journal in memory that fails when it is told to.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helpers of tests meet is a failure of the test"
)]

mod bounds;
mod counter;
mod displaced;
mod failing;
mod far;
mod feeds;
mod firsts;
mod loading;
mod mirror;
mod policies;
mod random;
mod readiness;
mod schedules;
mod supervision;
mod teeth;
mod timers;
mod traces;
mod weather;
mod world;
mod wrapped;
mod writing;
