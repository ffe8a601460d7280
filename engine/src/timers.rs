//! Durable timers: tells entities what they asked to be told, at least once, not before its time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use uuid::Uuid;

use crate::envelope::Meta;
use crate::journal::{DueTimer, Journal};
use crate::kind::AnyKind;

/// Timers fired at a time.
const BATCH: u32 = 256;
/// How long one firing may take; a timer that misses it fires again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fires a context's timers until it is aborted; what was not fired then fires after the restart.
pub(crate) async fn run(
    journal: Arc<dyn Journal>,
    kinds: Arc<HashMap<&'static str, Arc<dyn AnyKind>>>,
    every: Duration,
) {
    loop {
        let is_more = match journal.due_timers(Utc::now(), BATCH).await {
            Ok(due) => {
                let is_more = due.len() == BATCH as usize;
                let fired = fire_all(&kinds, due).await;
                // Without progress the same timers would come back at once.
                is_more && fired > 0
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read timers");
                false
            }
        };
        if !is_more {
            tokio::time::sleep(every).await;
        }
    }
}

/// Fires timers side by side; returns how many have had their effect.
async fn fire_all(kinds: &HashMap<&'static str, Arc<dyn AnyKind>>, due: Vec<DueTimer>) -> usize {
    let firing: FuturesUnordered<_> = due.into_iter().map(|timer| fire(kinds, timer)).collect();
    firing
        .filter(|is_done| std::future::ready(*is_done))
        .count()
        .await
}

async fn fire(kinds: &HashMap<&'static str, Arc<dyn AnyKind>>, timer: DueTimer) -> bool {
    let Some(kind) = kinds.get(timer.kind.as_str()) else {
        tracing::warn!(kind = timer.kind, "a timer of an unknown kind");
        return false;
    };
    let request_id = format!("timer-{}", Uuid::now_v7().simple());
    let meta = Meta::new(timer.tenant, "timer", request_id, PATIENCE);
    match kind.fire(timer.entity, &timer.name, timer.at, meta).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(kind = timer.kind, entity = %timer.entity, %error, "a timer did not fire");
            false
        }
    }
}
