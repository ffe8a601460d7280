//! Hosts any event-sourced [`Entity`] as a supervised actor; knows no order, no SQL, no HTTP.
//!
//! ```text
//!  Entities<E>   send, get, wait            the only way in: admits or sheds, finds the host
//!      |
//!  host          one ractor actor per live entity: decide, evolve, submit; answer after the commit
//!      |
//!  committer     of a context: many decisions, one transaction, one fsync
//!      |
//!  journal       the port to storage: Postgres, SQLite, memory
//!      |
//!  feed          committed events, per shard, gap-free
//!      |-- subscriber   policies: events to commands for other entities, from a checkpoint
//!      '-- whoever follows live
//!  timers        what entities asked to be told later
//! ```

mod admission;
mod committer;
pub mod config;
mod decision;
mod displaced;
mod engine;
pub mod entity;
pub mod envelope;
pub mod error;
pub mod faults;
pub mod feed;
mod host;
pub mod journal;
mod kind;
mod loader;
mod lookups;
mod node;
mod panics;
pub mod policy;
mod router;
mod shard;
mod subscriber;
mod timers;
mod upkeep;
pub mod verify;

pub use config::Config;
pub use engine::{Builder, Engine};
pub use entity::{
    Claim, ClaimScope, Context, Entity, Event, Index, Rejection, RejectionKind, Timer, Versioned,
};
pub use envelope::{EntityKey, Meta, NewEvent, Recorded, RequestKey, Shard, Unreadable};
pub use error::{Bound, Error};
pub use policy::{Outgoing, Policy};
pub use router::{Entities, Reply};

/// The target of the spans of a command's way: waiting in a mailbox, deciding, being committed. For
/// traces alone, at the level `DEBUG`: where none are collected they would cost and tell nothing.
pub const TRACES: &str = "quenty_traces";
