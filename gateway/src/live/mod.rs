//! Live tracking: committed events to whoever watches them, resumable from any cursor.
//!
//! ```text
//!  engine's feeds ── hub            one task: an event becomes text once, for all who watch it
//!                     │
//!                  channel          a topic's recent events, and whom to wake
//!                     │
//!  journal ───────  viewer          one watched topic: what follows its position, from the journal
//!                     │             until it has caught up, then from the channel
//!                  session          one connection's viewers, whatever carries it
//!                     ├─ socket     WebSocket
//!                     └─ (http/live)  server-sent events
//! ```
//!
//! Nothing here is remembered for a client: its cursor says where it stands, so any node can go on
//! from it. What the hub loses or drops, viewers find in the journal, so there is no gap; what they
//! meet twice they know by their position, so there is no repeat.

mod channel;
pub mod cursor;
pub mod feed;
mod hub;
mod message;
mod position;
mod session;
mod socket;
mod tenure;
mod ticket;
mod topic;
mod viewer;

#[cfg(test)]
mod tests;

pub use hub::Hub;
pub use message::Message;
pub use session::Session;
pub use socket::{Greeting, MESSAGE_BYTES, serve};
pub use tenure::{End, Tenure};
pub use ticket::{LIFE as TICKET_LIFE, Tickets};
pub use topic::{PATTERN as TOPIC_PATTERN, PUBLIC, Seen, Topic};
