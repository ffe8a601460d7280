//! Stored columns to what the engine knows, checksums checked; and documents to columns.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use engine::journal::plan::{DocumentPlan, LeaseRow, RequestPlan};
use engine::journal::{Answer, Document, DueTimer, Error, Parked, RequestRow, StateText, checksum};
use engine::{EntityKey, Recorded, Shard};
use sqlx::FromRow;
use uuid::Uuid;

/// A number as databases have it; positions, versions and counts stay far below the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> Result<u64, Error> {
    number.try_into().map_err(|_| damaged("a negative number"))
}

fn small<T: TryFrom<i64>>(number: i64) -> Result<T, Error> {
    number
        .try_into()
        .map_err(|_| damaged(&format!("the number {number}")))
}

fn time(milliseconds: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| damaged("a time"))
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("{what} that was never written"))
}

/// The columns of an event, in the order in which they are written.
pub(crate) const EVENT: &str = "kind, entity, version, shard, seq, tenant, at, name, schema, data, \
    checksum, personal, personal_checksum, principal, request_id, cause";

#[derive(FromRow)]
pub(crate) struct EventRow {
    pub(crate) kind: String,
    pub(crate) entity: Uuid,
    pub(crate) version: i64,
    shard: i64,
    seq: i64,
    tenant: Uuid,
    at: i64,
    name: String,
    schema: i64,
    data: String,
    checksum: i64,
    personal: Option<String>,
    personal_checksum: Option<i64>,
    principal: String,
    request_id: String,
    cause: Option<String>,
}

impl EventRow {
    /// The event, if nothing of it is damaged.
    pub(crate) fn read(self) -> Result<Recorded, Error> {
        let version = unsigned(self.version)?;
        let sum = checksum::event(&self.kind, self.entity, version, &self.name, &self.data);
        let personal = self.personal.as_deref();
        let personal_sum = personal.map(|text| checksum::text(self.entity, version, text).into());
        if i64::from(sum) != self.checksum || personal_sum != self.personal_checksum {
            let what = format!("event {version} of {} {}", self.kind, self.entity);
            return Err(Error::Damaged(what));
        }
        Ok(Recorded {
            shard: shard(self.shard)?,
            seq: unsigned(self.seq)?,
            kind: self.kind.into(),
            entity: self.entity,
            version,
            tenant: self.tenant,
            at: time(self.at)?,
            name: self.name.into(),
            schema: small(self.schema)?,
            data: self.data.into(),
            personal: self.personal.map(Into::into),
            principal: self.principal.into(),
            request_id: self.request_id.into(),
            cause: self.cause.map(Into::into),
        })
    }
}

/// Reads all events, or fails on the first damaged one.
pub(crate) fn events(rows: Vec<EventRow>) -> Result<Vec<Recorded>, Error> {
    rows.into_iter().map(EventRow::read).collect()
}

/// The columns of a document that is loaded.
pub(crate) const DOCUMENT: &str = "kind, id, tenant, version, schema, created_at, updated_at, \
    listed, listed_checksum, is_full, state, state_version, state_checksum";

/// The columns of a document in a list: the full state is left out.
pub(crate) const LISTED: &str = "id, tenant, version, schema, created_at, updated_at, listed, \
    listed_checksum";

#[derive(FromRow)]
pub(crate) struct DocumentRow {
    kind: String,
    #[sqlx(flatten)]
    listed: ListedRow,
    is_full: bool,
    state: Option<String>,
    state_version: Option<i64>,
    state_checksum: Option<i64>,
}

#[derive(FromRow)]
pub(crate) struct ListedRow {
    id: Uuid,
    tenant: Uuid,
    version: i64,
    schema: i64,
    created_at: i64,
    updated_at: i64,
    listed: String,
    listed_checksum: i64,
}

/// The documents in the order of the keys, of which one may come twice.
pub(crate) fn documents(
    keys: &[EntityKey],
    rows: Vec<DocumentRow>,
) -> Result<Vec<Option<Document>>, Error> {
    let mut found = HashMap::with_capacity(rows.len());
    for mut row in rows {
        let kind = std::mem::take(&mut row.kind);
        let document = row.read()?;
        found.insert((kind, document.id), document);
    }
    let of = |key: &EntityKey| found.get(&(key.kind.to_owned(), key.id)).cloned();
    Ok(keys.iter().map(of).collect())
}

impl DocumentRow {
    fn read(self) -> Result<Document, Error> {
        let mut document = self.listed.read()?;
        document.state = if self.is_full {
            match (self.state, self.state_version, self.state_checksum) {
                (Some(state), Some(version), Some(sum)) => {
                    let version = unsigned(version)?;
                    intact(document.id, version, state, sum).map(|state| (version, state))
                }
                _ => None,
            }
        } else {
            let version = document.version;
            document.listed.clone().map(|listed| (version, listed))
        };
        Ok(document)
    }
}

