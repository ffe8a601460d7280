//! Runs the policies of a context: reads its feed from a stored position, sends what they want
//! sent, and parks what cannot be handled.
//!
//! Delivery is at least once; the request key of every command, made of the policy's name, the
//! event's id and the addressee, makes its effect happen once. Events are handled side by side, so that an event that
//! cannot be handled holds back only its own saga. The stored position is the one up to which
//! everything is handled or parked.

mod keeper;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::keeper::Keeper;
use crate::committer::{Committer, Note};
use crate::config::Config;
use crate::envelope::{Meta, Recorded, RequestKey, Shard};
use crate::error::Error;
use crate::feed::{Positions, Reader};
use crate::journal::Parked;
use crate::kind::{AnyKind, Delivered};
use crate::panics;
use crate::policy::{Outgoing, Policy};

/// The name under which policies store their position and what they park.
pub(crate) const POLICIES: &str = "policies";
/// The first pause between attempts; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many bytes of the reason are kept why an event was parked.
const REASON_MAX: usize = 4_096;

/// Handles events of one context with its policies.
pub(crate) struct Subscriber {
    pub(crate) context: &'static str,
    pub(crate) policies: Vec<Policy>,
    pub(crate) kinds: Arc<HashMap<&'static str, Arc<dyn AnyKind>>>,
    pub(crate) committer: Committer,
    pub(crate) config: Config,
}

