//! Events that are set aside, and taken up again: rare, so in statements of their own.

use engine::journal::plan::Plan;
use sqlx::PgConnection;

use crate::cells::{ParkedCells, UnparkCells, cells};
use crate::error::Failure;

use super::write::column;

/// Writes what a plan says of parked events.
pub(super) async fn write(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    if !plan.parks.is_empty() {
        park(connection, &cells(&plan.parks)).await?;
    }
    if !plan.unparks.is_empty() {
        unpark(connection, &cells(&plan.unparks)).await?;
    }
    Ok(())
}

async fn park(connection: &mut PgConnection, rows: &[ParkedCells<'_>]) -> Result<(), Failure> {
    let statement = sqlx::query(
        "INSERT INTO parked (subscriber, event, shard, seq, reason, attempts, at) \
         SELECT n.subscriber, n.event, n.shard, n.seq, n.reason, n.attempts, n.at \
         FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::uuid[], $6::bigint[], \
         $7::text[], $8::bigint[], $9::bigint[]) \
         AS n(subscriber, event, shard, seq, entity, version, reason, attempts, at) \
         WHERE n.entity IS NULL OR EXISTS (SELECT 1 FROM events e \
         WHERE e.shard = n.shard AND e.seq = n.seq \
         AND e.entity = n.entity AND e.version = n.version) \
         ON CONFLICT (subscriber, event) DO UPDATE \
         SET reason = excluded.reason, attempts = excluded.attempts, at = excluded.at",
    );
    statement
        .bind(column(rows, |row| row.subscriber))
        .bind(column(rows, |row| row.event))
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