impl ListedRow {
    pub(crate) fn read(self) -> Result<Document, Error> {
        let version = unsigned(self.version)?;
        Ok(Document {
            id: self.id,
            tenant: self.tenant,
            version,
            schema: small(self.schema)?,
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
            listed: intact(self.id, version, self.listed, self.listed_checksum),
            state: None,
        })
    }
}

/// The text, unless it was damaged.
fn intact(entity: Uuid, version: u64, text: String, sum: i64) -> Option<String> {
    (i64::from(checksum::text(entity, version, &text)) == sum).then_some(text)
}

/// A document as it is written: the full state apart from what lists show, with checksums.
pub(crate) struct Written<'a> {
    pub(crate) plan: &'a DocumentPlan,
    pub(crate) listed_checksum: i64,
    pub(crate) is_full: bool,
    /// Whether the full state that is stored stays.
    pub(crate) is_kept: bool,
    pub(crate) state: Option<&'a str>,
    pub(crate) state_version: Option<i64>,
    pub(crate) state_checksum: Option<i64>,
}

impl<'a> Written<'a> {
    pub(crate) fn of(plan: &'a DocumentPlan) -> Self {
        let sum = |text: &str| i64::from(checksum::text(plan.key.id, plan.version, text));
        let state = match &plan.state {
            StateText::Full(state) => Some(state.as_str()),
            StateText::Listed | StateText::Kept => None,
        };
        Self {
            listed_checksum: sum(&plan.listed),
            is_full: plan.state != StateText::Listed,
            is_kept: plan.state == StateText::Kept,
            state,
            state_version: state.map(|_| signed(plan.version)),
            state_checksum: state.map(sum),
            plan,
        }
    }
}

/// The columns of a request.
pub(crate) const REQUEST: &str = "scope, key, body_hash, kind, entity, version, refusal, at, \
    answer_status, answer_headers, answer_body";

#[derive(FromRow)]
pub(crate) struct RequestColumns {
    scope: String,
    key: String,
    body_hash: i64,
    kind: String,
    entity: Uuid,
    version: i64,
    refusal: Option<String>,
    at: i64,
    answer_status: Option<i64>,
    answer_headers: Option<String>,
    answer_body: Option<Vec<u8>>,
}

impl RequestColumns {
    /// The scope and key, and what is known of the request.
    pub(crate) fn read(self) -> Result<((String, String), RequestRow), Error> {
        let answer = match (self.answer_status, self.answer_headers, self.answer_body) {
            (Some(status), Some(headers), Some(body)) => Some(Answer {
                status: small(status)?,
                headers,
                body,
            }),
            _ => None,
        };
        let row = RequestRow {
            body_hash: self.body_hash,
            kind: self.kind,
            entity: self.entity,
            version: unsigned(self.version)?,
            refusal: self.refusal,
            answer,
            at: time(self.at)?,
        };
        Ok(((self.scope, self.key), row))
    }
}

/// The values of a new request, in the order of its columns.
pub(crate) struct NewRequest<'a> {
    pub(crate) plan: &'a RequestPlan<'a>,
    pub(crate) version: i64,
    pub(crate) at: i64,
}

impl<'a> NewRequest<'a> {
    pub(crate) fn of(plan: &'a RequestPlan<'a>) -> Self {
        Self {
            version: signed(plan.version),
            at: plan.at.timestamp_millis(),
            plan,
        }
    }
}

#[derive(FromRow)]
pub(crate) struct TimerRow {
    kind: String,
    entity: Uuid,
    tenant: Uuid,
    name: String,
    at: i64,
}

impl TimerRow {
    pub(crate) fn read(self) -> Result<DueTimer, Error> {
        Ok(DueTimer {
            kind: self.kind,
            entity: self.entity,
            tenant: self.tenant,
            name: self.name,
            at: time(self.at)?,
        })
    }
}

/// The columns of a parked event, after those of the event itself.
#[derive(FromRow)]
pub(crate) struct ParkedRow {
    #[sqlx(flatten)]
    event: EventRow,
    subscriber: String,
    reason: String,
    attempts: i64,
    tried_at: i64,
}

impl ParkedRow {
    pub(crate) fn read(self) -> Result<Parked, Error> {
        Ok(Parked {
            subscriber: self.subscriber,
            event: self.event.read()?,
            reason: self.reason,
            attempts: small(self.attempts)?,
            at: time(self.tried_at)?,
        })
    }
}

/// A shard's lease: shard, epoch, position.
pub(crate) type LeaseColumns = (i64, i64, i64);

pub(crate) fn lease((number, epoch, last_seq): LeaseColumns) -> Result<(Shard, LeaseRow), Error> {
    let row = LeaseRow {
        epoch: unsigned(epoch)?,
        last_seq: unsigned(last_seq)?,
    };
    Ok((shard(number)?, row))
}

pub(crate) fn position((number, seq): (i64, i64)) -> Result<(Shard, u64), Error> {
    Ok((shard(number)?, unsigned(seq)?))
}

fn shard(number: i64) -> Result<Shard, Error> {
    Ok(Shard(small(number)?))
}