impl Subscriber {
    /// Follows the feed until it is aborted.
    pub(crate) async fn run(self: Arc<Self>, mut reader: Reader, from: Positions) {
        let room = Arc::new(Semaphore::new(self.config.policy_concurrency));
        let (done, handled) = mpsc::channel(self.config.policy_concurrency.max(1));
        let keeper = Keeper::new(Arc::clone(&self), from);
        // Ends with this task, which owns all other ends of the channel.
        let keeping = tokio::spawn(keeper.run(handled));
        // Dropped, and with it all that it runs, when this task is aborted.
        let mut handling = JoinSet::new();
        while !keeping.is_finished() {
            match reader.next().await {
                Ok(events) => {
                    for event in events {
                        self.take(event, &room, &done, &mut handling).await;
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
        room: &Arc<Semaphore>,
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
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return;
        };
        let (subscriber, done) = (Arc::clone(self), done.clone());
        handling.spawn(async move {
            subscriber
                .handle(&event, outgoing, unreadable, permit)
                .await;
            let _ = done.send(place).await;
        });
    }

    /// What the policies want sent, with the key of each command; and why one could not say.
    fn react(&self, event: &Recorded) -> (Vec<(String, Policy, Outgoing)>, Option<String>) {
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

    async fn handle(
        &self,
        event: &Recorded,
        outgoing: Vec<(String, Policy, Outgoing)>,
        unreadable: Option<String>,
        _permit: OwnedSemaphorePermit,
    ) {
        let failure = match unreadable {
            Some(why) => Some(why),
            None => self.send_all(event, &outgoing, 0).await,
        };
        let age = (Utc::now() - event.at).to_std().unwrap_or_default();
        metrics::histogram!("quenty_policy_lag_seconds", "context" => self.context).record(age);
        if let Some(reason) = failure {
            self.park(event, reason).await;
        }
    }

    /// Sends what policies want sent, each command also if another fails; says why one failed.
    async fn send_all(
        &self,
        event: &Recorded,
        outgoing: &[(String, Policy, Outgoing)],
        retries: u32,
    ) -> Option<String> {
        let mut failure = None;
        for (key, policy, outgoing) in outgoing {
            let sending = self.send(event, key, *policy, outgoing, retries);
            let sent = AssertUnwindSafe(sending).catch_unwind().await;
            let sent = sent.unwrap_or_else(|panic| {
                let what = panics::text(panic.as_ref());
                Err(format!("a panic: {what}"))
            });
            if let Err(why) = sent {
                failure = Some(format!("{}: {why}", policy.name));
            }
        }
        failure
    }

    /// Sends a command that was sent before, and refused, so many times. A key that was used holds
    /// what came of it, so a retry needs one of its own; and all the former ones are tried first,
    /// so that what was done under any of them is not done again.
    async fn send(
        &self,
        event: &Recorded,
        key: &str,
        policy: Policy,
        outgoing: &Outgoing,
        retries: u32,
    ) -> Result<(), String> {
        let mut sent = self.deliver(event, key, policy, outgoing).await;
        for retry in 1..=retries {
            if sent.is_ok() {
                break;
            }
            let key = format!("{key}#{retry}");
            sent = self.deliver(event, &key, policy, outgoing).await;
        }
        sent
    }

    /// Sends a command until it has had its effect, for as long as only the machinery is in the
    /// way; gives up when the command itself is.
    async fn deliver(
        &self,
        event: &Recorded,
        key: &str,
        policy: Policy,
        outgoing: &Outgoing,
    ) -> Result<(), String> {
        let kind = self
            .kinds
            .get(outgoing.kind)
            .ok_or("an addressee of unknown kind")?;
        let (mut attempts, mut pause) = (0, FIRST_PAUSE);
        loop {
            let meta = self.meta(event, key, policy);
            match kind
                .deliver(outgoing.entity, outgoing.command.as_ref(), meta)
                .await
            {
                Ok(Delivered::Done) => return Ok(()),
                Ok(Delivered::Refused(why)) => return Err(format!("refused: {why}")),
                Err(
                    error @ (Error::Panicked(_)
                    | Error::Damaged(_)
                    | Error::UnknownKind(_)
                    | Error::NotFound
                    | Error::Stale { .. }),
                ) => {
                    attempts += 1;
                    if attempts >= self.config.policy_attempts {
                        return Err(error.to_string());
                    }
                }
                Err(
                    Error::Overloaded { .. }
                    | Error::Late
                    | Error::Timeout
                    | Error::Unavailable(_)
                    | Error::InDoubt(_),
                ) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn meta(&self, event: &Recorded, key: &str, policy: Policy) -> Meta {
        let principal = format!("policy:{}", policy.name);
        let request = RequestKey {
            scope: principal.clone(),
            key: key.to_owned(),
            body_hash: 0,
            is_client: false,
        };
        let within = self.config.policy_timeout();
        Meta {
            request: Some(request),
            cause: Some(event.id()),
            ..Meta::new(
                event.tenant,
                principal,
                Arc::clone(&event.request_id),
                within,
            )
        }
    }

    async fn park(&self, event: &Recorded, reason: String) {
        let reason = storable(&reason);
        tracing::error!(
            context = self.context, event = event.id(), name = %event.name, reason,
            "an event was parked"
        );
        metrics::counter!("quenty_parked_total", "context" => self.context).increment(1);
        let parked = Parked {
            subscriber: POLICIES.into(),
            event: event.clone(),
            reason,
            attempts: 1,
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
        let (outgoing, unreadable) = self.react(&parked.event);
        let failure = match unreadable {
            Some(why) => Some(why),
            None => {
                self.send_all(&parked.event, &outgoing, parked.attempts)
                    .await
            }
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
                event: parked.event.id(),
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

/// Gives every command its key, which names the addressee: a policy may come to want more or other
/// commands, or the same in another order, and yet each of them has its effect once.
fn keyed(event: &Recorded, outgoing: Vec<Outgoing>) -> impl Iterator<Item = (String, Outgoing)> {
    let event = event.id();
    let mut sent: HashMap<(&'static str, Uuid), u32> = HashMap::new();
    outgoing.into_iter().map(move |outgoing| {
        let (kind, entity) = (outgoing.kind, outgoing.entity);
        let ordinal = sent.entry((kind, entity)).or_default();
        let key = format!("{event}/{kind}/{}/{ordinal}", entity.simple());
        *ordinal += 1;
        (key, outgoing)
    })
}
