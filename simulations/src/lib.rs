//! Load for capacity planning, made by an ordinary client of the public API.
//!
//! ```text
//! data (CSV) -> mapping -> plan -> setup -> drive ----> the server
//!                           |                 '-> viewers (WebSocket)
//!                           '---------------> oracle: is the server where the plan says? -> report
//! ```
//!
//! Nothing here knows the server's internals: what holds for this client holds for anyone's.

pub mod api;
pub mod client;
pub mod replay;
