//! The rows of reservations, committed by nothing but statements with arrays.
//!
//! The tables are copies of the journal's, indexes and all, and the rows are copies of a reservation's,
//! under new ids: an event, a request key, and a new version of the stock item's document.

use std::time::Instant;

use anyhow::Result;
use sqlx::{Connection as _, FromRow, PgConnection};
use uuid::Uuid;

use crate::load::Span;

/// Rows of each kind in a transaction: as many as the committer takes.
const BATCH: usize = 512;
const SHARDS: i64 = 256;

const PREPARE: &str = r#"
CREATE SCHEMA raw;
SET search_path = raw;
-- As the journal's own connection: every statement has an index made for it, and the arrays'
-- lengths change no plan.
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET plan_cache_mode = force_generic_plan;
CREATE TABLE events (LIKE "order".events INCLUDING ALL);
CREATE TABLE documents (LIKE "order".documents INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE requests (LIKE "order".requests INCLUDING ALL) WITH (fillfactor = 80);
INSERT INTO documents SELECT * FROM "order".documents;
ANALYZE"#;

/// What a reservation wrote.
#[derive(FromRow)]
struct Sample {
    kind: String,
    tenant: Uuid,
    at: i64,
    name: String,
    schema: i32,
    data: String,
    principal: String,
    request_id: String,
    cause: Option<String>,
    checksum: i64,
    listed: String,
    listed_checksum: i64,
    state: Option<String>,
}

const SAMPLE: &str = r#"
SELECT e.kind, e.tenant, e.at, e.name, e.schema, e.data, e.principal, e.request_id, e.cause,
    e.checksum, d.listed, d.listed_checksum, d.state
FROM "order".events e JOIN "order".documents d ON d.kind = e.kind AND d.id = e.entity
WHERE e.name = 'reserved' LIMIT 1"#;

const INSERT_REQUESTS: &str = "
INSERT INTO requests (scope, key, body_hash, is_client, kind, entity, version, at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::text[], $6::uuid[],
    $7::bigint[], $8::bigint[])";

const INSERT_EVENTS: &str = "
INSERT INTO events (shard, seq, kind, entity, version, tenant, at, name, schema, data, principal,
    request_id, cause, checksum)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::uuid[], $5::bigint[], $6::uuid[],
    $7::bigint[], $8::text[], $9::int[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::bigint[])";

const UPDATE_DOCUMENTS: &str = "
UPDATE documents d SET version = n.version, updated_at = n.at, listed = n.listed,
    listed_checksum = n.listed_checksum, state = n.state
FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[],
    $7::text[]) AS n(kind, id, version, at, listed, listed_checksum, state)
WHERE d.kind = n.kind AND d.id = n.id";

/// A connection that commits such rows.
pub(crate) struct Unnest {
    connection: PgConnection,
    sample: Sample,
    items: Vec<Uuid>,
    next: i64,
}

impl Unnest {
    /// Copies the tables, once there are reservations.
    pub(crate) async fn prepare(database: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(database).await?;
        sqlx::raw_sql(PREPARE).execute(&mut connection).await?;
        let sample = sqlx::query_as(SAMPLE).fetch_one(&mut connection).await?;
        let items = sqlx::query_scalar("SELECT id FROM documents");
        let items = items.fetch_all(&mut connection).await?;
        Ok(Self {
            connection,
            sample,
            items,
            next: 0,
        })
    }

    /// Commits batch after batch for a while; how many rows of each kind a second.
    pub(crate) async fn commit(&mut self, span: Span) -> Result<f64> {
        let from = Instant::now() + span.warm_up;
        let until = from + span.length;
        let mut committed = 0;
        while Instant::now() < until {
            self.commit_one().await?;
            if Instant::now() >= from {
                committed += BATCH;
            }
        }
        let took = from.elapsed();
        Ok(committed as f64 / took.as_secs_f64())
    }

    async fn commit_one(&mut self) -> Result<()> {
        let first = self.next;
        self.next += BATCH as i64;
        let numbers: Vec<i64> = (first..self.next).collect();
        // Different items: one row is changed once by a statement.
        let start = rand::random_range(0..self.items.len());
        let stride = self.items.len() / BATCH;
        let items: Vec<Uuid> = (0..BATCH)
            .map(|n| self.items[(start + n * stride.max(1)) % self.items.len()])
            .collect();
        let sample = &self.sample;
        let mut transaction = self.connection.begin().await?;
        let keys = (0..BATCH).map(|_| Uuid::now_v7().to_string());
        sqlx::query(INSERT_REQUESTS)
            .bind(all(sample.principal.as_str()))
            .bind(keys.collect::<Vec<_>>())
            .bind(all(0_i64))
            .bind(all(false))
            .bind(all(sample.kind.as_str()))
            .bind(&items)
            .bind(&numbers)
            .bind(all(sample.at))
            .execute(&mut *transaction)
            .await?;
        insert_events(&mut transaction, sample, &numbers, &items).await?;
        sqlx::query(UPDATE_DOCUMENTS)
            .bind(all(sample.kind.as_str()))
            .bind(&items)
            .bind(&numbers)
            .bind(all(sample.at))
            .bind(all(sample.listed.as_str()))
            .bind(all(sample.listed_checksum))
            .bind(all(sample.state.as_deref()))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The number of an event is its version, too: what matters is that no two are the same.
async fn insert_events(
    connection: &mut PgConnection,
    sample: &Sample,
    numbers: &[i64],
    items: &[Uuid],
) -> Result<()> {
    let shards: Vec<i32> = numbers.iter().map(|n| (n % SHARDS) as i32).collect();
    sqlx::query(INSERT_EVENTS)
        .bind(shards)
        .bind(numbers)
        .bind(all(sample.kind.as_str()))
        .bind(items)
        .bind(numbers)
        .bind(all(sample.tenant))
        .bind(all(sample.at))
        .bind(all(sample.name.as_str()))
        .bind(all(sample.schema))
        .bind(all(sample.data.as_str()))
        .bind(all(sample.principal.as_str()))
        .bind(all(sample.request_id.as_str()))
        .bind(all(sample.cause.as_deref()))
        .bind(all(sample.checksum))
        .execute(connection)
        .await?;
    Ok(())
}

/// The same value for every row.
fn all<T: Clone>(value: T) -> Vec<T> {
    vec![value; BATCH]
}
