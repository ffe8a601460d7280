//! A plan as statements of Postgres: one per table, each with its rows as arrays.

use engine::journal::Error;
use engine::journal::plan::Plan;
use sqlx::PgConnection;

use crate::cells::{ClaimCells, DocumentCells, EventCells, RequestCells, cells};
use crate::error::Failure;
use crate::values::int;

use super::notes;

/// One cell of every row.
pub(super) fn column<'r, R, C>(rows: &'r [R], cell: impl Fn(&'r R) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

/// Writes a plan. What may turn out to be taken comes first, so that little is done in vain.
pub(super) async fn write(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    if !plan.requests.is_empty() {
        insert_requests(connection, &cells(&plan.requests)).await?;
    }
    if !plan.released.is_empty() {
        release_claims(connection, &cells(&plan.released)).await?;
    }
    if !plan.claimed.is_empty() {
        insert_claims(connection, &cells(&plan.claimed)).await?;
    }
    if !plan.events.is_empty() {
        advance_heads(connection, plan).await?;
        insert_events(connection, &cells(&plan.events)).await?;
        merge_documents(connection, &cells(&plan.documents)).await?;
    }
    notes::write(connection, plan).await
}

async fn insert_requests(
    connection: &mut PgConnection,
    rows: &[RequestCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO requests \
         (scope, key, body_hash, is_client, kind, entity, version, refusal, at) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::text[], \
         $6::uuid[], $7::bigint[], $8::text[], $9::bigint[]) ON CONFLICT DO NOTHING",
    );
    let done = statement
        .bind(column(rows, |row| row.scope))
        .bind(column(rows, |row| row.key))
        .bind(column(rows, |row| row.body_hash))
        .bind(column(rows, |row| row.is_client))
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.refusal))
        .bind(column(rows, |row| row.at))
        .execute(connection)
        .await?;
    all_or_taken(done.rows_affected(), rows.len())
}

async fn release_claims(
    connection: &mut PgConnection,
    rows: &[ClaimCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "DELETE FROM claims c USING unnest($1::text[], $2::boolean[], $3::uuid[], $4::text[], \
         $5::uuid[]) AS n(kind, is_installation, tenant, key, holder) \
         WHERE c.kind = n.kind AND c.is_installation = n.is_installation \
         AND c.tenant = n.tenant AND c.key = n.key AND c.holder = n.holder",
    );
    bind_claims(statement, rows).execute(connection).await?;
    Ok(())
}

async fn insert_claims(
    connection: &mut PgConnection,
    rows: &[ClaimCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO claims (kind, is_installation, tenant, key, holder, version) \
         SELECT * FROM unnest($1::text[], $2::boolean[], $3::uuid[], $4::text[], $5::uuid[], \
         $6::bigint[]) \
         ON CONFLICT DO NOTHING",
    );
    let done = bind_claims(statement, rows)
        .bind(column(rows, |row| row.version))
        .execute(connection)
        .await?;
    all_or_taken(done.rows_affected(), rows.len())
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_claims<'q>(statement: Statement<'q>, rows: &[ClaimCells<'_>]) -> Statement<'q> {
    statement
        .bind(column(rows, |row| row.claim.kind))
        .bind(column(rows, |row| row.claim.is_installation))
        .bind(column(rows, |row| row.claim.tenant))
        .bind(column(rows, |row| row.claim.key))
        .bind(column(rows, |row| row.holder))
}

/// The rows are locked already, and their epochs checked.
async fn advance_heads(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    let (shards, heads): (Vec<_>, Vec<_>) = plan
        .heads
        .iter()
        .map(|(shard, head)| (i32::from(shard.0), int(*head)))
        .unzip();
    let statement = sqlx::query(
        "UPDATE leases l SET last_seq = n.last_seq \
         FROM unnest($1::int[], $2::bigint[]) AS n(shard, last_seq) WHERE l.shard = n.shard",
    );
    let statement = statement.bind(shards).bind(heads);
    statement.execute(connection).await?;
    Ok(())
}

async fn insert_events(
    connection: &mut PgConnection,
    rows: &[EventCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO events (shard, seq, kind, entity, version, tenant, at, name, schema, data, \
         personal, principal, request_id, cause, checksum, personal_checksum) \
         SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::uuid[], $5::bigint[], \
         $6::uuid[], $7::bigint[], $8::text[], $9::int[], $10::text[], $11::text[], $12::text[], \
         $13::text[], $14::text[], $15::bigint[], $16::bigint[])",
    );
    statement
        .bind(column(rows, |row| row.shard))
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.at))
        .bind(column(rows, |row| row.name))
        .bind(column(rows, |row| row.schema))
        .bind(column(rows, |row| row.data))
        .bind(column(rows, |row| row.personal))
        .bind(column(rows, |row| row.principal))
        .bind(column(rows, |row| row.request_id))
        .bind(column(rows, |row| row.cause))
        .bind(column(rows, |row| row.checksum))
        .bind(column(rows, |row| row.personal_checksum))
        .execute(connection)
        .await?;
    Ok(())
}

