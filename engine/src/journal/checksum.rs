//! Checksums over stored rows, so that damage on disk is noticed when it is read.
//!
//! They are part of the stored format: what is hashed, and in which order, never changes without
//! [`FORMAT`].

use crc32fast::Hasher;
use uuid::Uuid;

/// The format of what is stored. A journal of another one is not opened: all of it would read as
/// damaged.
pub const FORMAT: i32 = 2;

/// A row of events in its stored form: everything that it says but the text of its personal part,
/// which may be erased. Of that the checksum stays.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct Event<'a> {
    pub shard: i32,
    pub seq: i64,
    pub kind: &'a str,
    pub entity: Uuid,
    pub version: i64,
    pub tenant: Uuid,
    pub at: i64,
    pub name: &'a str,
    pub schema: i32,
    pub data: &'a str,
    pub personal_checksum: Option<i64>,
    pub principal: &'a str,
    pub request_id: &'a str,
    pub cause: Option<&'a str>,
}

impl Event<'_> {
    /// The checksum of the row.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut sum = Sum::default();
        sum.number(self.shard);
        sum.number(self.seq);
        sum.text(self.kind);
        sum.id(self.entity);
        sum.number(self.version);
        sum.id(self.tenant);
        sum.number(self.at);
        sum.text(self.name);
        sum.number(self.schema);
        sum.text(self.data);
        sum.optional(self.personal_checksum, Sum::number);
        sum.text(self.principal);
        sum.text(self.request_id);
        sum.optional(self.cause, Sum::text);
        sum.0.finalize()
    }
}

/// A row of documents in its stored form: all but the full state, which may be of another version
/// and has a checksum of its own.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are the columns")]
pub struct Document<'a> {
    pub kind: &'a str,
    pub id: Uuid,
    pub tenant: Uuid,
    pub version: i64,
    pub schema: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub reference: Option<&'a str>,
    pub status: &'a str,
    pub parent: Option<Uuid>,
    pub site: Option<Uuid>,
    pub flagged: bool,
    pub text: &'a str,
    pub listed: &'a str,
}

impl Document<'_> {
    /// The checksum of the row.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut sum = Sum::default();
        sum.text(self.kind);
        sum.id(self.id);
        sum.id(self.tenant);
        sum.number(self.version);
        sum.number(self.schema);
        sum.number(self.created_at);
        sum.number(self.updated_at);
        sum.optional(self.reference, Sum::text);
        sum.text(self.status);
        sum.optional(self.parent, Sum::id);
        sum.optional(self.site, Sum::id);
        sum.number(self.flagged);
        sum.text(self.text);
        sum.text(self.listed);
        sum.0.finalize()
    }
}

/// The checksum of a text that belongs to a version of an entity: a full state, or the personal
/// part of an event.
#[must_use]
pub fn text(entity: Uuid, version: i64, text: &str) -> u32 {
    let mut sum = Sum::default();
    sum.id(entity);
    sum.number(version);
    sum.text(text);
    sum.0.finalize()
}

/// What is hashed, so that nothing can move from one column to the next unnoticed.
#[derive(Default)]
struct Sum(Hasher);

impl Sum {
    fn number(&mut self, number: impl Into<i64>) {
        self.0.update(&number.into().to_le_bytes());
    }

    fn id(&mut self, id: Uuid) {
        self.0.update(id.as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        self.number(value.is_some());
        if let Some(value) = value {
            add(self, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Event<'_> = Event {
        shard: 1,
        seq: 2,
        kind: "order",
        entity: Uuid::from_u128(7),
        version: 3,
        tenant: Uuid::from_u128(8),
        at: 4,
        name: "placed",
        schema: 5,
        data: "{}",
        personal_checksum: None,
        principal: "usr",
        request_id: "req",
        cause: None,
    };
    const DOCUMENT: Document<'_> = Document {
        kind: "order",
        id: Uuid::from_u128(7),
        tenant: Uuid::from_u128(8),
        version: 3,
        schema: 5,
        created_at: 4,
        updated_at: 6,
        reference: None,
        status: "placed",
        parent: None,
        site: None,
        flagged: false,
        text: "words",
        listed: "{}",
    };

    /// The stored format: if these numbers change, everything stored reads as damaged.
    #[test]
    fn never_change_within_a_format() {
        let sums = [
            EVENT.checksum(),
            DOCUMENT.checksum(),
            text(EVENT.entity, 3, "{}"),
        ];
        assert_eq!(
            (FORMAT, sums),
            (2, [3_727_218_973, 2_522_584_021, 121_849_730])
        );
    }

    #[test]
    fn see_what_moved_from_one_column_to_the_next() {
        let moved = [
            Event {
                kind: "orde",
                ..EVENT
            },
            Event {
                principal: "usrr",
                request_id: "eq",
                ..EVENT
            },
            Event {
                request_id: "",
                cause: Some("req"),
                ..EVENT
            },
            Event {
                entity: EVENT.tenant,
                tenant: EVENT.entity,
                ..EVENT
            },
        ];
        for event in moved {
            assert_ne!(event.checksum(), EVENT.checksum(), "{event:?}");
        }
        let parent = Document {
            parent: Some(Uuid::from_u128(9)),
            ..DOCUMENT
        };
        let site = Document {
            site: parent.parent,
            ..DOCUMENT
        };
        assert_ne!(parent.checksum(), site.checksum());
    }
}
