//! Where a viewer stands in its topic, and what an event of the channel is to it.

use std::sync::Arc;

use axum::http::StatusCode;
use uuid::Uuid;

use super::channel::Entry;
use super::cursor::Vector;
use super::message::{self, Message};
use crate::problem::Problem;

/// Everything up to here the viewer has.
#[derive(Debug)]
pub(super) enum Position {
    /// In an entity's events.
    Version(u64),
    /// In a company's feed, as the viewer read it; the hub may not have come so far.
    Own(Uuid, Vector),
    /// In a company's feed, as far as the hub had come, in the hub's text.
    Shared(Uuid, Arc<str>),
}

impl Position {
    /// A client's cursor in an entity's events.
    ///
    /// # Errors
    /// 422 when it is none, or of a version that there has not been.
    pub(super) fn of_entity(cursor: &str, newest: u64) -> Result<Self, Problem> {
        let version = cursor.parse().ok().filter(|version| *version <= newest);
        version.map(Self::Version).ok_or_else(no_cursor)
    }

    /// A client's cursor in a company's feed.
    ///
    /// # Errors
    /// 422 when it is none of this company, or beyond the end.
    pub(super) fn of_company(tenant: Uuid, cursor: &str, heads: &Vector) -> Result<Self, Problem> {
        let vector = Vector::decode(tenant, cursor).filter(|vector| heads.covers(vector));
        vector
            .map(|vector| Self::Own(tenant, vector))
            .ok_or_else(no_cursor)
    }

    /// The cursor with which a client resumes from here.
    pub(super) fn cursor(&self) -> Arc<str> {
        match self {
            Self::Version(version) => version.to_string().into(),
            Self::Own(tenant, vector) => vector.encode(*tenant).into(),
            Self::Shared(_, cursor) => Arc::clone(cursor),
        }
    }

    /// The positions in a company's feed.
    pub(super) fn vector(&self) -> Vector {
        match self {
            Self::Version(_) => Vector::default(),
            Self::Own(_, vector) => vector.clone(),
            Self::Shared(tenant, cursor) => Vector::decode(*tenant, cursor).unwrap_or_default(),
        }
    }

    /// Whether an event must come before this one of the channel.
    pub(super) fn misses_one_before(&self, entry: &Entry) -> bool {
        matches!(self, Self::Version(version) if entry.version > version + 1)
    }

    /// Moves past an event of the channel: its message, if it is news.
    pub(super) fn accept(&mut self, topic: &str, entry: &Entry) -> Option<Message> {
        match self {
            Self::Version(version) if entry.version <= *version => return None,
            Self::Version(version) => *version = entry.version,
            Self::Own(_, own) if own.includes(entry.context, entry.shard, entry.seq) => {
                return None;
            }
            Self::Own(tenant, own) => {
                let hub = Vector::decode(*tenant, &entry.cursor)?;
                if !hub.covers(own) {
                    own.join(&hub);
                    return readdressed(topic, self.cursor(), entry);
                }
                *self = Self::Shared(*tenant, Arc::clone(&entry.cursor));
            }
            Self::Shared(_, cursor) => *cursor = Arc::clone(&entry.cursor),
        }
        let text = entry.text.clone()?;
        Some(Message::event(Arc::clone(&entry.cursor), text))
    }
}

/// The event with another cursor than the hub's: a viewer that read the journal itself may have
/// events which that does not count, and resuming from it would repeat them.
fn readdressed(topic: &str, cursor: Arc<str>, entry: &Entry) -> Option<Message> {
    let event = message::event_in(entry.text.as_ref()?)?;
    let text = message::event(topic, &cursor, &event);
    Some(Message::event(cursor, text))
}

/// A cursor of something else, or of a time that has not come: data was restored since.
fn no_cursor() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid-cursor",
        "this is not a cursor of this topic; begin again without one",
    )
}

#[cfg(test)]
mod tests {
    use engine::Shard;

    use super::*;

    const TENANT: Uuid = Uuid::from_u128(7);

    /// An event of the first context; the cursor counts these positions of shards 1 and 2.
    fn entry(shard: u16, seq: u64, counted: [u64; 2]) -> Entry {
        let mut hub = Vector::default();
        hub.advance(0, Shard(1), counted[0]);
        hub.advance(0, Shard(2), counted[1]);
        let cursor: Arc<str> = hub.encode(TENANT).into();
        Entry {
            context: 0,
            shard: Shard(shard),
            seq,
            version: seq,
            text: Some(format!(r#"{{"cursor":"{cursor}","event":{seq}}}"#).into()),
            cursor,
        }
    }

    #[test]
    fn a_cursor_counts_what_the_viewer_has_although_the_hub_does_not_yet() {
        let mut own = Vector::default();
        own.advance(0, Shard(2), 5);
        let mut position = Position::Own(TENANT, own);
        let ahead = position.accept("company", &entry(1, 1, [1, 3])).unwrap();
        let cursor = Vector::decode(TENANT, &ahead.cursor.unwrap()).unwrap();
        assert!(cursor.includes(0, Shard(1), 1) && cursor.includes(0, Shard(2), 5));
        assert!(ahead.text.contains(r#""event":1"#));
        let known = position.accept("company", &entry(2, 4, [1, 4]));
        assert!(known.is_none());
        let level = entry(1, 2, [2, 5]);
        let shared = position.accept("company", &level).unwrap();
        assert_eq!(shared.cursor.as_ref(), Some(&level.cursor));
        assert!(matches!(position, Position::Shared(..)));
    }

    #[test]
    fn a_version_comes_after_the_one_before() {
        let mut position = Position::Version(3);
        assert!(position.accept("order", &entry(1, 3, [3, 0])).is_none());
        assert!(!position.misses_one_before(&entry(1, 4, [4, 0])));
        assert!(position.misses_one_before(&entry(1, 5, [5, 0])));
    }
}
