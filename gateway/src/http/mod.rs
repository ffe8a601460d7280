//! The API over HTTP: what every request goes through, and what handlers read requests with.

pub mod extract;
pub mod front;
pub mod problems;
mod strict;
