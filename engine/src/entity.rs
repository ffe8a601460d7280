//! The whole contract with the domain: an entity decides, evolves, and says what it claims and awaits.

use std::fmt::Debug;
use std::sync::OnceLock;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An aggregate root: the unit of consistency, held by one actor, written by nobody else.
///
/// `Default` is the entity before its first event: it does not exist yet, and its version is 0.
/// Implementations are pure: no clock, no randomness, no I/O; time and ids come in [`Context`].
/// A state that can grow (a stock item's reservations) should be cheap to clone, since every
/// command makes a new one: use persistent collections.
pub trait Entity:
    Default + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name in the journal, such as `order`. Never renamed.
    const KIND: &'static str;
    /// The bounded context whose journal holds the entity, such as `order` or `shipping`.
    const CONTEXT: &'static str;
    /// The version of the state's own serialised form; a stored state of another one is ignored
    /// and rebuilt from the events. Raise it with every change of the state's fields.
    const SCHEMA: u32;
    /// The statuses, as in [`Index::status`], in which nothing is ever asked of the entity again.
    /// Some time after its last event its document is forgotten; its events stay.
    const SPENT: &'static [&'static str] = &[];

    /// The typed id.
    type Id: Copy + Debug + Into<Uuid> + From<Uuid> + Send + Sync + 'static;
    /// What may be asked of it.
    type Command: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What may happen to it.
    type Event: Event;
    /// Why it refuses.
    type Rejection: Rejection;

    /// Decides what a command does to the present state: the events, possibly none, or a refusal.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after an event. Total: every event ever recorded can be applied.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    /// What lists filter and search by.
    fn index(&self) -> Index {
        Index::default()
    }

    /// The unique keys that the entity holds in this state, each with the refusal for a command
    /// that would take a key held by another entity.
    fn claims(&self) -> Vec<Claim<Self::Rejection>> {
        Vec::new()
    }

    /// What to decide in place of a command that would take a key held by another entity. Without,
    /// the command is refused; but a policy's command has nobody who could then think of another.
    fn instead(command: &Self::Command, lost: &Self::Rejection) -> Option<Self::Command> {
        let _ = (command, lost);
        None
    }

    /// The unique keys that an event takes for good. Unlike those of [`Entity::claims`] they are
    /// not the state's to remember, so there may be any number of them, and no later event can
    /// take them again, not even one of the same entity.
    fn marks(event: &Self::Event) -> Vec<Claim<Self::Rejection>> {
        let _ = event;
        Vec::new()
    }

    /// What the entity wants to be told, and when. A timer fires at least once after its moment,
    /// and only while this still lists it.
    fn timers(&self) -> Vec<Timer<Self::Command>> {
        Vec::new()
    }

    /// For entities whose state may grow large: what lists show of them. While this is `Some`,
    /// the full state is stored only now and then, and a cold start replays the events since.
    fn summary(&self) -> Option<serde_json::Value> {
        None
    }
}

/// A fact about an entity, stored for ever.
///
/// Its JSON is an object tagged with `type`. A top-level member `personal` is stored beside the
/// event, not in it, so that it can be erased without rewriting what happened; it must therefore
/// be optional when read.
pub trait Event: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The version of the events' serialised form.
    const SCHEMA: u16;

    /// The stable name of this variant, equal to its `type` tag.
    fn name(&self) -> &'static str;

    /// Whether the event has a `personal` member.
    fn is_personal(&self) -> bool {
        false
    }

    /// Brings an event's JSON from an older schema to the present one. Versions older than
    /// [`Event::SCHEMA`] are passed through here, once, when read.
    fn upcast(schema: u16, data: serde_json::Value) -> serde_json::Value {
        let _ = schema;
        data
    }
}

/// A refusal: the domain said no. It changes nothing and is no failure of the machinery.
pub trait Rejection:
    std::error::Error + Clone + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Which class of refusal this is; the front door maps classes to its own statuses.
    fn kind(&self) -> RejectionKind;
    /// A stable kebab-case code.
    fn code(&self) -> &'static str;
    /// The JSON pointer of the command's field at fault, such as `/lines/0/quantity`.
    fn pointer(&self) -> Option<String> {
        None
    }
    /// For an illegal transition, the names of the legal ones.
    fn allowed(&self) -> Option<Vec<&'static str>> {
        None
    }
}

/// The closed set of classes of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionKind {
    /// The entity, or something the command names, does not exist.
    NotFound,
    /// The command is well formed but one of its values is not acceptable.
    Invalid,
    /// The state does not allow the command, or a unique key is taken.
    Conflict,
    /// Whoever asks may not.
    Forbidden,
    /// Whoever asks has not proved who they are, or the proof is spent.
    Unauthenticated,
}

/// What a decision may know beside the state and the command.
#[derive(Clone, Debug)]
pub struct Context {
    /// The entity's own id.
    pub entity: Uuid,
    /// The version that is decided on.
    pub version: u64,
    /// The company that the entity belongs to; nil for what belongs to the installation.
    pub tenant: Uuid,
    /// The time of the decision, in whole milliseconds, for time stamps: never before the entity's
    /// last event, even where the clock has gone back.
    pub now: DateTime<Utc>,
    /// What the clock says, in whole milliseconds, for comparing with moments that others set: a
    /// clock that once ran ahead must not make an entity late for ever after.
    pub clock: DateTime<Utc>,
    /// Who asks: the id of a user or an API key, or `policy:…` or `timer`.
    pub principal: String,
    /// The request that this is part of.
    pub request_id: String,
}

/// The columns that lists filter and search by; everything else is only in the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The client's own reference.
    pub reference: Option<String>,
    /// The state's name in the state machine.
    pub status: &'static str,
    /// What it belongs to: an order's customer, a shipment's order, a stock item's product.
    pub parent: Option<Uuid>,
    /// Where it is: a stock item's location.
    pub site: Option<Uuid>,
    /// A mark worth listing by: a stock item that is low.
    pub flagged: bool,
    /// What the search looks into; compared without case.
    pub text: String,
}

/// A unique key held by an entity: no two entities of the same scope hold the same one.
#[derive(Clone, Debug)]
pub struct Claim<R> {
    /// Whether the key is unique in the company or in the whole installation.
    pub scope: ClaimScope,
    /// The key with its purpose, already normalised, such as `sku:ABC-1`.
    pub key: String,
    /// How a command that would take a held key is refused.
    pub rejection: R,
}

/// How far a claim reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimScope {
    /// Unique in one company.
    Tenant,
    /// Unique in the installation.
    Installation,
}

/// A wish to be sent a command at a moment.
#[derive(Clone, Debug)]
pub struct Timer<C> {
    /// Which of the entity's timers; unique within the entity.
    pub name: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What the entity is then sent.
    pub command: C,
}

/// An entity's state with what the journal knows about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Versioned<E> {
    /// The entity's id.
    pub id: Uuid,
    /// The company that it belongs to; nil for what belongs to the installation.
    pub tenant: Uuid,
    /// How many events it has; 0 means that it does not exist.
    pub version: u64,
    /// The version that the last decision rested on, if that is known: it is not after a reload.
    #[serde(skip)]
    pub base_version: Option<u64>,
    /// When its first event was recorded.
    pub created_at: DateTime<Utc>,
    /// When its last event was recorded.
    pub updated_at: DateTime<Utc>,
    /// The state.
    pub state: E,
    /// Where whoever shows this state time and again keeps what it wrote of it: it is of no other
    /// state, and goes when this one does.
    #[serde(skip)]
    pub shown: OnceLock<Bytes>,
}
