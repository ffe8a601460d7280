//! What can be watched, and how it is read and shown.

use std::time::Instant;

use actors::order::Order;
use actors::shipment::Shipment;
use engine::{Engine, Recorded};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as Unread, StrDeserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::message;
use crate::http::resource::Resource;
use crate::http::{events, tracking};

/// What a company's topic is called.
const COMPANY: &str = "company";

/// An entity as its watchers see it.
#[derive(Debug)]
pub struct Seen {
    /// Its version.
    pub version: u64,
    /// The same as a `GET` shows.
    pub snapshot: Value,
}

type Get = for<'a> fn(
    &'a Engine,
    Uuid,
    Uuid,
    Instant,
) -> BoxFuture<'a, Result<Option<Seen>, engine::Error>>;
type History = for<'a> fn(
    &'a Engine,
    Uuid,
    Uuid,
    u64,
    u32,
) -> BoxFuture<'a, Result<Vec<Recorded>, engine::Error>>;

/// A kind of entity that can be watched, by a certain public.
pub struct Kind {
    /// What its topics are called, before the colon.
    pub(super) name: &'static str,
    /// The kind of the entities.
    pub(super) entity: &'static str,
    /// The name of one entity's topic.
    pub(super) label: fn(Uuid) -> String,
    /// Reads an id.
    id: fn(&str) -> Option<Uuid>,
    /// Reads an entity, if it is there for this public.
    pub(super) get: Get,
    /// Reads an entity's events.
    pub(super) history: History,
    /// An event as this public sees it; none if it is not for them.
    pub(super) show: fn(&Recorded) -> Option<Box<RawValue>>,
}

/// What a company's people can watch. Another resource takes another line here.
static KINDS: [Kind; 2] = [kind::<Shipment>(), kind::<Order>()];

/// What names of topics look like.
pub const PATTERN: &str = "^(company|(shipment:shp|order:ord)_[0-7][0-9a-hjkmnp-tv-z]{25})$";

/// What everybody can watch who knows a tracking number: nothing that tells of a person. The topic
/// follows from the connection, so its name has no id.
pub static PUBLIC: Kind = Kind {
    name: "tracking",
    label: |_| "tracking".into(),
    id: |_| None,
    get: tracked,
    show: tracking::event,
    ..kind::<Shipment>()
};

/// Something to watch.
#[derive(Clone, Copy)]
pub enum Topic {
    /// One entity.
    Entity {
        /// Its kind.
        kind: &'static Kind,
        /// Its company.
        tenant: Uuid,
        /// Its id.
        id: Uuid,
    },
    /// All of a company's events.
    Company {
        /// The company.
        tenant: Uuid,
    },
}

/// What finds the channel of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Entity(&'static str, Uuid),
    Company(Uuid),
}

impl Topic {
    /// The topic of that name, within a company.
    #[must_use]
    pub fn parse(name: &str, tenant: Uuid) -> Option<Self> {
        if name == COMPANY {
            return Some(Self::Company { tenant });
        }
        let (before, id) = name.split_once(':')?;
        let kind = KINDS.iter().find(|kind| kind.name == before)?;
        let id = (kind.id)(id)?;
        Some(Self::Entity { kind, tenant, id })
    }

    /// Its name.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Entity { kind, id, .. } => (kind.label)(*id),
            Self::Company { .. } => COMPANY.into(),
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Entity { kind, id, .. } => Key::Entity(kind.name, *id),
            Self::Company { tenant } => Key::Company(*tenant),
        }
    }
}

/// The topics that an event belongs to.
pub(super) fn of(event: &Recorded) -> impl Iterator<Item = Topic> {
    let (tenant, id) = (event.tenant, event.entity);
    let kinds = KINDS.iter().chain([&PUBLIC]);
    kinds
        .filter(|kind| *kind.entity == *event.kind)
        .map(move |kind| Topic::Entity { kind, tenant, id })
        .chain([Topic::Company { tenant }])
}

/// The text of an event's message on a topic; none if it is not for those who watch that.
pub(super) fn text(
    topic: &Topic,
    cursor: &str,
    event: &Recorded,
) -> Option<axum::extract::ws::Utf8Bytes> {
    let shown = match topic {
        Topic::Entity { kind, .. } => (kind.show)(event),
        Topic::Company { .. } => events::raw(event),
    };
    Some(message::event(&topic.label(), cursor, &shown?))
}

const fn kind<R: Resource>() -> Kind {
    Kind {
        name: R::OBJECT,
        entity: R::KIND,
        label: |id| format!("{}:{}", R::OBJECT, R::Id::from(id)),
        id: read_id::<R>,
        get: get::<R>,
        history: history::<R>,
        show: events::raw,
    }
}

fn read_id<R: Resource>(text: &str) -> Option<Uuid> {
    let text: StrDeserializer<'_, Unread> = text.into_deserializer();
    R::Id::deserialize(text).ok().map(Into::into)
}

fn get<R: Resource>(
    engine: &Engine,
    tenant: Uuid,
    id: Uuid,
    deadline: Instant,
) -> BoxFuture<'_, Result<Option<Seen>, engine::Error>> {
    async move {
        let entity = engine
            .entities::<R>()?
            .get(tenant, id.into(), deadline)
            .await?;
        Ok(entity.and_then(|entity| {
            let snapshot = serde_json::to_value(R::view(&entity)?).ok()?;
            let version = entity.version;
            Some(Seen { version, snapshot })
        }))
    }
    .boxed()
}

fn tracked(
    engine: &Engine,
    tenant: Uuid,
    id: Uuid,
    deadline: Instant,
) -> BoxFuture<'_, Result<Option<Seen>, engine::Error>> {
    async move {
        let entities = engine.entities::<Shipment>()?;
        let shipment = entities.get(tenant, id.into(), deadline).await?;
        Ok(shipment.and_then(|shipment| {
            let snapshot = serde_json::to_value(shipment.state.tracking()?).ok()?;
            let version = shipment.version;
            Some(Seen { version, snapshot })
        }))
    }
    .boxed()
}

fn history<R: Resource>(
    engine: &Engine,
    tenant: Uuid,
    id: Uuid,
    after: u64,
    limit: u32,
) -> BoxFuture<'_, Result<Vec<Recorded>, engine::Error>> {
    async move {
        engine
            .entities::<R>()?
            .history(tenant, id.into(), after, limit)
            .await
    }
    .boxed()
}
