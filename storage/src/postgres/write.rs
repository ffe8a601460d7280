//! How a Postgres journal is written: a few set-based statements, one transaction a batch.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use engine::Shard;
use engine::journal::plan::{self, ClaimKey, LeaseRow, Plan};
use engine::journal::{Batch, Error, Lease, Outcome, RequestRow};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::Postgres;
use super::statements;
use crate::commit::{self, Writer};
use crate::error::{meaning, meaning_of_commit};
use crate::rows::{LeaseColumns, REQUEST, RequestColumns, lease};

/// Request keys forgotten in one transaction.
const PRUNED: i64 = 2_000;

impl Postgres {
    pub(super) async fn write(&self, batch: &Batch) -> Result<Vec<Outcome>, Error> {
        let mut place = self.writer.lock().await;
        // Out of its place while it works: if this is given up half way, it closes.
        let mut writer = match place.take() {
            Some(writer) => writer,
            None => self.connect().await?,
        };
        let outcomes = commit::commit(&mut writer, batch).await?;
        *place = Some(writer);
        Ok(outcomes)
    }

    pub(super) async fn take(&self, node: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, Error> {
        let mut place = self.writer.lock().await;
        let mut writer = match place.take() {
            Some(writer) => writer,
            None => self.connect().await?,
        };
        // Waits for a former writer's transaction, if there is one.
        writer.begin().await?;
        let locked = Writer::leases(&mut writer, shards).await?;
        if let Some(shard) = shards.iter().find(|shard| !locked.contains_key(shard)) {
            return Err(Error::Refused(format!("there is no shard {}", shard.0)));
        }
        let rows: Vec<LeaseColumns> = sqlx::query_as(
            "UPDATE leases SET epoch = epoch + 1, node = $1 WHERE shard = ANY($2) \
             RETURNING shard, epoch, last_seq",
        )
        .bind(node)
        .bind(numbers(shards))
        .fetch_all(&mut writer)
        .await
        .map_err(meaning)?;
        let mut leases = Vec::with_capacity(shards.len());
        for row in rows {
            let (shard, LeaseRow { epoch, .. }) = lease(row)?;
            leases.push(Lease { shard, epoch });
        }
        leases.sort_by_key(|lease| shards.iter().position(|shard| *shard == lease.shard));
        Writer::commit(&mut writer).await?;
        *place = Some(writer);
        Ok(leases)
    }

    pub(super) async fn prune(
        &self,
        clients_before: DateTime<Utc>,
        policies_before: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let mut gone = 0;
        for (is_client, before) in [(true, clients_before), (false, policies_before)] {
            loop {
                let step = self.prune_some(is_client, before).await?;
                gone += step;
                if step < PRUNED.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(gone)
    }

    async fn prune_some(&self, is_client: bool, before: DateTime<Utc>) -> Result<u64, Error> {
        let mut place = self.writer.lock().await;
        let mut writer = match place.take() {
            Some(writer) => writer,
            None => self.connect().await?,
        };
        let done = sqlx::query(
            "DELETE FROM requests WHERE (scope, key) IN \
             (SELECT scope, key FROM requests WHERE is_client = $1 AND at < $2 LIMIT $3)",
        )
        .bind(is_client)
        .bind(before.timestamp_millis())
        .bind(PRUNED)
        .execute(&mut writer)
        .await
        .map_err(meaning)?;
        *place = Some(writer);
        Ok(done.rows_affected())
    }
}

fn numbers(shards: &[Shard]) -> Vec<i64> {
    shards.iter().map(|shard| i64::from(shard.0)).collect()
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

impl Writer for PgConnection {
    async fn begin(&mut self) -> Result<(), Error> {
        run(self, "BEGIN").await.map_err(meaning)
    }

    async fn leases(&mut self, shards: &[Shard]) -> Result<HashMap<Shard, LeaseRow>, Error> {
        let rows: Vec<LeaseColumns> = sqlx::query_as(
            "SELECT shard, epoch, last_seq FROM leases WHERE shard = ANY($1) \
             ORDER BY shard FOR UPDATE",
        )
        .bind(numbers(shards))
        .fetch_all(self)
        .await
        .map_err(meaning)?;
        rows.into_iter().map(lease).collect()
    }

    async fn requests(
        &mut self,
        batch: &Batch,
    ) -> Result<HashMap<(String, String), RequestRow>, Error> {
        let (scopes, keys): (Vec<&str>, Vec<&str>) = plan::requests(batch)
            .map(|request| (&*request.scope, &*request.key))
            .unzip();
        let sql = format!(
            "SELECT {REQUEST} FROM requests \
             WHERE (scope, key) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))"
        );
        let rows: Vec<RequestColumns> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(scopes)
            .bind(keys)
            .fetch_all(self)
            .await
            .map_err(meaning)?;
        rows.into_iter().map(RequestColumns::read).collect()
    }

    async fn claims(&mut self, batch: &Batch) -> Result<HashMap<ClaimKey, Uuid>, Error> {
        let mut found = HashMap::new();
        for claim in plan::claims(batch) {
            let holder: Option<Uuid> = sqlx::query_scalar(
                "SELECT holder FROM claims \
                 WHERE kind = $1 AND is_installation = $2 AND tenant = $3 AND key = $4",
            )
            .bind(claim.kind)
            .bind(claim.is_installation)
            .bind(claim.tenant)
            .bind(&*claim.key)
            .fetch_optional(&mut *self)
            .await
            .map_err(meaning)?;
            found.extend(holder.map(|holder| (claim, holder)));
        }
        Ok(found)
    }

    async fn write(&mut self, plan: &Plan<'_>) -> Result<bool, Error> {
        if !statements::insert_requests(self, &plan.requests).await?
            || !statements::move_claims(self, plan).await?
        {
            return Ok(false);
        }
        statements::insert_events(self, &plan.events).await?;
        statements::write_documents(self, &plan.documents).await?;
        statements::advance(self, plan).await?;
        statements::write_timers(self, plan).await?;
        statements::write_notes(self, plan).await?;
        Ok(true)
    }

    async fn commit(&mut self) -> Result<(), Error> {
        run(self, "COMMIT").await.map_err(meaning_of_commit)
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        run(self, "ROLLBACK").await.map_err(meaning)
    }
}
