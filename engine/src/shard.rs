//! The supervisor of a shard's hosts, and its restart strategy.
//!
//! A host that fails is started again from the journal: at once the first time, then after pauses
//! that double, so that an entity that fails on every start cannot keep the node busy. While it
//! pauses, its callers are told at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::Error;
use crate::kind::{ContextParts, Starter};

/// Failures further apart than this are counted from one again.
const WINDOW: Duration = Duration::from_secs(60);
/// The pause before the second restart within the window; doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Supervises the hosts of one shard.
pub(crate) struct Supervisor;

/// What a supervisor is asked.
pub(crate) enum Message {
    /// Start the host of an entity, unless it is there.
    Start {
        id: Uuid,
        is_new: bool,
        starter: Arc<dyn Starter>,
        reply: Option<oneshot::Sender<Result<(), Error>>>,
    },
}

#[derive(Default)]
pub(crate) struct State {
    children: HashMap<ActorId, (Uuid, Arc<dyn Starter>)>,
    failures: HashMap<Uuid, Failures>,
}

struct Failures {
    count: u32,
    last: Instant,
    pause_until: Instant,
}

/// Asks the supervisor of an entity's shard to start its host. Of what is new, nothing is stored.
pub(crate) async fn start(
    context: &ContextParts,
    id: Uuid,
    is_new: bool,
    starter: Arc<dyn Starter>,
) -> Result<(), Error> {
    let shard = context.shard(id);
    let gone = || Error::Unavailable("the engine is stopping".into());
    let supervisor = context.supervisors.of(shard).ok_or_else(gone)?;
    let (reply, started) = oneshot::channel();
    supervisor
        .send_message(Message::Start {
            id,
            is_new,
            starter,
            reply: Some(reply),
        })
        .map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Message>,
        (): (),
    ) -> Result<State, ActorProcessingErr> {
        Ok(State::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Message::Start {
            id,
            is_new,
            starter,
            reply,
        } = message;
        let result = state.start(id, is_new, starter, myself.get_cell()).await;
        if let Some(reply) = reply {
            let _ = reply.send(result);
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(child, ..) => {
                state.children.remove(&child.get_id());
            }
            SupervisionEvent::ActorFailed(child, error) => {
                if let Some((id, starter)) = state.children.remove(&child.get_id()) {
                    starter.forget(id, child.get_id());
                    state.failed(id, starter, &error, &myself);
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl State {
    async fn start(
        &mut self,
        id: Uuid,
        is_new: bool,
        starter: Arc<dyn Starter>,
        myself: ActorCell,
    ) -> Result<(), Error> {
        if let Some(failures) = self.failures.get(&id)
            && Instant::now() < failures.pause_until
        {
            return Err(Error::Unavailable("the entity is being restarted".into()));
        }
        if let Some(child) = Arc::clone(&starter).start(id, is_new, myself).await? {
            self.children.insert(child.get_id(), (id, starter));
        }
        Ok(())
    }

    fn failed(
        &mut self,
        id: Uuid,
        starter: Arc<dyn Starter>,
        error: &ActorProcessingErr,
        myself: &ActorRef<Message>,
    ) {
        let now = Instant::now();
        self.failures
            .retain(|_, failures| now.duration_since(failures.last) < WINDOW);
        let failures = self.failures.entry(id).or_insert(Failures {
            count: 0,
            last: now,
            pause_until: now,
        });
        failures.count += 1;
        failures.last = now;
        let pause = pause(failures.count);
        failures.pause_until = now + pause;
        tracing::error!(%id, %error, failures = failures.count, ?pause, "a host failed");
        metrics::counter!("quenty_host_failures_total").increment(1);
        myself.send_after(pause, move || Message::Start {
            id,
            is_new: false,
            starter,
            reply: None,
        });
    }
}

/// The pause before a restart, by how many failures there were of late.
fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => FIRST_PAUSE
            .saturating_mul(1 << (more - 2).min(16))
            .min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<_> = (1..=4).map(pause).collect();
        let expected = [0, 100, 200, 400].map(Duration::from_millis);
        assert_eq!(pauses, expected);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