/// Without a new version of the state the stored one stays; but a state that was only what lists
/// showed went with what they showed.
const MERGE_DOCUMENTS: &str = "
MERGE INTO documents d
USING unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::uuid[], $12::uuid[], $13::boolean[],
    $14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::text[], $19::bigint[])
AS n(kind, id, tenant, base_version, version, schema, created_at, updated_at, reference, status,
    parent, site, flagged, text, listed, listed_checksum, state_version, state, state_checksum)
ON d.kind = n.kind AND d.id = n.id
WHEN MATCHED AND d.version = n.base_version THEN UPDATE SET
    tenant = n.tenant, version = n.version, schema = n.schema, created_at = n.created_at,
    updated_at = n.updated_at, reference = n.reference, status = n.status, parent = n.parent,
    site = n.site, flagged = n.flagged, text = n.text, listed = n.listed,
    listed_checksum = n.listed_checksum,
    state_version = CASE WHEN n.state_version IS NOT NULL THEN n.state_version
        WHEN d.state IS NOT NULL THEN d.state_version END,
    state = CASE WHEN n.state_version IS NULL THEN d.state ELSE n.state END,
    state_checksum = CASE WHEN n.state_version IS NULL THEN d.state_checksum
        ELSE n.state_checksum END
WHEN NOT MATCHED AND n.base_version = 0 THEN INSERT
    (kind, id, tenant, version, schema, created_at, updated_at, reference, status, parent, site,
    flagged, text, listed, listed_checksum, state_version, state, state_checksum)
VALUES (n.kind, n.id, n.tenant, n.version, n.schema, n.created_at, n.updated_at, n.reference,
    n.status, n.parent, n.site, n.flagged, n.text, n.listed, n.listed_checksum, n.state_version,
    n.state, n.state_checksum)";

async fn merge_documents(
    connection: &mut PgConnection,
    rows: &[DocumentCells<'_>],
) -> Result<(), Failure> {
    let done = sqlx::query(MERGE_DOCUMENTS)
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.id))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.base_version))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.schema))
        .bind(column(rows, |row| row.created_at))
        .bind(column(rows, |row| row.updated_at))
        .bind(column(rows, |row| row.reference))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.parent))
        .bind(column(rows, |row| row.site))
        .bind(column(rows, |row| row.flagged))
        .bind(column(rows, |row| row.text))
        .bind(column(rows, |row| row.listed))
        .bind(column(rows, |row| row.listed_checksum))
        .bind(column(rows, |row| row.state_version))
        .bind(column(rows, |row| row.state))
        .bind(column(rows, |row| row.state_checksum))
        .execute(connection)
        .await?;
    if done.rows_affected() == rows.len() as u64 {
        return Ok(());
    }
    Err(Error::Refused("a document is not at the version decided on".into()).into())
}

/// Whether every key was free.
fn all_or_taken(inserted: u64, planned: usize) -> Result<(), Failure> {
    if inserted == planned as u64 {
        Ok(())
    } else {
        Err(Failure::Taken)
    }
}
