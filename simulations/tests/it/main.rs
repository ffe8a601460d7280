//! Reading and planning on the real data, where it is.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod olist;
