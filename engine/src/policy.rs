//! Policies: when this event, then that command to another entity.

use std::any::Any;
use std::fmt;

use uuid::Uuid;

use crate::entity::Entity;
use crate::envelope::{Recorded, Unreadable};

/// A pure rule with a name that is part of the request keys of what it sends: never renamed.
///
/// Commands of policies arrive at least once and have their effect once. They may overtake each
/// other, so they must commute; and they are answered by events: a refusal is an alarm, not an
/// outcome. One that may find a unique key taken says what else to do: see [`Entity::instead`].
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The rule's name.
    pub name: &'static str,
    /// The context whose events it looks at.
    pub context: &'static str,
    /// The rule.
    pub react: fn(&Recorded) -> Result<Vec<Outgoing>, Unreadable>,
}

/// A command that a policy wants sent, to an entity of any kind, in the event's company.
pub struct Outgoing {
    /// [`Entity::KIND`] of the addressee.
    pub kind: &'static str,
    /// The addressee.
    pub entity: Uuid,
    /// The command, of the addressee's type.
    pub command: Box<dyn Any + Send + Sync>,
    /// See [`Self::idempotent`].
    pub is_idempotent: bool,
}

impl Outgoing {
    /// A command for an entity.
    pub fn to<E: Entity>(id: E::Id, command: E::Command) -> Self {
        Self {
            kind: E::KIND,
            entity: id.into(),
            command: Box::new(command),
            is_idempotent: false,
        }
    }

    /// Promises that the addressee's own state tells this command from a repeat of it, however much
    /// later that comes, so that it has no effect a second time; the addressee may record that it
    /// refused. It goes without a request key, which would be a row of its own in the commit.
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self {
            is_idempotent: true,
            ..self
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Outgoing({} {})", self.kind, self.entity)
    }
}
