//! A plan as the columns that are written: numbers, moments and checksums in their stored form.
//!
//! Postgres binds them column by column, SQLite takes them as JSON by the names of the fields.

mod notes;

use engine::journal::plan::{ClaimKey, DocumentPlan, EventPlan, RequestPlan, is_storable};
use engine::journal::{Claimant, StateText, checksum};
use engine::{EntityKey, RequestKey, Shard};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use notes::{
    AnswerCells, CheckpointCells, ParkedCells, TimerCells, TimerKeyCells, UnparkCells,
};

use crate::values::{int, ms};

/// Names an entity.
#[derive(Serialize)]
pub(crate) struct KeyCells {
    pub(crate) kind: &'static str,
    pub(crate) id: Uuid,
}

impl From<&EntityKey> for KeyCells {
    fn from(key: &EntityKey) -> Self {
        Self {
            kind: key.kind,
            id: key.id,
        }
    }
}

/// Names a request.
#[derive(Serialize)]
pub(crate) struct RequestKeyCells<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
}

impl<'a> RequestKeyCells<'a> {
    /// Of names, those under which there can be something.
    pub(crate) fn storable(names: &'a [(String, String)]) -> impl Iterator<Item = Self> {
        let names = names.iter().map(|(scope, key)| Self { scope, key });
        names.filter(|it| is_storable(it.scope) && is_storable(it.key))
    }
}

impl<'a> From<&'a RequestKey> for RequestKeyCells<'a> {
    fn from(key: &'a RequestKey) -> Self {
        Self {
            scope: &key.scope,
            key: &key.key,
        }
    }
}

/// A new row of `requests`.
#[derive(Serialize)]
pub(crate) struct RequestCells<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
    pub(crate) body_hash: i64,
    pub(crate) is_client: bool,
    pub(crate) kind: &'static str,
    pub(crate) entity: Uuid,
    pub(crate) version: i64,
    pub(crate) refusal: Option<&'a str>,
    pub(crate) at: i64,
}

impl<'a> From<&RequestPlan<'a>> for RequestCells<'a> {
    fn from(plan: &RequestPlan<'a>) -> Self {
        Self {
            scope: &plan.key.scope,
            key: &plan.key.key,
            body_hash: plan.key.body_hash,
            is_client: plan.key.is_client,
            kind: plan.entity.kind,
            entity: plan.entity.id,
            version: int(plan.version),
            refusal: plan.refusal,
            at: ms(plan.at),
        }
    }
}

/// Names a claim.
#[derive(Serialize)]
pub(crate) struct ClaimKeyCells<'a> {
    pub(crate) kind: &'static str,
    pub(crate) is_installation: bool,
    pub(crate) tenant: Uuid,
    pub(crate) key: &'a str,
}

impl<'a> From<&'a ClaimKey> for ClaimKeyCells<'a> {
    fn from(claim: &'a ClaimKey) -> Self {
        Self {
            kind: claim.kind,
            is_installation: claim.is_installation,
            tenant: claim.tenant,
            key: &claim.key,
        }
    }
}

/// A row of `claims`.
#[derive(Serialize)]
pub(crate) struct ClaimCells<'a> {
    #[serde(flatten)]
    pub(crate) claim: ClaimKeyCells<'a>,
    pub(crate) holder: Uuid,
    pub(crate) version: Option<i64>,
}

impl<'a> From<&'a (ClaimKey, Uuid)> for ClaimCells<'a> {
    fn from((claim, holder): &'a (ClaimKey, Uuid)) -> Self {
        Self {
            claim: claim.into(),
            holder: *holder,
            version: None,
        }
    }
}

impl<'a> From<&'a (ClaimKey, Claimant)> for ClaimCells<'a> {
    fn from((claim, holder): &'a (ClaimKey, Claimant)) -> Self {
        Self {
            claim: claim.into(),
            holder: holder.entity,
            version: holder.version.map(int),
        }
    }
}

/// A row of `events`.
#[derive(Serialize)]
pub(crate) struct EventCells<'a> {
    pub(crate) shard: i32,
    pub(crate) seq: i64,
    pub(crate) kind: &'static str,
    pub(crate) entity: Uuid,
    pub(crate) version: i64,
    pub(crate) tenant: Uuid,
    pub(crate) at: i64,
    pub(crate) name: &'static str,
    pub(crate) schema: i32,
    pub(crate) data: &'a str,
    pub(crate) personal: Option<&'a str>,
    pub(crate) principal: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) cause: Option<&'a str>,
    pub(crate) checksum: i64,
    pub(crate) personal_checksum: Option<i64>,
}

