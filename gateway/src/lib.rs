//! The front door of Quenty: REST, WebSocket and server-sent events before the engine.
//!
//! ```text
//!  serve        the program's life; app puts its parts together
//!      |
//!  server       connections: how many, how long, how they end
//!      |
//!  http/front   every request's id, span, deadline; the finish of its answer
//!      |
//!  http/…       one file per resource: a body becomes a command, a state becomes an answer
//!      |-- auth          who asks
//!      |-- idempotency   one effect per Idempotency-Key
//!      '-- problem       refusals and failures, as clients are told
//! ```

pub mod app;
pub mod auth;
pub mod bootstrap;
pub mod config;
pub mod http;
pub mod idempotency;
pub mod kinds;
pub mod live;
pub mod operator;
pub mod outcome;
pub mod problem;
pub mod serve;
pub mod server;
pub mod telemetry;
