//! What a plan says beside events and documents, as statements of Postgres.

use engine::journal::plan::Plan;
use sqlx::PgConnection;

use crate::cells::{
    AnswerCells, CheckpointCells, ParkedCells, TimerCells, TimerKeyCells, UnparkCells, cells,
};
use crate::error::Failure;

use super::write::column;

/// Writes what a plan says beside events and documents.
pub(super) async fn write(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    if !plan.timers_cleared.is_empty() {
        clear_timers(connection, &cells(&plan.timers_cleared)).await?;
    }
    if !plan.timers_set.is_empty() {
        set_timers(connection, &cells(&plan.timers_set)).await?;
    }
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
