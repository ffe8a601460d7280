//! Both journals against the suite for all journals, and against what only real databases do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod draft;
mod make;

mod conformance;
mod damage;
mod doubt;
mod full_disk;
mod nodes;
mod opening;
mod pruning;
mod reaching;
mod speed;
mod teeth;
