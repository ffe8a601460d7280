//! What a Postgres journal is asked.

use chrono::{DateTime, Utc};
use engine::journal::plan::{ClaimKey, cut_page, is_storable, tenant_bounds};
use engine::journal::{
    ClaimHolder, Document, DueTimer, Error, Parked, Query, RequestRow, TenantPage,
};
use engine::{EntityKey, Recorded, Shard};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::Postgres;
use crate::error::meaning;
use crate::lists;
use crate::rows::{
    DOCUMENT, DocumentRow, EVENT, EventRow, ListedRow, ParkedRow, REQUEST, RequestColumns,
    TimerRow, documents, events, position, signed,
};

impl Postgres {
    pub(super) async fn read_documents(
        &self,
        keys: &[EntityKey],
    ) -> Result<Vec<Option<Document>>, Error> {
        let sql = format!(
            "SELECT {DOCUMENT} FROM documents \
             WHERE (kind, id) IN (SELECT * FROM UNNEST($1::text[], $2::uuid[]))"
        );
        let rows: Vec<DocumentRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(keys.iter().map(|key| key.kind).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.id).collect::<Vec<_>>())
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        documents(keys, rows)
    }

    pub(super) async fn read_history(
        &self,
        key: EntityKey,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let sql = format!(
            "SELECT {EVENT} FROM events WHERE kind = $1 AND entity = $2 AND version > $3 \
             ORDER BY version LIMIT $4"
        );
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(key.kind)
            .bind(key.id)
            .bind(signed(after))
            .bind(i64::from(limit))
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
        let sql = format!(
            "SELECT {EVENT} FROM events WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        );
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(i64::from(shard.0))
            .bind(signed(after))
            .bind(i64::from(limit))
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
        let open: Vec<_> = bounds
            .iter()
            .filter(|(_, after, until)| after < until)
            .collect();
        if open.is_empty() {
            return Ok(cut_page(Vec::new(), &bounds, limit));
        }
        let sql = format!(
            "SELECT e.* FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) AS b (s, a, u) \
             CROSS JOIN LATERAL (SELECT {EVENT} FROM events WHERE shard = b.s AND seq > b.a \
             AND seq <= b.u AND tenant = $4 ORDER BY seq LIMIT $5) AS e"
        );
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(open.iter().map(|it| i64::from(it.0.0)).collect::<Vec<_>>())
            .bind(open.iter().map(|it| signed(it.1)).collect::<Vec<_>>())
            .bind(open.iter().map(|it| signed(it.2)).collect::<Vec<_>>())
            .bind(tenant)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        let found = events(rows)?;
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
            "SELECT kind, entity, tenant, name, at FROM timers WHERE at <= $1 ORDER BY at LIMIT $2",
        )
        .bind(now.timestamp_millis())
        .bind(i64::from(limit))
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
             WHERE kind = $1 AND is_installation = $2 AND tenant = $3 AND key = $4",
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
        let sql = format!("SELECT {REQUEST} FROM requests WHERE scope = $1 AND key = $2");
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
        let Some(mut sql) = lists::select(query, "strpos") else {
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
        let rows = sqlx::query_as("SELECT shard, seq FROM checkpoints WHERE subscriber = $1")
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
             ORDER BY p.at LIMIT $1"
        );
        let rows: Vec<ParkedRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(meaning)?;
        rows.into_iter().map(ParkedRow::read).collect()
    }
}
