//! Both journals, through the port and behind its back.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod conformance;
