//! Rows with checksums: events, which are refused if they are damaged, and documents, which come
//! without their damaged part, because it can be rebuilt.

use engine::Recorded;
use engine::journal::{Document, Error, checksum};
use sqlx::FromRow;
use uuid::Uuid;

use crate::values::{Text, moment, number};

use super::shard;

/// A row of `events`.
#[derive(Debug, FromRow)]
pub(crate) struct EventRow {
    shard: i32,
    seq: i64,
    kind: String,
    entity: Uuid,
    version: i64,
    tenant: Uuid,
    at: i64,
    name: String,
    schema: i32,
    data: Text,
    personal: Option<Text>,
    principal: String,
    request_id: String,
    cause: Option<String>,
    checksum: i64,
    personal_checksum: Option<i64>,
}

impl TryFrom<EventRow> for Recorded {
    type Error = Error;

    fn try_from(row: EventRow) -> Result<Self, Error> {
        row.check()?;
        Ok(Self {
            shard: shard(row.shard)?,
            seq: number(row.seq)?,
            kind: row.kind.into(),
            entity: row.entity,
            version: number(row.version)?,
            tenant: row.tenant,
            at: moment(row.at)?,
            name: row.name.into(),
            schema: number(row.schema.into())?,
            data: row.data.0.into(),
            personal: row.personal.map(|text| text.0.into()),
            principal: row.principal.into(),
            request_id: row.request_id.into(),
            cause: row.cause.map(Into::into),
        })
    }
}

impl EventRow {
    fn check(&self) -> Result<(), Error> {
        let version = number(self.version)?;
        let data = checksum::event(&self.kind, self.entity, version, &self.name, &self.data.0);
        let is_sound = i64::from(data) == self.checksum
            && self
                .personal
                .as_ref()
                .is_none_or(|text| is_sound(self.entity, version, text, self.personal_checksum));
        if is_sound {
            Ok(())
        } else {
            let Self { kind, entity, .. } = self;
            let what = format!("event {version} of {kind} {entity}");
            tracing::error!(what, "stored data does not match its checksum");
            Err(Error::Damaged(what))
        }
    }
}

/// A row of `documents`. Lists leave the full state out.
#[derive(FromRow)]
pub(crate) struct DocumentRow {
    id: Uuid,
    tenant: Uuid,
    version: i64,
    schema: i64,
    created_at: i64,
    updated_at: i64,
    listed: Text,
    listed_checksum: i64,
    #[sqlx(default)]
    state: Option<Text>,
    #[sqlx(default)]
    state_version: Option<i64>,
    #[sqlx(default)]
    state_checksum: Option<i64>,
}

impl TryFrom<DocumentRow> for Document {
    type Error = Error;

    fn try_from(row: DocumentRow) -> Result<Self, Error> {
        let version = number(row.version)?;
        let listed = sound(row.id, version, row.listed, Some(row.listed_checksum));
        let state = match (row.state_version, row.state) {
            (None, _) => None,
            (Some(stored), Some(text)) => {
                let stored = number(stored)?;
                sound(row.id, stored, text, row.state_checksum).map(|text| (stored, text))
            }
            // What lists show is the full state.
            (Some(_), None) => listed.clone().map(|text| (version, text)),
        };
        Ok(Self {
            id: row.id,
            tenant: row.tenant,
            version,
            schema: number(row.schema)?,
            created_at: moment(row.created_at)?,
            updated_at: moment(row.updated_at)?,
            listed,
            state,
        })
    }
}

/// A document with its place among the keys that were asked for.
#[derive(FromRow)]
pub(crate) struct PlacedRow {
    place: i64,
    #[sqlx(flatten)]
    document: DocumentRow,
}

/// The documents in their places, of so many.
pub(crate) fn in_places(
    rows: Vec<PlacedRow>,
    count: usize,
) -> Result<Vec<Option<Document>>, Error> {
    let mut places: Vec<_> = std::iter::repeat_with(|| None).take(count).collect();
    for row in rows {
        let place: usize = number(row.place)?;
        if let Some(place) = places.get_mut(place) {
            *place = Some(row.document.try_into()?);
        }
    }
    Ok(places)
}

/// The text, unless it is damaged.
fn sound(entity: Uuid, version: u64, text: Text, stored: Option<i64>) -> Option<String> {
    if is_sound(entity, version, &text, stored) {
        return Some(text.0);
    }
    tracing::error!(%entity, version, "a stored document does not match its checksum");
    None
}

fn is_sound(entity: Uuid, version: u64, text: &Text, stored: Option<i64>) -> bool {
    stored == Some(checksum::text(entity, version, &text.0).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A row of any numbers and texts, whose checksums may be right.
    fn any_event() -> impl Strategy<Value = EventRow> {
        let ids = any::<(u128, u128)>();
        let numbers = (
            any::<(i32, i64, i32)>(),
            prop_oneof![any::<i64>(), 1..9_i64],
            any::<i64>(),
        );
        let texts = (
            "[a-z]{0,9}",
            "[a-z_]{0,9}",
            any::<String>(),
            any::<Option<String>>(),
        );
        let sums = any::<(bool, i64, Option<i64>)>();
        (ids, numbers, texts, sums).prop_map(|(ids, numbers, texts, sums)| {
            let ((shard, seq, schema), version, at) = numbers;
            let (kind, name, data, personal) = texts;
            let mut row = EventRow {
                shard,
                seq,
                kind,
                entity: Uuid::from_u128(ids.0),
                version,
                tenant: Uuid::from_u128(ids.1),
                at,
                name,
                schema,
                data: Text(data),
                personal: personal.map(Text),
                principal: "usr_1".into(),
                request_id: "r".into(),
                cause: None,
                checksum: sums.1,
                personal_checksum: sums.2,
            };
            if sums.0 {
                row.seal();
            }
            row
        })
    }

    impl EventRow {
        fn seal(&mut self) {
            let (entity, version) = (self.entity, self.version.unsigned_abs());
            let data = checksum::event(&self.kind, entity, version, &self.name, &self.data.0);
            self.checksum = data.into();
            let sum = |text: &Text| checksum::text(entity, version, &text.0).into();
            self.personal_checksum = self.personal.as_ref().map(sum);
        }
    }

    proptest! {
        #[test]
        fn any_row_is_the_event_that_it_says_or_damaged(row in any_event()) {
            let said = (row.shard, row.seq, row.version, row.at, row.data.0.clone());
            let Ok(event) = Recorded::try_from(row) else {
                return Ok(());
            };
            let number = |number: u64| i64::try_from(number).unwrap();
            let read = (
                i32::from(event.shard.0),
                number(event.seq),
                number(event.version),
                event.at.timestamp_millis(),
                event.data.to_string(),
            );
            prop_assert_eq!(read, said);
        }

        #[test]
        fn no_event_is_read_from_a_row_with_another_checksum(row in any_event(), bit in 0..32_u32) {
            let mut row = row;
            row.seal();
            row.checksum ^= 1 << bit;
            prop_assert!(Recorded::try_from(row).is_err());
        }

        #[test]
        fn a_sound_row_is_read(row in any_event(), version in 1..i64::MAX, seq in 1..i64::MAX) {
            let mut row = EventRow { version, seq, shard: 7, schema: 1, at: 0, ..row };
            row.seal();
            prop_assert!(Recorded::try_from(row).is_ok());
        }
    }
}