impl<'a> From<&EventPlan<'a>> for EventCells<'a> {
    fn from(plan: &EventPlan<'a>) -> Self {
        let (append, event) = (plan.append, plan.event);
        let EntityKey { kind, id } = append.key;
        let personal = event.personal.as_deref();
        let version = int(plan.version);
        let personal_checksum = personal.map(|text| checksum::text(id, version, text).into());
        let mut cells = Self {
            shard: append.lease.shard.0.into(),
            seq: int(plan.seq),
            kind,
            entity: id,
            version,
            tenant: append.tenant,
            at: ms(plan.at),
            name: event.name,
            schema: event.schema.into(),
            data: &event.data,
            personal,
            principal: &append.principal,
            request_id: &append.request_id,
            cause: append.cause.as_deref(),
            checksum: 0,
            personal_checksum,
        };
        cells.checksum = cells.row().checksum().into();
        cells
    }
}

impl EventCells<'_> {
    fn row(&self) -> checksum::Event<'_> {
        checksum::Event {
            shard: self.shard,
            seq: self.seq,
            kind: self.kind,
            entity: self.entity,
            version: self.version,
            tenant: self.tenant,
            at: self.at,
            name: self.name,
            schema: self.schema,
            data: self.data,
            personal_checksum: self.personal_checksum,
            principal: self.principal,
            request_id: self.request_id,
            cause: self.cause,
        }
    }
}

/// A row of `documents`.
#[derive(Serialize)]
pub(crate) struct DocumentCells<'a> {
    pub(crate) kind: &'static str,
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    /// The version that must be stored now; 0 for none.
    pub(crate) base_version: i64,
    pub(crate) version: i64,
    pub(crate) schema: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) reference: Option<&'a str>,
    pub(crate) status: &'static str,
    pub(crate) parent: Option<Uuid>,
    pub(crate) site: Option<Uuid>,
    pub(crate) flagged: bool,
    pub(crate) text: &'a str,
    pub(crate) listed: &'a str,
    pub(crate) listed_checksum: i64,
    /// `None` if the stored full state stays.
    pub(crate) state_version: Option<i64>,
    pub(crate) state: Option<&'a str>,
    pub(crate) state_checksum: Option<i64>,
}

impl<'a> From<&'a DocumentPlan> for DocumentCells<'a> {
    fn from(plan: &'a DocumentPlan) -> Self {
        let EntityKey { kind, id } = plan.key;
        let version = int(plan.version);
        let state = match &plan.state {
            StateText::Full(text) => Some(text.as_str()),
            StateText::Listed | StateText::Kept => None,
        };
        let mut cells = Self {
            kind,
            id,
            tenant: plan.tenant,
            base_version: int(plan.base_version),
            version,
            schema: plan.schema.into(),
            created_at: ms(plan.created_at),
            updated_at: ms(plan.updated_at),
            reference: plan.index.reference.as_deref(),
            status: plan.index.status,
            parent: plan.index.parent,
            site: plan.index.site,
            flagged: plan.index.flagged,
            text: &plan.index.text,
            listed: &plan.listed,
            listed_checksum: 0,
            state_version: (plan.state != StateText::Kept).then_some(version),
            state,
            state_checksum: state.map(|text| checksum::text(id, version, text).into()),
        };
        cells.listed_checksum = cells.row().checksum().into();
        cells
    }
}

impl DocumentCells<'_> {
    fn row(&self) -> checksum::Document<'_> {
        checksum::Document {
            kind: self.kind,
            id: self.id,
            tenant: self.tenant,
            version: self.version,
            schema: self.schema,
            created_at: self.created_at,
            updated_at: self.updated_at,
            reference: self.reference,
            status: self.status,
            parent: self.parent,
            site: self.site,
            flagged: self.flagged,
            text: self.text,
            listed: self.listed,
        }
    }
}

/// The positions that a company's events are looked for between.
#[derive(Serialize)]
pub(crate) struct BoundCells {
    pub(crate) shard: i32,
    pub(crate) after: i64,
    pub(crate) until: i64,
}

impl From<&(Shard, u64, u64)> for BoundCells {
    fn from((shard, after, until): &(Shard, u64, u64)) -> Self {
        Self {
            shard: shard.0.into(),
            after: int(*after),
            until: int(*until),
        }
    }
}

/// Everything of a plan's part as cells.
pub(crate) fn cells<'a, P, C: From<&'a P>>(plans: &'a [P]) -> Vec<C> {
    plans.iter().map(C::from).collect()
}
