//! Brings an entity's state back: its stored document, or its events where that falls short.
//!
//! Cold starts come in crowds (after a restart, before a sale), so documents are read in batches.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::entity::{Entity, Versioned};
use crate::envelope::EntityKey;
use crate::error::Error;
use crate::journal::{self, Document, Journal};

/// Documents read at a time.
const BATCH: usize = 200;
/// Loads waiting at most.
const QUEUE: usize = 8_192;
/// Events read at a time.
const PAGE: u32 = 1_000;

type Reply = oneshot::Sender<Result<Option<Document>, Error>>;

/// A handle to a context's loader.
#[derive(Clone)]
pub(crate) struct Loader {
    queue: mpsc::Sender<(EntityKey, Reply)>,
    journal: Arc<dyn Journal>,
}

/// A loaded entity.
pub(crate) struct Loaded<E> {
    pub(crate) entity: Versioned<E>,
    /// The version of the full state that is stored.
    pub(crate) stored_version: u64,
    /// Whether that state is of no use: written in another schema, or unreadable.
    pub(crate) is_state_due: bool,
}

impl Loader {
    pub(crate) fn start(journal: Arc<dyn Journal>) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(Arc::clone(&journal), inbox));
        Self { queue, journal }
    }

    /// The last durable state of an entity; version 0 if there is none.
    pub(crate) async fn load<E: Entity>(&self, id: Uuid) -> Result<Loaded<E>, Error> {
        let key = EntityKey { kind: E::KIND, id };
        let (reply, document) = oneshot::channel();
        self.queue
            .try_send((key, reply))
            .map_err(|_| Error::Unavailable("too many entities are being loaded".into()))?;
        let document = document
            .await
            .map_err(|_| Error::Unavailable("the engine is stopping".into()))??;
        let Some(document) = document else {
            return Ok(Loaded {
                entity: absent(id),
                stored_version: 0,
                is_state_due: false,
            });
        };
        let version = document.version;
        let stored = stored::<E>(document);
        let is_state_due = stored.is_none();
        let mut entity = stored.unwrap_or_else(|| absent(id));
        let stored_version = entity.version;
        if entity.version < version {
            entity = replay(self.journal.as_ref(), entity, |_, _| true).await?;
        }
        if entity.version < version {
            return Err(Error::Damaged(format!(
                "{} {id} has a document of version {version} but events up to {} only",
                E::KIND,
                entity.version
            )));
        }
        Ok(Loaded {
            entity,
            stored_version,
            is_state_due,
        })
    }
}

/// The state as it is stored: before the first event if none was stored yet, `None` if the one that
/// was is of no use.
fn stored<E: Entity>(document: Document) -> Option<Versioned<E>> {
    let id = document.id;
    if document.schema != E::SCHEMA {
        return None;
    }
    let Some((version, text)) = document.state else {
        return Some(absent(id));
    };
    match serde_json::from_str(&text) {
        Ok(state) => Some(Versioned {
            id,
            tenant: document.tenant,
            version,
            created_at: document.created_at,
            updated_at: document.updated_at,
            state,
        }),
        Err(error) => {
            tracing::warn!(kind = E::KIND, %id, %error, "document unreadable; replaying");
            None
        }
    }
}

/// An entity before its first event.
pub(crate) fn absent<E: Entity>(id: Uuid) -> Versioned<E> {
    Versioned {
        id,
        tenant: Uuid::nil(),
        version: 0,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        state: E::default(),
    }
}

/// Applies the entity's later events for as long as `wanted` says so, given each one's version and
/// time.
pub(crate) async fn replay<E: Entity>(
    journal: &dyn Journal,
    mut entity: Versioned<E>,
    wanted: impl Fn(u64, DateTime<Utc>) -> bool + Send,
) -> Result<Versioned<E>, Error> {
    let key = EntityKey {
        kind: E::KIND,
        id: entity.id,
    };
    loop {
        let page = journal.history(key, entity.version, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        for recorded in page {
            if recorded.version != entity.version + 1 {
                return Err(Error::Damaged(format!(
                    "{} {} lacks event {}",
                    E::KIND,
                    entity.id,
                    entity.version + 1
                )));
            }
            if !wanted(recorded.version, recorded.at) {
                return Ok(entity);
            }
            entity = apply(
                entity,
                &recorded.event::<E>()?,
                recorded.tenant,
                recorded.at,
            );
        }
        if is_last {
            return Ok(entity);
        }
    }
}

/// The entity after one more event.
pub(crate) fn apply<E: Entity>(
    entity: Versioned<E>,
    event: &E::Event,
    tenant: Uuid,
    at: DateTime<Utc>,
) -> Versioned<E> {
    Versioned {
        id: entity.id,
        tenant,
        version: entity.version + 1,
        created_at: if entity.version == 0 {
            at
        } else {
            entity.created_at
        },
        updated_at: at,
        state: entity.state.evolve(event),
    }
}

async fn run(journal: Arc<dyn Journal>, mut inbox: mpsc::Receiver<(EntityKey, Reply)>) {
    let mut wanted = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut wanted, BATCH).await > 0 {
        let (keys, replies): (Vec<_>, Vec<_>) = wanted.drain(..).unzip();
        for (reply, document) in replies.into_iter().zip(read(journal.as_ref(), &keys).await) {
            let _ = reply.send(document);
        }
    }
}

/// Reads documents, each by itself where the journal cannot read all of them: one that is damaged
/// never harms its neighbours.
async fn read(journal: &dyn Journal, keys: &[EntityKey]) -> Vec<Result<Option<Document>, Error>> {
    match journal.load(keys).await {
        Ok(documents) => documents.into_iter().map(Ok).collect(),
        // None of them would fare better, and each might take as long.
        Err(journal::Error::Unavailable(why)) => {
            let away = |_| Err(Error::Unavailable(why.clone()));
            keys.iter().map(away).collect()
        }
        Err(error) if keys.len() == 1 => vec![Err(error.into())],
        Err(error) => {
            tracing::warn!(%error, "cannot load entities together; loading each by itself");
            let mut documents = Vec::with_capacity(keys.len());
            for key in keys {
                let document = journal.load(&[*key]).await;
                documents.push(
                    document
                        .map(|mut it| it.pop().flatten())
                        .map_err(Into::into),
                );
            }
            documents
        }
    }
}
