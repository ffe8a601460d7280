//! Durable timers: tells entities what they asked to be told, at least once, not before its time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// The first pause before a timer that could not be fired is fired again; doubles to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Timers set aside at most.
const ASIDE_MAX: usize = 10_000;

/// Fires a context's timers until it is aborted; what was not fired then fires after the restart.
pub(crate) async fn run(
    journal: Arc<dyn Journal>,
    kinds: Arc<BTreeMap<&'static str, Arc<dyn AnyKind>>>,
    every: Duration,
) {
    let mut aside = Aside::default();
    loop {
        // Those set aside are due as well, and must not keep the others from being seen.
        let limit = BATCH + u32::try_from(aside.0.len()).unwrap_or(u32::MAX - BATCH);
        let is_more = match journal.due_timers(Utc::now(), limit).await {
            Ok(due) => {
                let is_more = due.len() == limit as usize;
                let due = aside.without(due);
                let fired = fire_all(&kinds, due, &mut aside).await;
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

/// Timers that could not be fired and are not tried again for a while.
#[derive(Default)]
struct Aside(HashMap<(Uuid, String), (Instant, Duration)>);

impl Aside {
    /// The due timers without those set aside; what is not due any more is forgotten.
    fn without(&mut self, due: Vec<DueTimer>) -> Vec<DueTimer> {
        let now = Instant::now();
        let mut still = HashMap::new();
        let ready = due.into_iter().filter(|timer| {
            let place = (timer.entity, timer.name.clone());
            let Some(entry) = self.0.get(&place) else {
                return true;
            };
            still.insert(place, *entry);
            entry.0 <= now
        });
        let ready = ready.collect();
        self.0 = still;
        ready
    }

    fn add(&mut self, timer: &DueTimer) {
        let place = (timer.entity, timer.name.clone());
        let pause = self
            .0
            .get(&place)
            .map_or(FIRST_PAUSE, |(_, pause)| (*pause * 2).min(LONGEST_PAUSE));
        if self.0.len() < ASIDE_MAX {
            self.0.insert(place, (Instant::now() + pause, pause));
        }
    }
}

/// Fires timers side by side; returns how many have had their effect.
async fn fire_all(
    kinds: &BTreeMap<&'static str, Arc<dyn AnyKind>>,
    due: Vec<DueTimer>,
    aside: &mut Aside,
) -> usize {
    let mut firing: FuturesUnordered<_> = due.into_iter().map(|it| fire(kinds, it)).collect();
    let mut fired = 0;
    while let Some(result) = firing.next().await {
        match result {
            Ok(()) => fired += 1,
            Err(timer) => aside.add(&timer),
        }
    }
    fired
}

/// Fires a timer; gives it back if that was not possible.
async fn fire(
    kinds: &BTreeMap<&'static str, Arc<dyn AnyKind>>,
    timer: DueTimer,
) -> Result<(), DueTimer> {
    let late = (Utc::now() - timer.at).to_std().unwrap_or_default();
    metrics::histogram!("quenty_timer_late_seconds").record(late);
    let Some(kind) = kinds.get(timer.kind.as_str()) else {
        tracing::warn!(kind = timer.kind, "a timer of an unknown kind");
        return Err(timer);
    };
    let request_id = format!("timer-{}", Uuid::now_v7().simple());
    let meta = Meta::new(timer.tenant, "timer", request_id, PATIENCE);
    let fired = kind.fire(timer.entity, &timer.name, timer.at, meta).await;
    fired.map_err(|error| {
        tracing::warn!(kind = timer.kind, entity = %timer.entity, %error, "a timer did not fire");
        timer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(entity: u128) -> DueTimer {
        DueTimer {
            kind: "parcel".into(),
            entity: Uuid::from_u128(entity),
            tenant: Uuid::nil(),
            name: "expiry".into(),
            at: Utc::now(),
        }
    }

    #[test]
    fn a_timer_set_aside_lets_the_others_through_and_is_forgotten_once_it_is_not_due() {
        let mut aside = Aside::default();
        aside.add(&timer(1));
        let ready = aside.without(vec![timer(1), timer(2)]);
        assert_eq!(ready.len(), 1);
        assert_eq!(ready[0].entity, Uuid::from_u128(2));
        aside.without(vec![timer(2)]);
        assert_eq!(aside.without(vec![timer(1)]).len(), 1);
    }
}
