//! The root of the supervision tree: keeps a supervisor running for every shard.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::envelope::Shard;
use crate::shard;

/// The present supervisors of a context's shards.
#[derive(Clone)]
pub(crate) struct Supervisors(Arc<Vec<ArcSwapOption<ActorRef<shard::Message>>>>);

impl Supervisors {
    pub(crate) fn new(shards: u16) -> Self {
        Self(Arc::new(
            (0..shards).map(|_| ArcSwapOption::empty()).collect(),
        ))
    }

    pub(crate) fn of(&self, shard: Shard) -> Option<Arc<ActorRef<shard::Message>>> {
        self.0.get(usize::from(shard.0))?.load_full()
    }
}

/// Supervises the supervisors of all shards of all contexts of a node.
pub(crate) struct Node;

/// The root is asked nothing; it only supervises.
pub(crate) enum Message {}

/// Which shard of which context each child is for.
pub(crate) type Children = HashMap<ActorId, (Supervisors, usize)>;

impl Actor for Node {
    type Msg = Message;
    type State = Children;
    type Arguments = Vec<Supervisors>;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        contexts: Vec<Supervisors>,
    ) -> Result<Children, ActorProcessingErr> {
        let mut children = Children::new();
        for supervisors in contexts {
            for index in 0..supervisors.0.len() {
                start(&mut children, &supervisors, index, &myself).await?;
            }
        }
        Ok(children)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        children: &mut Children,
    ) -> Result<(), ActorProcessingErr> {
        // Hosts end with their supervisor; the next message to each starts it again.
        if let SupervisionEvent::ActorFailed(child, error) = event
            && let Some((supervisors, index)) = children.remove(&child.get_id())
        {
            tracing::error!(%error, shard = index, "a shard supervisor failed; starting another");
            start(children, &supervisors, index, &myself).await?;
        }
        Ok(())
    }
}

async fn start(
    children: &mut Children,
    supervisors: &Supervisors,
    index: usize,
    myself: &ActorRef<Message>,
) -> Result<(), ActorProcessingErr> {
    let (actor, _) = Actor::spawn_linked(None, shard::Supervisor, (), myself.get_cell()).await?;
    children.insert(actor.get_id(), (supervisors.clone(), index));
    if let Some(slot) = supervisors.0.get(index) {
        slot.store(Some(Arc::new(actor)));
    }
    Ok(())
}
