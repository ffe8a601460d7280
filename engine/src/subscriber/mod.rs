//! Runs the policies of a context: reads its feed from a stored position, sends what they want
//! sent, and parks what cannot be handled.
//!
//! Delivery is at least once; a command's effect happens once by its request key, made of the
//! policy's name, the event's id and the addressee, or by the addressee's own state. Events are
//! handled side by side, so that an event that cannot be handled holds back only its own saga. The
//! stored position is the one up to which everything is handled or parked; an event that is damaged
//! is parked, too.

mod keeper;
mod sending;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use self::keeper::Keeper;
use self::sending::keyed;
use crate::committer::{Committer, Note};
use crate::config::Config;
use crate::envelope::{Recorded, Shard};
use crate::error::Error;
use crate::faults;
use crate::feed::{Positions, Reader};
use crate::journal::{Damaged, Parked, Read};
use crate::kind::AnyKind;
use crate::panics;
use crate::policy::{Outgoing, Policy};

/// The name under which policies store their position and what they park.
pub(crate) const POLICIES: &str = "policies";
/// The first pause between attempts; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many bytes of the reason are kept why an event was parked.
const REASON_MAX: usize = 4_096;

/// What a policy wants sent, under a request key if it needs one.
type Wanted = (Option<String>, Policy, Outgoing);

/// Handles events of one context with its policies.
pub(crate) struct Subscriber {
    pub(crate) context: &'static str,
    pub(crate) policies: Vec<Policy>,
    pub(crate) kinds: Arc<BTreeMap<&'static str, Arc<dyn AnyKind>>>,
    pub(crate) committer: Committer,
    /// Places for commands under way, by the context that they are for: one that is away fills its
    /// own only, and policies go on reaching the others.
    pub(crate) rooms: HashMap<&'static str, Semaphore>,
    pub(crate) config: Config,
}

