//! A plan as statements of Postgres: one per table, each with its rows as arrays.

use engine::journal::Error;
use engine::journal::plan::Plan;
use sqlx::PgConnection;

use crate::cells::{
    AnswerCells, CheckpointCells, ClaimCells, DocumentCells, EventCells, ParkedCells, RequestCells,
    TimerCells, TimerKeyCells, UnparkCells, cells,
};
use crate::error::Failure;

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
    if !plan.timers_cleared.is_empty() {
        clear_timers(connection, &cells(&plan.timers_cleared)).await?;
    }
    if !plan.timers_set.is_empty() {
        set_timers(connection, &cells(&plan.timers_set)).await?;
    }
    write_notes(connection, plan).await
}

async fn write_notes(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    if !plan.answers.is_empty() {
        store_answers(connection, &cells(&plan.answers)).await?;
    }
    if !plan.checkpoints.is_empty() {
        store_checkpoints(connection, &cells(&plan.checkpoints)).await?;
    }
    if !plan.parks.is_empty() {
        park(connection, &cells(&plan.parks)).await?;
    }
    if !plan.unparks.is_empty() {
        unpark(connection, &cells(&plan.unparks)).await?;
    }
    Ok(())
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
        "INSERT INTO claims (kind, is_installation, tenant, key, holder) \
         SELECT * FROM unnest($1::text[], $2::boolean[], $3::uuid[], $4::text[], $5::uuid[]) \
         ON CONFLICT DO NOTHING",
    );
    let done = bind_claims(statement, rows).execute(connection).await?;
    all_or_taken(done.rows_affected(), rows.len())
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_claims<'q>(statement: Statement<'q>, rows: &[ClaimCells<'_>]) -> Statement<'q> {
    statement
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.is_installation))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.key))
        .bind(column(rows, |row| row.holder))
}

/// The rows are locked already, and their epochs checked.
async fn advance_heads(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    let (shards, heads): (Vec<_>, Vec<_>) = plan
        .heads
        .iter()
        .map(|(shard, head)| (i32::from(shard.0), crate::values::int(*head)))
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

async fn clear_timers(
    connection: &mut PgConnection,
    rows: &[TimerKeyCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "DELETE FROM timers t USING unnest($1::text[], $2::uuid[], $3::text[]) \
         AS n(kind, entity, name) \
         WHERE t.kind = n.kind AND t.entity = n.entity AND t.name = n.name",
    );
    statement
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.name))
        .execute(connection)
        .await?;
    Ok(())
}

async fn set_timers(connection: &mut PgConnection, rows: &[TimerCells<'_>]) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO timers (kind, entity, tenant, name, at) \
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[]) \
         ON CONFLICT (kind, entity, name) \
         DO UPDATE SET tenant = excluded.tenant, at = excluded.at",
    );
    statement
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.name))
        .bind(column(rows, |row| row.at))
        .execute(connection)
        .await?;
    Ok(())
}

async fn store_answers(
    connection: &mut PgConnection,
    rows: &[AnswerCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "UPDATE requests r \
         SET answer_status = n.status, answer_headers = n.headers, answer_body = n.body \
         FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::bytea[]) \
         AS n(scope, key, status, headers, body) \
         WHERE r.scope = n.scope AND r.key = n.key AND r.answer_status IS NULL",
    );
    statement
        .bind(column(rows, |row| row.scope))
        .bind(column(rows, |row| row.key))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.headers))
        .bind(column(rows, |row| row.body))
        .execute(connection)
        .await?;
    Ok(())
}

async fn store_checkpoints(
    connection: &mut PgConnection,
    rows: &[CheckpointCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO checkpoints (subscriber, shard, seq) \
         SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[]) \
         ON CONFLICT (subscriber, shard) DO UPDATE SET seq = excluded.seq",
    );
    statement
        .bind(column(rows, |row| row.subscriber))
        .bind(column(rows, |row| row.shard))
        .bind(column(rows, |row| row.seq))
        .execute(connection)
        .await?;
    Ok(())
}

async fn park(connection: &mut PgConnection, rows: &[ParkedCells<'_>]) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO parked (subscriber, event, shard, seq, reason, attempts, at) \
         SELECT n.subscriber, n.event, n.shard, n.seq, n.reason, n.attempts, n.at \
         FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::uuid[], $6::bigint[], \
         $7::text[], $8::bigint[], $9::bigint[]) \
         AS n(subscriber, event, shard, seq, entity, version, reason, attempts, at) \
         JOIN events e ON e.shard = n.shard AND e.seq = n.seq \
         AND e.entity = n.entity AND e.version = n.version \
         ON CONFLICT (subscriber, event) DO UPDATE \
         SET reason = excluded.reason, attempts = excluded.attempts, at = excluded.at",
    );
    statement
        .bind(column(rows, |row| row.subscriber))
        .bind(column(rows, |row| row.event.as_str()))
        .bind(column(rows, |row| row.shard))
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.reason))
        .bind(column(rows, |row| row.attempts))
        .bind(column(rows, |row| row.at))
        .execute(connection)
        .await?;
    Ok(())
}

async fn unpark(connection: &mut PgConnection, rows: &[UnparkCells<'_>]) -> Result<(), Failure> {
    let statement = sqlx::query(
        "DELETE FROM parked p USING unnest($1::text[], $2::text[]) AS n(subscriber, event) \
         WHERE p.subscriber = n.subscriber AND p.event = n.event",
    );
    statement
        .bind(column(rows, |row| row.subscriber))
        .bind(column(rows, |row| row.event))
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether every key was free.
fn all_or_taken(inserted: u64, planned: usize) -> Result<(), Failure> {
    if inserted == planned as u64 {
        Ok(())
    } else {
        Err(Failure::Taken)
    }
}
