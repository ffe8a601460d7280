//! Every bound of the engine, with its default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The engine's bounds. Every queue has one, and so has every wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Live entities in memory at most; the longest idle make room.
    pub residents_max: usize,
    /// An entity that nobody has addressed for so long leaves the memory.
    pub idle_ms: u64,
    /// Commands under way to one entity.
    pub entity_pending_max: usize,
    /// Commands under way on behalf of one company.
    pub tenant_pending_max: usize,
    /// Commands under way to one shard.
    pub shard_pending_max: usize,
    /// Commands under way on the node.
    pub node_pending_max: usize,
    /// Decisions in one transaction.
    pub batch_max: usize,
    /// A commit that takes longer counts as in doubt.
    pub commit_timeout_ms: u64,
    /// Events between two stored copies of a state that has a summary.
    pub snapshot_events: u64,
    /// Commands of a context's policies under way at a time, to each context.
    pub policy_concurrency: usize,
    /// Events that policies of a context have read while one before them is not handled yet.
    pub policy_ahead_max: usize,
    /// How long one attempt of a policy's command may take.
    pub policy_timeout_ms: u64,
    /// Attempts of a policy's command that fails for reasons of its own before it is parked.
    pub policy_attempts: u32,
    /// How often subscribers store how far they have come.
    pub checkpoint_ms: u64,
    /// How often timers are looked at.
    pub timer_ms: u64,
    /// How long a client's request key is remembered, in hours; at least 24.
    pub client_requests_h: u32,
    /// How long the request keys of policies are remembered, in days: longer than the age of the
    /// oldest backup that may be restored.
    pub policy_requests_d: u32,
    /// How long the documents of entities are kept of which nothing is asked any more, such as
    /// sessions that have ended, in days.
    pub spent_documents_d: u32,
    /// Committed batches kept for followers; one that falls further behind reads the journal.
    pub feed_batches: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            residents_max: 200_000,
            idle_ms: 600_000,
            entity_pending_max: 8_192,
            tenant_pending_max: 8_192,
            shard_pending_max: 8_192,
            node_pending_max: 16_384,
            batch_max: 512,
            commit_timeout_ms: 10_000,
            snapshot_events: 1_000,
            policy_concurrency: 1_024,
            policy_ahead_max: 65_536,
            policy_timeout_ms: 10_000,
            policy_attempts: 5,
            checkpoint_ms: 500,
            timer_ms: 200,
            client_requests_h: 48,
            policy_requests_d: 400,
            spent_documents_d: 90,
            feed_batches: 128,
        }
    }
}

impl Config {
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    pub(crate) fn commit_timeout(&self) -> Duration {
        Duration::from_millis(self.commit_timeout_ms)
    }

    pub(crate) fn policy_timeout(&self) -> Duration {
        Duration::from_millis(self.policy_timeout_ms)
    }
}