impl Subscriber {
    /// Follows the feed until it is aborted.
    pub(crate) async fn run(self: Arc<Self>, mut reader: Reader, from: Positions) {
        let ahead = Arc::new(Semaphore::new(self.config.policy_ahead_max.max(1)));
        let (done, handled) = mpsc::channel(self.config.policy_concurrency.max(1));
        let keeper = Keeper::new(Arc::clone(&self), from, Arc::clone(&ahead));
        // Ends with this task, which owns all other ends of the channel.
        let keeping = tokio::spawn(keeper.run(handled));
        // Dropped, and with it all that it runs, when this task is aborted.
        let mut handling = JoinSet::new();
        while !keeping.is_finished() {
            match reader.next().await {
                Ok(events) => {
                    for event in events {
                        // Given back by the keeper, once everything before the event is handled.
                        if let Ok(place) = ahead.acquire().await {
                            place.forget();
                        }
                        match event {
                            Ok(event) => self.take(event, &done, &mut handling).await,
                            Err(damaged) => self.pass_over(damaged, &done, &mut handling),
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(context = self.context, %error, "policies cannot read the feed");
                    tokio::time::sleep(FIRST_PAUSE * 10).await;
                }
            }
        }
    }

    /// Handles one event: at once if no policy cares, else in a task of its own.
    async fn take(
        self: &Arc<Self>,
        event: Arc<Recorded>,
        done: &mpsc::Sender<(Shard, u64)>,
        handling: &mut JoinSet<()>,
    ) {
        while handling.try_join_next().is_some() {}
        let place = (event.shard, event.seq);
        let (outgoing, unreadable) = self.react(&event);
        if outgoing.is_empty() && unreadable.is_none() {
            let _ = done.send(place).await;
            return;
        }
        let (subscriber, done) = (Arc::clone(self), done.clone());
        handling.spawn(async move {
            if faults::has_bug("checkpoint-before-effect") {
                let _ = done.send(place).await;
                tokio::time::sleep(2 * Duration::from_millis(subscriber.config.checkpoint_ms))
                    .await;
            }
            subscriber.handle(&event, outgoing, unreadable).await;
            let _ = done.send(place).await;
        });
    }

    /// Parks an event that cannot be read, so that everything behind it need not wait for its repair.
    fn pass_over(
        self: &Arc<Self>,
        damaged: Damaged,
        done: &mpsc::Sender<(Shard, u64)>,
        handling: &mut JoinSet<()>,
    ) {
        let (subscriber, done) = (Arc::clone(self), done.clone());
        handling.spawn(async move {
            let place = (damaged.shard, damaged.seq);
            let (id, reason) = (damaged.id(), damaged.what.clone());
            subscriber.park(id, Err(damaged), reason, 0).await;
            let _ = done.send(place).await;
        });
    }

    /// What the policies want sent; and why one could not say.
    fn react(&self, event: &Recorded) -> (Vec<Wanted>, Option<String>) {
        let mut wanted = Vec::new();
        for policy in &self.policies {
            // One policy that panics must not end them all.
            match catch_unwind(AssertUnwindSafe(|| (policy.react)(event))) {
                Ok(Ok(outgoing)) => wanted
                    .extend(keyed(event, outgoing).map(|(key, outgoing)| (key, *policy, outgoing))),
                Ok(Err(error)) => {
                    return (Vec::new(), Some(format!("{error}: {}", error.source)));
                }
                Err(panic) => {
                    let what = panics::text(panic.as_ref());
                    return (
                        Vec::new(),
                        Some(format!("{} panicked: {what}", policy.name)),
                    );
                }
            }
        }
        (wanted, None)
    }

    async fn handle(&self, event: &Recorded, outgoing: Vec<Wanted>, unreadable: Option<String>) {
        let failure = match unreadable {
            Some(why) => Some(why),
            None => self.send_all(event, &outgoing, 0).await,
        };
        let age = (Utc::now() - event.at).to_std().unwrap_or_default();
        metrics::histogram!("quenty_policy_lag_seconds", "context" => self.context).record(age);
        if let Some(reason) = failure {
            self.park(event.id(), Ok(event.clone()), reason, 1).await;
        }
    }

    async fn park(&self, id: String, event: Read, reason: String, attempts: u32) {
        let reason = storable(&reason);
        let name = event.as_ref().map_or("", |event| &event.name);
        tracing::error!(
            context = self.context,
            event = id,
            name,
            reason,
            "an event was parked"
        );
        metrics::counter!("quenty_parked_total", "context" => self.context).increment(1);
        let parked = Parked {
            subscriber: POLICIES.into(),
            id,
            event,
            reason,
            attempts,
            at: Utc::now(),
        };
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.committer.note(Note::Park(parked.clone())).await {
            tracing::warn!(context = self.context, %error, "cannot park an event yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Handles a parked event again; it stays parked if that fails again.
    pub(crate) async fn retry(&self, parked: &Parked) -> Result<(), Error> {
        let failure = match &parked.event {
            Ok(event) => match self.react(event) {
                (_, Some(why)) => Some(why),
                (outgoing, None) => self.send_all(event, &outgoing, parked.attempts).await,
            },
            Err(damaged) => Some(damaged.what.clone()),
        };
        let note = match failure {
            Some(reason) => Note::Park(Parked {
                reason: storable(&reason),
                attempts: parked.attempts + 1,
                at: Utc::now(),
                ..parked.clone()
            }),
            None => Note::Unpark {
                subscriber: parked.subscriber.clone(),
                event: parked.id.clone(),
            },
        };
        self.committer.note(note).await
    }
}

/// A reason as every journal stores it: a panic may say anything, and at any length, but what cannot
/// be stored would hold its event for ever.
fn storable(reason: &str) -> String {
    let cut = reason.floor_char_boundary(REASON_MAX);
    reason[..cut].replace('\0', "\u{fffd}")
}
