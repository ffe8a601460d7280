//! Rows with checksums: events, which are refused if they are damaged, and documents, which come
//! without their damaged part, because it can be rebuilt.

use engine::Recorded;
use engine::journal::{Damaged, Document, Error, Read, checksum};
use sqlx::error::BoxDynError;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use crate::values::{Text, moment, number};

use super::shard;

/// A row of `events`, or what is known of one that is damaged.
pub(crate) struct EventRow(Read);

/// The columns of `events`.
#[derive(Debug, FromRow)]
struct EventColumns {
    shard: i32,
    seq: i64,
    kind: Text,
    entity: Uuid,
    version: i64,
    tenant: Uuid,
    at: i64,
    name: Text,
    schema: i32,
    data: Text,
    personal: Option<Text>,
    principal: Text,
    request_id: Text,
    cause: Option<Text>,
    checksum: i64,
    personal_checksum: Option<i64>,
}

/// A column that does not even decode must not take the rows beside it away.
impl<'r, R: Row> FromRow<'r, R> for EventRow
where
    EventColumns: FromRow<'r, R>,
    &'static str: ColumnIndex<R>,
    i32: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let why = match EventColumns::from_row(row) {
            Ok(columns) => return Ok(Self(columns.checked())),
            Err(sqlx::Error::ColumnDecode { source, .. }) => source,
            Err(other) => return Err(other),
        };
        let (stored, seq): (i32, i64) = (row.try_get("shard")?, row.try_get("seq")?);
        let decoded = |error: Error| sqlx::Error::Decode(BoxDynError::from(error));
        Ok(Self(Err(Damaged {
            shard: shard(stored).map_err(decoded)?,
            seq: number(seq).map_err(decoded)?,
            what: format!("the event at {stored}/{seq}: {why}"),
        })))
    }
}

impl From<EventRow> for Read {
    fn from(row: EventRow) -> Self {
        row.0
    }
}

impl TryFrom<EventRow> for Recorded {
    type Error = Error;

    fn try_from(row: EventRow) -> Result<Self, Error> {
        Ok(row.0?)
    }
}

/// The events before the first that is damaged.
pub(crate) fn before_damage(rows: Vec<EventRow>) -> Result<Vec<Recorded>, Damaged> {
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        match row.0 {
            Ok(event) => events.push(event),
            Err(damaged) if events.is_empty() => return Err(damaged),
            Err(_) => break,
        }
    }
    Ok(events)
}

impl EventColumns {
    fn checked(self) -> Read {
        let (kind, entity, version) = (&self.kind.0, self.entity, self.version);
        let what = format!("event {version} of {kind} {entity}");
        let (stored, seq) = (self.shard, self.seq);
        let damaged = |why: String| {
            let what = format!("{what}, at {stored}/{seq}: {why}");
            tracing::error!(what, "stored data is damaged");
            Damaged {
                shard: engine::Shard(u16::try_from(stored).unwrap_or_default()),
                seq: u64::try_from(seq).unwrap_or_default(),
                what,
            }
        };
        if !self.is_sound() {
            return Err(damaged("it does not match its checksum".into()));
        }
        self.recorded().map_err(|why| damaged(why.to_string()))
    }

    fn recorded(self) -> Result<Recorded, Error> {
        Ok(Recorded {
            shard: shard(self.shard)?,
            seq: number(self.seq)?,
            kind: self.kind.0.into(),
            entity: self.entity,
            version: number(self.version)?,
            tenant: self.tenant,
            at: moment(self.at)?,
            name: self.name.0.into(),
            schema: number(self.schema.into())?,
            data: self.data.0.into(),
            personal: self.personal.map(|text| text.0.into()),
            principal: self.principal.0.into(),
            request_id: self.request_id.0.into(),
            cause: self.cause.map(|text| text.0.into()),
        })
    }

    fn is_sound(&self) -> bool {
        let personal = self.personal.as_ref();
        i64::from(self.row().checksum()) == self.checksum
            && personal.is_none_or(|text| {
                is_sound(self.entity, self.version, text, self.personal_checksum)
            })
    }

