//! Background upkeep: idle entities leave the memory, what is old and over leaves the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{TimeDelta, Utc};

use crate::journal::Journal;
use crate::kind::{AnyKind, NodeParts};

/// How often the gauges are set.
const OBSERVE_EVERY: Duration = Duration::from_secs(1);
/// How often old request keys are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// Lets idle entities leave the memory.
pub(crate) async fn sweep(
    node: Arc<NodeParts>,
    kinds: Arc<BTreeMap<&'static str, Arc<dyn AnyKind>>>,
) {
    let idle = node.config.idle();
    let every = (idle / 4).clamp(Duration::from_millis(250), Duration::from_secs(30));
    loop {
        tokio::time::sleep(every).await;
        let left: usize = kinds.values().map(|kind| kind.sweep(idle)).sum();
        node.admission.forget_idle();
        if left > 0 {
            tracing::debug!(left, "idle entities left the memory");
        }
    }
}

/// Shows how much the node holds.
#[expect(clippy::cast_precision_loss, reason = "both are bounded")]
pub(crate) async fn observe(node: Arc<NodeParts>) {
    loop {
        metrics::gauge!("quenty_residents").set(node.residents.load(Ordering::Relaxed) as f64);
        metrics::gauge!("quenty_under_way").set(node.admission.under_way() as f64);
        tokio::time::sleep(OBSERVE_EVERY).await;
    }
}

/// Forgets request keys that are older than they need to be, and what ended long ago.
pub(crate) async fn prune(
    node: Arc<NodeParts>,
    journal: Arc<dyn Journal>,
    kinds: Vec<Arc<dyn AnyKind>>,
) {
    let spent = TimeDelta::days(i64::from(node.config.spent_documents_d));
    let clients = TimeDelta::hours(i64::from(node.config.client_requests_h.max(24)));
    let policies = TimeDelta::days(i64::from(node.config.policy_requests_d));
    loop {
        let now = Utc::now();
        match journal.prune_requests(now - clients, now - policies).await {
            Ok(gone) if gone > 0 => tracing::info!(gone, "old request keys were forgotten"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot forget old request keys"),
        }
        for (kind, statuses) in kinds.iter().map(|kind| kind.spent()) {
            if statuses.is_empty() {
                continue;
            }
            match journal.prune_documents(kind, statuses, now - spent).await {
                Ok(gone) if gone > 0 => tracing::info!(gone, kind, "ended entities were forgotten"),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, kind, "cannot forget ended entities"),
            }
        }
        tokio::time::sleep(PRUNE_EVERY).await;
    }
}
