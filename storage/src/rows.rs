//! What is read from the tables, turned into what the engine knows, with checksums compared.

use engine::journal::{Answer, Document, DueTimer, Error, Parked, RequestRow, checksum};
use engine::{Recorded, Shard};
use sqlx::FromRow;
use uuid::Uuid;

use crate::values::{Text, moment, number};

/// A row of `events`.
#[derive(FromRow)]
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

/// A row of `timers`.
#[derive(FromRow)]
pub(crate) struct TimerRow {
    kind: String,
    entity: Uuid,
    tenant: Uuid,
    name: String,
    at: i64,
}

impl TryFrom<TimerRow> for DueTimer {
    type Error = Error;

    fn try_from(row: TimerRow) -> Result<Self, Error> {
        Ok(Self {
            kind: row.kind,
            entity: row.entity,
            tenant: row.tenant,
            name: row.name,
            at: moment(row.at)?,
        })
    }
}

/// A row of `requests`.
#[derive(FromRow)]
pub(crate) struct KeyRow {
    scope: String,
    key: String,
    body_hash: i64,
    kind: String,
    entity: Uuid,
    version: i64,
    refusal: Option<String>,
    at: i64,
    answer_status: Option<i32>,
    answer_headers: Option<String>,
    answer_body: Option<Vec<u8>>,
}

impl TryFrom<KeyRow> for RequestRow {
    type Error = Error;

    fn try_from(row: KeyRow) -> Result<Self, Error> {
        let answer = match row.answer_status {
            None => None,
            Some(status) => Some(Answer {
                status: number(status.into())?,
                headers: row.answer_headers.unwrap_or_default(),
                body: row.answer_body.unwrap_or_default(),
            }),
        };
        Ok(Self {
            body_hash: row.body_hash,
            kind: row.kind,
            entity: row.entity,
            version: number(row.version)?,
            refusal: row.refusal,
            answer,
            at: moment(row.at)?,
        })
    }
}

impl TryFrom<KeyRow> for ((String, String), RequestRow) {
    type Error = Error;

    fn try_from(mut row: KeyRow) -> Result<Self, Error> {
        let key = (std::mem::take(&mut row.scope), std::mem::take(&mut row.key));
        Ok((key, row.try_into()?))
    }
}

/// A row of `parked` with its event.
#[derive(FromRow)]
pub(crate) struct ParkedRow {
    subscriber: String,
    reason: String,
    attempts: i64,
    tried_at: i64,
    #[sqlx(flatten)]
    event: EventRow,
}

impl TryFrom<ParkedRow> for Parked {
    type Error = Error;

    fn try_from(row: ParkedRow) -> Result<Self, Error> {
        Ok(Self {
            subscriber: row.subscriber,
            event: row.event.try_into()?,
            reason: row.reason,
            attempts: number(row.attempts)?,
            at: moment(row.tried_at)?,
        })
    }
}

/// A position in a shard's feed.
#[derive(FromRow)]
pub(crate) struct PositionRow {
    shard: i32,
    seq: i64,
}

impl TryFrom<PositionRow> for (Shard, u64) {
    type Error = Error;

    fn try_from(row: PositionRow) -> Result<Self, Error> {
        Ok((shard(row.shard)?, number(row.seq)?))
    }
}

/// A row of `leases`.
#[derive(FromRow)]
pub(crate) struct LeaseRow {
    shard: i32,
    epoch: i64,
    last_seq: i64,
}

impl TryFrom<LeaseRow> for (Shard, engine::journal::plan::LeaseRow) {
    type Error = Error;

    fn try_from(row: LeaseRow) -> Result<Self, Error> {
        let lease = engine::journal::plan::LeaseRow {
            epoch: number(row.epoch)?,
            last_seq: number(row.last_seq)?,
        };
        Ok((shard(row.shard)?, lease))
    }
}

/// A shard as it is stored.
pub(crate) fn shard(stored: i32) -> Result<Shard, Error> {
    number(stored.into()).map(Shard)
}

/// Turns rows into what the engine knows; the first that is damaged fails them all.
pub(crate) fn all<R, T, C>(rows: Vec<R>) -> Result<C, Error>
where
    R: TryInto<T, Error = Error>,
    C: FromIterator<T>,
{
    rows.into_iter().map(TryInto::try_into).collect()
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
