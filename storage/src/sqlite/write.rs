//! How an SQLite journal is written: many rows a statement, one transaction a batch.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use engine::journal::plan::{self, ClaimKey, LeaseRow, Plan};
use engine::journal::{Batch, Error, Lease, Outcome, RequestRow};
use engine::{RequestKey, Shard};
use sqlx::QueryBuilder;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::Sqlite;
use super::statements::{self, ROWS};
use crate::commit::{self, Writer};
use crate::error::{meaning, meaning_of_commit};
use crate::rows::{LeaseColumns, REQUEST, RequestColumns, lease, signed};

/// Request keys forgotten in one transaction.
const PRUNED: i64 = 2_000;

impl Sqlite {
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
        let mut leases = Vec::with_capacity(shards.len());
        for shard in shards {
            let epoch: Option<i64> = sqlx::query_scalar(
                "UPDATE leases SET epoch = epoch + 1, node = ? WHERE shard = ? RETURNING epoch",
            )
            .bind(node)
            .bind(i64::from(shard.0))
            .fetch_optional(&mut writer)
            .await
            .map_err(meaning)?;
            let epoch =
                epoch.ok_or_else(|| Error::Refused(format!("there is no shard {}", shard.0)))?;
            let epoch = u64::try_from(epoch).unwrap_or(0);
            leases.push(Lease {
                shard: *shard,
                epoch,
            });
        }
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
            "DELETE FROM requests WHERE rowid IN \
             (SELECT rowid FROM requests WHERE is_client = ? AND at < ? LIMIT ?)",
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

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

impl Writer for SqliteConnection {
    async fn begin(&mut self) -> Result<(), Error> {
        run(self, "BEGIN IMMEDIATE").await.map_err(meaning)
    }

    async fn leases(&mut self, shards: &[Shard]) -> Result<HashMap<Shard, LeaseRow>, Error> {
        let mut found = HashMap::new();
        for shards in shards.chunks(ROWS) {
            let mut sql =
                QueryBuilder::new("SELECT shard, epoch, last_seq FROM leases WHERE shard IN (");
            let mut list = sql.separated(", ");
            for shard in shards {
                list.push_bind(i64::from(shard.0));
            }
            sql.push(")");
            let rows: Vec<LeaseColumns> = sql
                .build_query_as()
                .fetch_all(&mut *self)
                .await
                .map_err(meaning)?;
            for row in rows {
                found.extend([lease(row)?]);
            }
        }
        Ok(found)
    }

    async fn requests(
        &mut self,
        batch: &Batch,
    ) -> Result<HashMap<(String, String), RequestRow>, Error> {
        let keys: Vec<&RequestKey> = plan::requests(batch).collect();
        let mut found = HashMap::new();
        for keys in keys.chunks(ROWS) {
            let mut sql = QueryBuilder::new(format!(
                "SELECT {REQUEST} FROM requests WHERE (scope, key) IN "
            ));
            sql.push_tuples(keys, |mut tuple, key| {
                tuple.push_bind(&*key.scope).push_bind(&*key.key);
            });
            let rows: Vec<RequestColumns> = sql
                .build_query_as()
                .fetch_all(&mut *self)
                .await
                .map_err(meaning)?;
            for row in rows {
                found.extend([row.read()?]);
            }
        }
        Ok(found)
    }

    async fn claims(&mut self, batch: &Batch) -> Result<HashMap<ClaimKey, Uuid>, Error> {
        let mut found = HashMap::new();
        for claim in plan::claims(batch) {
            let holder: Option<Uuid> = sqlx::query_scalar(
                "SELECT holder FROM claims \
                 WHERE kind = ? AND is_installation = ? AND tenant = ? AND key = ?",
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
        for (shard, last_seq) in &plan.heads {
            sqlx::query("UPDATE leases SET last_seq = ? WHERE shard = ?")
                .bind(signed(*last_seq))
                .bind(i64::from(shard.0))
                .execute(&mut *self)
                .await
                .map_err(meaning)?;
        }
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
