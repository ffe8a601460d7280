//! Brings an entity's state back: its stored document, or its events where that falls short.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::entity::{Entity, Versioned};
use crate::envelope::{EntityKey, Recorded};
use crate::error::Error;
use crate::journal::{Document, Journal};
use crate::lookups::Lookups;

/// Events read at a time.
const PAGE: u32 = 1_000;

/// Loads the entities of a context.
pub(crate) struct Loader {
    documents: Lookups<EntityKey>,
    journal: Arc<dyn Journal>,
}

/// A loaded entity.
pub(crate) struct Loaded<E> {
    pub(crate) entity: Versioned<E>,
    /// The version of the full state that is stored.
    pub(crate) stored_version: u64,
    /// How long its text is.
    pub(crate) state_bytes: u64,
    /// Whether that state is of no use: written in another schema, or unreadable.
    pub(crate) is_state_due: bool,
}

impl<E: Entity> Loaded<E> {
    /// An entity of which nothing is stored.
    pub(crate) fn nothing(id: Uuid) -> Self {
        Self {
            entity: absent(id),
            stored_version: 0,
            state_bytes: 0,
            is_state_due: false,
        }
    }
}

impl Loader {
    pub(crate) fn start(journal: Arc<dyn Journal>) -> Self {
        Self {
            documents: Lookups::start(Arc::clone(&journal)),
            journal,
        }
    }

    /// The state that is stored of an entity, unless it is of a later version: before the first
    /// event if there is none.
    pub(crate) async fn up_to<E: Entity>(
        &self,
        id: Uuid,
        version: u64,
    ) -> Result<Versioned<E>, Error> {
        let key = EntityKey { kind: E::KIND, id };
        let document = self.documents.find(key).await?;
        let stored = document.and_then(stored).filter(|it| it.version <= version);
        Ok(stored.unwrap_or_else(|| absent(id)))
    }

    /// The last durable state of an entity; version 0 if there is none.
    pub(crate) async fn load<E: Entity>(&self, id: Uuid) -> Result<Loaded<E>, Error> {
        let key = EntityKey { kind: E::KIND, id };
        let document = self.documents.find(key).await?;
        let Some(document) = document else {
            return Ok(Loaded::nothing(id));
        };
        // Believed even if it is damaged: what seems to lack events is not served as it once was.
        let version = document.version;
        let state_bytes = document.state.as_ref().map_or(0, |it| it.1.len() as u64);
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
            state_bytes,
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
            base_version: None,
            created_at: document.created_at,
            updated_at: document.updated_at,
            state,
            shown: OnceLock::new(),
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
        base_version: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        state: E::default(),
        shown: OnceLock::new(),
    }
}

/// Applies the entity's later events for as long as `wanted` says so, given the entity before each
/// of them, and the event.
pub(crate) async fn replay<E: Entity>(
    journal: &dyn Journal,
    mut entity: Versioned<E>,
    wanted: impl Fn(&Versioned<E>, &Recorded) -> bool + Send,
) -> Result<Versioned<E>, Error> {
    loop {
        let page = history::<E>(journal, entity.id, entity.version, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        for recorded in page {
            if !wanted(&entity, &recorded) {
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

/// An entity's events after a version, at most `limit`, without a gap.
pub(crate) async fn history<E: Entity>(
    journal: &dyn Journal,
    id: Uuid,
    after_version: u64,
    limit: u32,
) -> Result<Vec<Recorded>, Error> {
    let key = EntityKey { kind: E::KIND, id };
    let events = journal.history(key, after_version, limit).await?;
    let mut due = (1..).map(|number| after_version.saturating_add(number));
    match events
        .iter()
        .zip(&mut due)
        .find(|(event, due)| event.version != *due)
    {
        Some((_, due)) => Err(Error::Damaged(format!(
            "{} {id} lacks event {due}",
            E::KIND
        ))),
        None => Ok(events),
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
        base_version: None,
        created_at: if entity.version == 0 {
            at
        } else {
            entity.created_at
        },
        updated_at: at,
        state: entity.state.evolve(event),
        shown: OnceLock::new(),
    }
}
