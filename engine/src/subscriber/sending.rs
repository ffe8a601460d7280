//! Sends what policies want sent: each command under a key of its own, until it has had its effect.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use uuid::Uuid;

use super::{FIRST_PAUSE, LONGEST_PAUSE, Subscriber, Wanted};
use crate::envelope::{Meta, Recorded, RequestKey};
use crate::error::Error;
use crate::faults;
use crate::kind::{AnyKind, Delivered};
use crate::panics;
use crate::policy::{Outgoing, Policy};

impl Subscriber {
    /// Sends what policies want sent, each command also if another fails; says why one failed.
    pub(super) async fn send_all(
        &self,
        event: &Recorded,
        outgoing: &[Wanted],
        retries: u32,
    ) -> Option<String> {
        let mut failure = None;
        for (key, policy, outgoing) in outgoing {
            let sending = self.send(event, key.as_deref(), *policy, outgoing, retries);
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
        key: Option<&str>,
        policy: Policy,
        outgoing: &Outgoing,
        retries: u32,
    ) -> Result<(), String> {
        let kind = self
            .kinds
            .get(outgoing.kind)
            .ok_or("an addressee of unknown kind")?;
        let room = self
            .rooms
            .get(kind.context())
            .ok_or("an addressee of unknown context")?;
        let _place = room.acquire().await.map_err(|error| error.to_string())?;
        let mut sent = self
            .deliver(kind.as_ref(), event, key, policy, outgoing)
            .await;
        let Some(key) = key else {
            return sent;
        };
        for retry in 1..=retries {
            if sent.is_ok() {
                break;
            }
            let key = format!("{key}#{retry}");
            sent = self
                .deliver(kind.as_ref(), event, Some(&key), policy, outgoing)
                .await;
        }
        sent
    }

    /// Sends a command until it has had its effect, for as long as only the machinery is in the
    /// way; gives up when the command itself is. A host that ends time and again counts as that: a
    /// journal that is away ends none.
    async fn deliver(
        &self,
        kind: &dyn AnyKind,
        event: &Recorded,
        key: Option<&str>,
        policy: Policy,
        outgoing: &Outgoing,
    ) -> Result<(), String> {
        let (mut attempts, mut pause) = (0, FIRST_PAUSE);
        loop {
            let meta = self.meta(event, key, policy);
            faults::reach("before-saga-step", [("policy", policy.name)]);
            match kind
                .deliver(outgoing.entity, outgoing.command.as_ref(), meta)
                .await
            {
                Ok(Delivered::Done) => {
                    faults::reach("after-saga-step", [("policy", policy.name)]);
                    return Ok(());
                }
                Ok(Delivered::Refused(why)) => return Err(format!("refused: {why}")),
                Err(
                    error @ (Error::HostFailed
                    | Error::Panicked(_)
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
                // It is still in the queue: another before it is settled would only lengthen that.
                Err(Error::Timeout) => {
                    let _ = kind.settled().await;
                }
                Err(
                    Error::Overloaded { .. }
                    | Error::Late
                    | Error::Unavailable(_)
                    | Error::InDoubt(_),
                ) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn meta(&self, event: &Recorded, key: Option<&str>, policy: Policy) -> Meta {
        let principal = format!("policy:{}", policy.name);
        let request = key.map(|key| RequestKey {
            scope: principal.clone(),
            key: key.to_owned(),
            body_hash: 0,
            is_client: false,
        });
        let within = self.config.policy_timeout();
        Meta {
            request,
            cause: Some(event.id()),
            ..Meta::new(
                event.tenant,
                principal,
                Arc::clone(&event.request_id),
                within,
            )
        }
    }
}

/// Gives every command that needs one its key, which names the addressee: a policy may come to want
/// more or other commands, or the same in another order, and yet each of them has its effect once.
pub(super) fn keyed(
    event: &Recorded,
    outgoing: Vec<Outgoing>,
) -> impl Iterator<Item = (Option<String>, Outgoing)> {
    let event = event.id();
    let mut sent: HashMap<(&'static str, Uuid), u32> = HashMap::new();
    outgoing.into_iter().map(move |outgoing| {
        if outgoing.is_idempotent {
            return (None, outgoing);
        }
        let (kind, entity) = (outgoing.kind, outgoing.entity);
        let ordinal = sent.entry((kind, entity)).or_default();
        let key = format!("{event}/{kind}/{}/{ordinal}", entity.simple());
        *ordinal += 1;
        (Some(key), outgoing)
    })
}
