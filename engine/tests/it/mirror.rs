//! A second kind, and a policy that tells it what the first one counts.

use std::panic::panic_any;

use engine::{
    Context, Entity, Event, Outgoing, Policy, Recorded, Rejection, RejectionKind, Unreadable,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::counter::{Bomb, Counter, Fact};

/// An amount that a mirror refuses until it is open.
pub(crate) const UNLUCKY: i64 = 13;
/// An amount that ends a mirror's host before it can answer, until it is open.
pub(crate) const DEADLY: i64 = 999;
/// An amount that makes the policy panic, and say so in words that no journal stores.
pub(crate) const SCARY: i64 = 666;

/// Copies what a counter of the same id counts; if it is `FAR`, in another context.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mirror<const FAR: bool = false> {
    pub(crate) total: i64,
    pub(crate) notes: u32,
    pub(crate) is_open: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Note(i64),
    Open,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Seen {
    Noted { amount: i64 },
    Opened,
}

impl Event for Seen {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        match self {
            Self::Noted { .. } => "Noted",
            Self::Opened => "Opened",
        }
    }
}

#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[error("an unlucky number")]
pub(crate) struct Unlucky;

impl Rejection for Unlucky {
    fn kind(&self) -> RejectionKind {
        RejectionKind::Invalid
    }

    fn code(&self) -> &'static str {
        "unlucky"
    }
}

impl<const FAR: bool> Entity for Mirror<FAR> {
    const KIND: &'static str = if FAR { "far_mirror" } else { "mirror" };
    const CONTEXT: &'static str = if FAR { "far" } else { "test" };
    const SCHEMA: u32 = 1;
    type Id = Uuid;
    type Command = Ask;
    type Event = Seen;
    type Rejection = Unlucky;

    fn decide(&self, command: &Ask, _: &Context) -> Result<Vec<Seen>, Unlucky> {
        match command {
            Ask::Note(UNLUCKY) if !self.is_open => Err(Unlucky),
            // What it panics with panics in its turn, where no guard is any more.
            Ask::Note(DEADLY) if !self.is_open => panic_any(Bomb::live()),
            Ask::Note(amount) => Ok(vec![Seen::Noted { amount: *amount }]),
            Ask::Open => Ok(vec![Seen::Opened]),
        }
    }

    fn evolve(mut self, event: &Seen) -> Self {
        match event {
            Seen::Noted { amount } => {
                (self.total, self.notes) = (self.total + amount, self.notes + 1);
            }
            Seen::Opened => self.is_open = true,
        }
        self
    }
}

/// What a counter adds, its mirror notes.
pub(crate) const MIRRORING: Policy = Policy {
    name: "mirroring",
    context: "test",
    react,
};

/// What a counter adds, its far mirror notes.
pub(crate) const FAR_MIRRORING: Policy = Policy {
    name: "far mirroring",
    react: |event| {
        let outgoing = react(event)?;
        let notes = outgoing.iter().filter_map(note);
        let far = notes.map(|note| Outgoing::to::<Mirror<true>>(event.entity, note));
        Ok(far.collect())
    },
    ..MIRRORING
};

/// What a counter adds, its mirror and that one's twin note.
pub(crate) const TWIN_MIRRORING: Policy = Policy {
    react: |event| {
        let mut outgoing = react(event)?;
        if let Some(added) = outgoing.first().and_then(note) {
            outgoing.push(Outgoing::to::<Mirror>(twin(event.entity), added));
        }
        Ok(outgoing)
    },
    ..MIRRORING
};

/// The same policy as it was rewritten later: it wants the same, in another order.
pub(crate) const REVERSED: Policy = Policy {
    react: |event| {
        let mut outgoing = (TWIN_MIRRORING.react)(event)?;
        outgoing.reverse();
        Ok(outgoing)
    },
    ..MIRRORING
};

/// Another entity for every entity.
pub(crate) fn twin(id: Uuid) -> Uuid {
    Uuid::from_u128(!id.as_u128())
}

fn note(outgoing: &Outgoing) -> Option<Ask> {
    outgoing.command.downcast_ref::<Ask>().cloned()
}

fn react(event: &Recorded) -> Result<Vec<Outgoing>, Unreadable> {
    if &*event.kind != Counter::<1>::KIND {
        return Ok(Vec::new());
    }
    let Fact::Added { amount } = event.event::<Counter>()? else {
        return Ok(Vec::new());
    };
    assert!(amount != SCARY, "scared\0{}", "ä".repeat(10_000));
    Ok(vec![Outgoing::to::<Mirror>(
        event.entity,
        Ask::Note(amount),
    )])
}