    fn row(&self) -> checksum::Event<'_> {
        checksum::Event {
            shard: self.shard,
            seq: self.seq,
            kind: &self.kind.0,
            entity: self.entity,
            version: self.version,
            tenant: self.tenant,
            at: self.at,
            name: &self.name.0,
            schema: self.schema,
            data: &self.data.0,
            personal_checksum: self.personal_checksum,
            principal: &self.principal.0,
            request_id: &self.request_id.0,
            cause: self.cause.as_ref().map(|text| &*text.0),
        }
    }
}

/// A row of `documents`. Lists leave the full state out.
#[derive(FromRow)]
pub(crate) struct DocumentRow {
    kind: Text,
    id: Uuid,
    tenant: Uuid,
    version: i64,
    schema: i64,
    created_at: i64,
    updated_at: i64,
    reference: Option<Text>,
    status: Text,
    parent: Option<Uuid>,
    site: Option<Uuid>,
    flagged: bool,
    text: Text,
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

    /// Of a damaged row nothing is believed, and so there is no state either: it is made of the
    /// events.
    fn try_from(row: DocumentRow) -> Result<Self, Error> {
        let is_sound = i64::from(row.row().checksum()) == row.listed_checksum;
        let state = if is_sound { row.state() } else { None };
        let is_whole = is_sound && (row.state_version.is_none() || state.is_some());
        if !is_whole {
            let (entity, version) = (row.id, row.version);
            tracing::error!(%entity, version, "a stored document does not match its checksum");
        }
        Ok(Self {
            id: row.id,
            tenant: row.tenant,
            version: number(row.version)?,
            schema: number(row.schema)?,
            created_at: moment(row.created_at)?,
            updated_at: moment(row.updated_at)?,
            listed: is_whole.then_some(row.listed.0),
            state,
        })
    }
}

impl DocumentRow {
    fn state(&self) -> Option<(u64, String)> {
        let stored = self.state_version?;
        let (version, text) = match (&self.state, self.state_checksum) {
            (Some(text), sum) => is_sound(self.id, stored, text, sum).then_some((stored, text)),
            // What lists show is the full state.
            (None, None) => Some((self.version, &self.listed)),
            (None, Some(_)) => None,
        }?;
        Some((version.try_into().ok()?, text.0.clone()))
    }

    fn row(&self) -> checksum::Document<'_> {
        checksum::Document {
            kind: &self.kind.0,
            id: self.id,
            tenant: self.tenant,
            version: self.version,
            schema: self.schema,
            created_at: self.created_at,
            updated_at: self.updated_at,
            reference: self.reference.as_ref().map(|text| &*text.0),
            status: &self.status.0,
            parent: self.parent,
            site: self.site,
            flagged: self.flagged,
            text: &self.text.0,
            listed: &self.listed.0,
        }
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

fn is_sound(entity: Uuid, version: i64, text: &Text, stored: Option<i64>) -> bool {
    stored == Some(checksum::text(entity, version, &text.0).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A row of any numbers and texts, whose checksums may be right.
    fn any_event() -> impl Strategy<Value = EventColumns> {
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
            let mut row = EventColumns {
                shard,
                seq,
                kind: Text(kind),
                entity: Uuid::from_u128(ids.0),
                version,
                tenant: Uuid::from_u128(ids.1),
                at,
                name: Text(name),
                schema,
                data: Text(data),
                personal: personal.map(Text),
                principal: Text("usr_1".into()),
                request_id: Text("r".into()),
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

    impl EventColumns {
        fn seal(&mut self) {
            let sum = |text: &Text| checksum::text(self.entity, self.version, &text.0).into();
            self.personal_checksum = self.personal.as_ref().map(sum);
            self.checksum = self.row().checksum().into();
        }
    }

    proptest! {
        #[test]
        fn any_row_is_the_event_that_it_says_or_damaged(row in any_event()) {
            let said = (row.shard, row.seq, row.version, row.at, row.data.0.clone());
            let Ok(event) = row.checked() else {
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
            prop_assert!(row.checked().is_err());
        }

        #[test]
        fn a_sound_row_is_read(row in any_event(), version in 1..i64::MAX, seq in 1..i64::MAX) {
            let mut row = EventColumns { version, seq, shard: 7, schema: 1, at: 0, ..row };
            row.seal();
            prop_assert!(row.checked().is_ok());
        }
    }
}
