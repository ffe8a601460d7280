//! What an SQLite journal is asked.

use chrono::{DateTime, Utc};
use engine::journal::plan::{ClaimKey, cut_page, is_storable, tenant_bounds};
use engine::journal::{
    ClaimHolder, Document, DueTimer, Error, Parked, Query, RequestRow, TenantPage,
};
use engine::{EntityKey, Recorded, Shard};
use sqlx::{AssertSqlSafe, QueryBuilder};
use uuid::Uuid;

use super::Sqlite;
use crate::error::meaning;
use crate::lists;
use crate::rows::{
    DOCUMENT, DocumentRow, EVENT, EventRow, ListedRow, ParkedRow, REQUEST, RequestColumns,
    TimerRow, documents, events, position, signed,
};

/// Entities loaded by one statement: each takes two of SQLite's variables.
const LOADED: usize = 500;

impl Sqlite {
    pub(super) async fn read_documents(
        &self,
        keys: &[EntityKey],
    ) -> Result<Vec<Option<Document>>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(LOADED) {
            let mut sql = QueryBuilder::new(format!(
                "SELECT {DOCUMENT} FROM documents WHERE (kind, id) IN "
            ));
            sql.push_tuples(keys, |mut tuple, key| {
                tuple.push_bind(key.kind).push_bind(key.id);
            });
            let rows: Vec<DocumentRow> = sql
                .build_query_as()
                .fetch_all(&self.readers)
                .await
                .map_err(meaning)?;
            found.extend(documents(keys, rows)?);
        }
        Ok(found)
    }

    pub(super) async fn read_history(
        &self,
        key: EntityKey,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let sql = format!(
            "SELECT {EVENT} FROM events WHERE kind = ? AND entity = ? AND version > ? \
             ORDER BY version LIMIT ?"
        );
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(key.kind)
            .bind(key.id)
            .bind(signed(after))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        events(rows)
    }

    pub(super) async fn read_feed(
        &self,
        shard: Shard,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let sql =
            format!("SELECT {EVENT} FROM events WHERE shard = ? AND seq > ? ORDER BY seq LIMIT ?");
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(i64::from(shard.0))
            .bind(signed(after))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        events(rows)
    }

    pub(super) async fn read_tenant_feed(
        &self,
        tenant: Uuid,
        after: &[(Shard, u64)],
        span: u32,
        limit: u32,
    ) -> Result<TenantPage, Error> {
        let heads = self.read_heads().await?.into_iter().collect();
        let bounds = tenant_bounds(after, &heads, span);
        let sql = format!(
            "SELECT {EVENT} FROM events \
             WHERE shard = ? AND seq > ? AND seq <= ? AND tenant = ? ORDER BY seq LIMIT ?"
        );
        let mut found = Vec::new();
        for (shard, after, until) in bounds.iter().filter(|(_, after, until)| after < until) {
            let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql.clone()))
                .bind(i64::from(shard.0))
                .bind(signed(*after))
                .bind(signed(*until))
                .bind(tenant)
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(meaning)?;
            found.extend(events(rows)?);
        }
        Ok(cut_page(found, &bounds, limit))
    }

    pub(super) async fn read_heads(&self) -> Result<Vec<(Shard, u64)>, Error> {
        let rows = sqlx::query_as("SELECT shard, last_seq FROM leases WHERE last_seq > 0")
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        rows.into_iter().map(position).collect()
    }

    pub(super) async fn read_timers(
        &self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<DueTimer>, Error> {
        let rows: Vec<TimerRow> = sqlx::query_as(
            "SELECT kind, entity, tenant, name, at FROM timers WHERE at <= ? ORDER BY at LIMIT ?",
        )
        .bind(now.timestamp_millis())
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(meaning)?;
        rows.into_iter().map(TimerRow::read).collect()
    }

    pub(super) async fn read_claimant(
        &self,
        kind: &'static str,
        scope: ClaimHolder,
        key: &str,
    ) -> Result<Option<Uuid>, Error> {
        if !is_storable(key) {
            return Ok(None);
        }
        let claim = ClaimKey::at(kind, scope, key);
        sqlx::query_scalar(
            "SELECT holder FROM claims \
             WHERE kind = ? AND is_installation = ? AND tenant = ? AND key = ?",
        )
        .bind(claim.kind)
        .bind(claim.is_installation)
        .bind(claim.tenant)
        .bind(claim.key)
        .fetch_optional(&self.readers)
        .await
        .map_err(meaning)
    }

    pub(super) async fn read_request(
        &self,
        scope: &str,
        key: &str,
    ) -> Result<Option<RequestRow>, Error> {
        if !is_storable(scope) || !is_storable(key) {
            return Ok(None);
        }
        let sql = format!("SELECT {REQUEST} FROM requests WHERE scope = ? AND key = ?");
        let row: Option<RequestColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(scope)
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(meaning)?;
        Ok(row
            .map(RequestColumns::read)
            .transpose()?
            .map(|(_, row)| row))
    }

    pub(super) async fn read_list(&self, query: &Query) -> Result<Vec<Document>, Error> {
        let Some(mut sql) = lists::select(query, "instr") else {
            return Ok(Vec::new());
        };
        let rows: Vec<ListedRow> = sql
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        rows.into_iter().map(ListedRow::read).collect()
    }

    pub(super) async fn read_checkpoints(
        &self,
        subscriber: &str,
    ) -> Result<Vec<(Shard, u64)>, Error> {
        if !is_storable(subscriber) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query_as("SELECT shard, seq FROM checkpoints WHERE subscriber = ?")
            .bind(subscriber)
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        rows.into_iter().map(position).collect()
    }

    pub(super) async fn read_parked(&self, limit: u32) -> Result<Vec<Parked>, Error> {
        let columns = EVENT.replace(", ", ", e.");
        let sql = format!(
            "SELECT e.{columns}, p.subscriber, p.reason, p.attempts, p.at AS tried_at \
             FROM parked p JOIN events e ON e.shard = p.shard AND e.seq = p.seq \
             ORDER BY p.at LIMIT ?"
        );
        let rows: Vec<ParkedRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        rows.into_iter().map(ParkedRow::read).collect()
    }
}
