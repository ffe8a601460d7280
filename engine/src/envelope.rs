//! What travels with a command, and an event as it was recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::entity::{Entity, Event};

/// A shard of a context: the unit of ownership and of ordering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard(pub u16);

impl Shard {
    /// The shard of an entity. The hash is part of the stored format: it never changes.
    #[must_use]
    pub fn of(entity: Uuid, shards: u16) -> Self {
        // crc32 is stable, cheap, and spreads time-ordered ids evenly.
        let hash = crc32fast::hash(entity.as_bytes());
        Self(u16::try_from(hash % u32::from(shards.max(1))).unwrap_or(0))
    }
}

/// Names one entity in a context's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityKey {
    /// [`Entity::KIND`].
    pub kind: &'static str,
    /// The entity's id.
    pub id: Uuid,
}

/// What travels with a command: on whose behalf, until when, and as which request.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The company on whose behalf the command acts; nil for the installation. An entity of
    /// another company answers as if it did not exist.
    pub tenant: Uuid,
    /// Who asks: the id of a user or an API key, or `policy:…` or `timer`.
    pub principal: Arc<str>,
    /// The request that this is part of.
    pub request_id: Arc<str>,
    /// A command that has not been decided by then is dropped, and its caller stops waiting.
    pub deadline: Instant,
    /// The key under which the command has its effect once.
    pub request: Option<RequestKey>,
    /// The command is refused unless the entity is at this version.
    pub if_version: Option<u64>,
    /// The event that caused the command.
    pub cause: Option<String>,
}

impl Meta {
    /// A command on behalf of a company, with `within` to live and nothing else asked.
    pub fn new(
        tenant: Uuid,
        principal: impl Into<Arc<str>>,
        request_id: impl Into<Arc<str>>,
        within: Duration,
    ) -> Self {
        Self {
            tenant,
            principal: principal.into(),
            request_id: request_id.into(),
            deadline: Instant::now() + within,
            request: None,
            if_version: None,
            cause: None,
        }
    }
}

/// Identifies a request within a context, so that it has its effect once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// Whose and where: company, principal and route, or the name of a policy. At most 255 bytes.
    pub scope: String,
    /// The client's key, or the id of the event that caused the command. At most 300 bytes.
    pub key: String,
    /// A hash of the request's body; the same key with another hash is a mistake of the client.
    pub body_hash: i64,
    /// Whether the key may be forgotten after the short retention of clients' keys. Keys of
    /// policies outlive the oldest backup that may be restored.
    pub is_client: bool,
}

/// An event as recorded: the fact, its place in the two orders, who caused it and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The shard whose feed it is part of.
    pub shard: Shard,
    /// Its position in the shard's feed: 1, 2, 3 … without gaps.
    pub seq: u64,
    /// [`Entity::KIND`] of the entity.
    pub kind: Arc<str>,
    /// The entity.
    pub entity: Uuid,
    /// The entity's version with this event: 1, 2, 3 … without gaps.
    pub version: u64,
    /// The company that the entity belongs to.
    pub tenant: Uuid,
    /// When it was decided, in whole milliseconds.
    pub at: DateTime<Utc>,
    /// The event's name.
    pub name: Arc<str>,
    /// The schema version of `data`.
    pub schema: u16,
    /// The event as JSON, without its personal part.
    pub data: Arc<str>,
    /// The personal part as JSON; gone once it was erased.
    pub personal: Option<Arc<str>>,
    /// Who asked.
    pub principal: Arc<str>,
    /// The request that it was part of.
    pub request_id: Arc<str>,
    /// The id of the event that led to it.
    pub cause: Option<Arc<str>>,
}

/// Stored text that does not read as what it should be.
#[derive(Debug, thiserror::Error)]
#[error("reading {what}")]
pub struct Unreadable {
    /// What was being read.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: serde_json::Error,
}

impl Recorded {
    /// The event's id: unique, and the same wherever the event is seen.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.entity.simple(), self.version)
    }

    /// The event itself, with its personal part if that is still there, in the present schema.
    ///
    /// # Errors
    /// When the stored text is not an event of `E`.
    pub fn event<E: Entity>(&self) -> Result<E::Event, Unreadable> {
        self.decode::<E>().map_err(|source| Unreadable {
            what: format!("event {} of {} {}", self.version, self.kind, self.entity),
            source,
        })
    }

    fn decode<E: Entity>(&self) -> Result<E::Event, serde_json::Error> {
        if self.schema == E::Event::SCHEMA && self.personal.is_none() {
            return serde_json::from_str(&self.data);
        }
        let mut data: Value = serde_json::from_str(&self.data)?;
        if self.schema < E::Event::SCHEMA {
            data = E::Event::upcast(self.schema, data);
        }
        if let (Some(personal), Value::Object(members)) = (&self.personal, &mut data) {
            members.insert("personal".into(), serde_json::from_str(personal)?);
        }
        serde_json::from_value(data)
    }
}

/// An event on its way into the journal.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event's name.
    pub name: &'static str,
    /// The schema version of `data`.
    pub schema: u16,
    /// The event as JSON, without its personal part.
    pub data: String,
    /// The personal part as JSON.
    pub personal: Option<String>,
}

impl NewEvent {
    /// Encodes an event, its personal part apart.
    ///
    /// # Errors
    /// When the event cannot be written as JSON.
    pub fn encode<V: Event>(event: &V) -> Result<Self, serde_json::Error> {
        let (data, personal) = if event.is_personal() {
            let mut value = serde_json::to_value(event)?;
            let personal = value
                .as_object_mut()
                .and_then(|members| members.remove("personal"))
                .filter(|personal| !personal.is_null());
            (
                value.to_string(),
                personal.map(|personal| personal.to_string()),
            )
        } else {
            (serde_json::to_string(event)?, None)
        };
        Ok(Self {
            name: event.name(),
            schema: V::SCHEMA,
            data,
            personal,
        })
    }
}
