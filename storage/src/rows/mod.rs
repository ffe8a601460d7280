//! What is read from the tables, turned into what the engine knows, with checksums compared.

mod checked;

use engine::Shard;
use engine::journal::{Answer, Claimant, DueTimer, Error, Parked, RequestRow};
use sqlx::FromRow;
use uuid::Uuid;

use crate::values::{moment, number};

pub(crate) use checked::{DocumentRow, EventRow, before_damage, in_places};

/// The holder's part of a row of `claims`.
#[derive(FromRow)]
pub(crate) struct ClaimantRow {
    holder: Uuid,
    version: Option<i64>,
}

impl TryFrom<ClaimantRow> for Claimant {
    type Error = Error;

    fn try_from(row: ClaimantRow) -> Result<Self, Error> {
        Ok(Self {
            entity: row.holder,
            version: row.version.map(number).transpose()?,
        })
    }
}

/// A holder, with the place of its claim among those asked for.
#[derive(FromRow)]
pub(crate) struct KnownClaimRow {
    place: i64,
    #[sqlx(flatten)]
    claimant: ClaimantRow,
}

impl TryFrom<KnownClaimRow> for (usize, Claimant) {
    type Error = Error;

    fn try_from(row: KnownClaimRow) -> Result<Self, Error> {
        Ok((number(row.place)?, row.claimant.try_into()?))
    }
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
    id: String,
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
            id: row.id,
            event: row.event.into(),
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
