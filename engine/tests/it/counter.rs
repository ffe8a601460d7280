//! An entity to try the engine with: it counts, claims tags, sets an alarm, and misbehaves on demand.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use chrono::{DateTime, Utc};
use engine::{Claim, ClaimScope, Context, Entity, Event, Index, Rejection, RejectionKind, Timer};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

/// Names whose [`Fact::Haunted`] cannot be applied from now on.
pub(crate) static HAUNTED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// A counter that never falls below zero; `S` is the schema of its state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counter<const S: u32 = 1> {
    pub(crate) total: i64,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) alarm: Option<DateTime<Utc>>,
    pub(crate) rings: u32,
    pub(crate) is_deaf: bool,
    pub(crate) is_fragile: bool,
    pub(crate) is_big: bool,
    /// Whether the state was read from a document rather than replayed from the first event.
    #[serde(serialize_with = "yes")]
    pub(crate) is_restored: bool,
}

fn yes<T: Serializer>(_: &bool, serializer: T) -> Result<T::Ok, T::Error> {
    serializer.serialize_bool(true)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Add(i64),
    Nothing,
    Tag(String),
    /// Adds one instead if the tag is taken.
    TagOrAdd(String),
    Untag(String),
    SetAlarm(DateTime<Utc>),
    Ring,
    Deafen,
    /// From now on there is a summary.
    Grow,
    /// Panics in the decision.
    Panic,
    /// Makes [`Entity::index`] panic from now on.
    BeFragile,
    /// Can be applied until its name is in [`HAUNTED`].
    Haunt(String),
    /// Panics in the decision, and once more when it has been answered, which ends the host.
    Explode(Bomb),
}

/// Once it is live it panics when it is dropped, which no guard around decisions sees.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bomb(#[serde(skip)] AtomicBool);

impl Bomb {
    pub(crate) fn live() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Clone for Bomb {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!*self.0.get_mut(), "a bomb");
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Fact {
    Added { amount: i64 },
    Tagged { tag: String },
    Untagged { tag: String },
    AlarmSet { at: DateTime<Utc> },
    Rang,
    Deafened,
    Grown,
    BecameFragile,
    Haunted { name: String },
}

impl Event for Fact {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "Added",
            Self::Tagged { .. } => "Tagged",
            Self::Untagged { .. } => "Untagged",
            Self::AlarmSet { .. } => "AlarmSet",
            Self::Rang => "Rang",
            Self::Deafened => "Deafened",
            Self::Grown => "Grown",
            Self::BecameFragile => "BecameFragile",
            Self::Haunted { .. } => "Haunted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum No {
    #[error("only {0} are there")]
    TooFew(i64),
    #[error("the tag is taken")]
    Taken,
    #[error("it hears nothing")]
    Deaf,
}

impl Rejection for No {
    fn kind(&self) -> RejectionKind {
        RejectionKind::Conflict
    }

    fn code(&self) -> &'static str {
        "no"
    }
}

impl<const S: u32> Entity for Counter<S> {
    const KIND: &'static str = "counter";
    const CONTEXT: &'static str = "test";
    const SCHEMA: u32 = S;
    type Id = Uuid;
    type Command = Ask;
    type Event = Fact;
    type Rejection = No;

    fn decide(&self, command: &Ask, _: &Context) -> Result<Vec<Fact>, No> {
        Ok(vec![match command {
            Ask::Add(amount) if self.total + amount < 0 => return Err(No::TooFew(self.total)),
            Ask::Add(amount) => Fact::Added { amount: *amount },
            Ask::Nothing => return Ok(Vec::new()),
            Ask::Tag(tag) | Ask::TagOrAdd(tag) => Fact::Tagged { tag: tag.clone() },
            Ask::Untag(tag) => Fact::Untagged { tag: tag.clone() },
            Ask::SetAlarm(at) => Fact::AlarmSet { at: *at },
            Ask::Ring if self.is_deaf => return Err(No::Deaf),
            Ask::Ring => Fact::Rang,
            Ask::Deafen => Fact::Deafened,
            Ask::Grow => Fact::Grown,
            Ask::Panic => panic!("asked to"),
            Ask::Explode(bomb) => {
                bomb.0.store(true, Ordering::Relaxed);
                panic!("live")
            }
            Ask::BeFragile => Fact::BecameFragile,
            Ask::Haunt(name) => Fact::Haunted { name: name.clone() },
        }])
    }

    fn evolve(mut self, event: &Fact) -> Self {
        match event {
            Fact::Added { amount } => self.total += amount,
            Fact::Tagged { tag } => _ = self.tags.insert(tag.clone()),
            Fact::Untagged { tag } => _ = self.tags.remove(tag),
            Fact::AlarmSet { at } => self.alarm = Some(*at),
            Fact::Rang => (self.rings, self.alarm) = (self.rings + 1, None),
            Fact::Deafened => self.is_deaf = true,
            Fact::Grown => self.is_big = true,
            Fact::BecameFragile => self.is_fragile = true,
            Fact::Haunted { name } => assert!(!HAUNTED.lock().unwrap().contains(name), "a ghost"),
        }
        self
    }

    fn index(&self) -> Index {
        assert!(!self.is_fragile, "fragile");
        Index::default()
    }

    fn claims(&self) -> Vec<Claim<No>> {
        let claim = |tag: &String| Claim {
            scope: ClaimScope::Tenant,
            key: format!("tag:{tag}"),
            rejection: No::Taken,
        };
        self.tags.iter().map(claim).collect()
    }

    fn instead(command: &Ask, _: &No) -> Option<Ask> {
        matches!(command, Ask::TagOrAdd(_)).then_some(Ask::Add(1))
    }

    fn timers(&self) -> Vec<Timer<Ask>> {
        let timer = |at| Timer {
            name: "alarm".into(),
            at,
            command: Ask::Ring,
        };
        self.alarm.into_iter().map(timer).collect()
    }

    fn summary(&self) -> Option<serde_json::Value> {
        self.is_big
            .then(|| serde_json::json!({ "total": self.total }))
    }
}
