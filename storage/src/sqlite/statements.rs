//! The statements that write a plan to SQLite, many rows each.

use engine::journal::plan::{DocumentPlan, EventPlan, Plan, RequestPlan, TimerPlan};
use engine::journal::{Error, checksum};
use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};

use crate::commit::all_written;
use crate::error::meaning;
use crate::rows::{EVENT, NewRequest, Written, signed};

/// Rows of one statement: the widest have 20 columns, and SQLite takes 32,766 variables.
pub(super) const ROWS: usize = 1_000;

/// Runs a statement of many rows; returns how many were written. Its text is used once, so it is
/// not kept prepared.
async fn execute(
    connection: &mut SqliteConnection,
    mut sql: QueryBuilder<Sqlite>,
) -> Result<u64, Error> {
    let query = sql.build().persistent(false);
    let done = query.execute(connection).await.map_err(meaning)?;
    Ok(done.rows_affected())
}

/// Inserts request keys; false if one was there.
pub(super) async fn insert_requests(
    connection: &mut SqliteConnection,
    requests: &[RequestPlan<'_>],
) -> Result<bool, Error> {
    for requests in requests.chunks(ROWS) {
        let mut sql = QueryBuilder::new(
            "INSERT INTO requests (scope, key, body_hash, kind, entity, version, refusal, at, \
             is_client) ",
        );
        sql.push_values(requests, |mut row, plan| {
            let new = NewRequest::of(plan);
            row.push_bind(&*plan.key.scope)
                .push_bind(&*plan.key.key)
                .push_bind(plan.key.body_hash)
                .push_bind(plan.entity.kind)
                .push_bind(plan.entity.id)
                .push_bind(new.version)
                .push_bind(plan.refusal)
                .push_bind(new.at)
                .push_bind(plan.key.is_client);
        });
        sql.push(" ON CONFLICT DO NOTHING");
        if execute(connection, sql).await? < requests.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives claims up and takes others; false if one of those is held.
pub(super) async fn move_claims(
    connection: &mut SqliteConnection,
    plan: &Plan<'_>,
) -> Result<bool, Error> {
    for (claim, holder) in &plan.released {
        let delete = "DELETE FROM claims WHERE kind = ? AND is_installation = ? AND tenant = ? \
             AND key = ? AND holder = ?";
        sqlx::query(delete)
            .bind(claim.kind)
            .bind(claim.is_installation)
            .bind(claim.tenant)
            .bind(&*claim.key)
            .bind(holder)
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
    }
    for claims in plan.claimed.chunks(ROWS) {
        let mut sql =
            QueryBuilder::new("INSERT INTO claims (kind, is_installation, tenant, key, holder) ");
        sql.push_values(claims, |mut row, (claim, holder)| {
            row.push_bind(claim.kind)
                .push_bind(claim.is_installation)
                .push_bind(claim.tenant)
                .push_bind(&*claim.key)
                .push_bind(*holder);
        });
        sql.push(" ON CONFLICT DO NOTHING");
        if execute(connection, sql).await? < claims.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Inserts events.
pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    events: &[EventPlan<'_>],
) -> Result<(), Error> {
    for events in events.chunks(ROWS) {
        let mut sql = QueryBuilder::new(format!("INSERT INTO events ({EVENT}) "));
        sql.push_values(events, |mut row, planned| {
            let (append, event) = (planned.append, planned.event);
            let (key, version) = (append.key, planned.version);
            let sum = checksum::event(key.kind, key.id, version, event.name, &event.data);
            let personal = event.personal.as_deref();
            row.push_bind(key.kind)
                .push_bind(key.id)
                .push_bind(signed(version))
                .push_bind(i64::from(append.lease.shard.0))
                .push_bind(signed(planned.seq))
                .push_bind(append.tenant)
                .push_bind(planned.at.timestamp_millis())
                .push_bind(event.name)
                .push_bind(i64::from(event.schema))
                .push_bind(&*event.data)
                .push_bind(i64::from(sum))
                .push_bind(personal)
                .push_bind(personal.map(|text| i64::from(checksum::text(key.id, version, text))))
                .push_bind(&*append.principal)
                .push_bind(&*append.request_id)
                .push_bind(append.cause.as_deref());
        });
        execute(connection, sql).await?;
    }
    Ok(())
}

/// Inserts new documents, and updates those that are at the version that was decided on.
pub(super) async fn write_documents(
    connection: &mut SqliteConnection,
    documents: &[DocumentPlan],
) -> Result<(), Error> {
    let (new, old): (Vec<_>, Vec<_>) = documents.iter().partition(|it| it.base_version == 0);
    for documents in new.chunks(ROWS) {
        let mut sql = QueryBuilder::new(
            "INSERT INTO documents (kind, id, tenant, version, schema, created_at, updated_at, \
             reference, status, parent, site, flagged, text, listed, listed_checksum, is_full, \
             state, state_version, state_checksum) SELECT column2, column3, column4, column5, \
             column6, column7, column8, column9, column10, column11, column12, column13, \
             column14, column15, column16, column17, column18, column19, column20 FROM (",
        );
        push_documents(&mut sql, documents);
        sql.push(") WHERE true ON CONFLICT DO NOTHING");
        let written = execute(connection, sql).await?;
        all_written("new entities", written, documents.len())?;
    }
    for documents in old.chunks(ROWS) {
        let mut sql = QueryBuilder::new(
            "UPDATE documents SET version = column5, schema = column6, updated_at = column8, \
             reference = column9, status = column10, parent = column11, site = column12, \
             flagged = column13, text = column14, listed = column15, listed_checksum = column16, \
             is_full = column17, state = CASE column21 WHEN 1 THEN state ELSE column18 END, \
             state_version = CASE column21 WHEN 1 THEN state_version ELSE column19 END, \
             state_checksum = CASE column21 WHEN 1 THEN state_checksum ELSE column20 END FROM (",
        );
        push_documents(&mut sql, documents);
        sql.push(") WHERE kind = column2 AND id = column3 AND version = column1");
        let written = execute(connection, sql).await?;
        all_written("entities", written, documents.len())?;
    }
    Ok(())
}

/// Rows of documents: the version that is replaced, the columns, and whether the state stays.
fn push_documents(sql: &mut QueryBuilder<Sqlite>, documents: &[&DocumentPlan]) {
    sql.push_values(documents, |mut row, plan| {
        let written = Written::of(plan);
        let index = &plan.index;
        row.push_bind(signed(plan.base_version))
            .push_bind(plan.key.kind)
            .push_bind(plan.key.id)
            .push_bind(plan.tenant)
            .push_bind(signed(plan.version))
            .push_bind(i64::from(plan.schema))
            .push_bind(plan.created_at.timestamp_millis())
            .push_bind(plan.updated_at.timestamp_millis())
            .push_bind(index.reference.as_deref())
            .push_bind(index.status)
            .push_bind(index.parent)
            .push_bind(index.site)
            .push_bind(index.flagged)
            .push_bind(&*index.text)
            .push_bind(&*plan.listed)
            .push_bind(written.listed_checksum)
            .push_bind(written.is_full)
            .push_bind(written.state)
            .push_bind(written.state_version)
            .push_bind(written.state_checksum)
            .push_bind(written.is_kept);
    });
}

/// Clears and sets timers.
pub(super) async fn write_timers(
    connection: &mut SqliteConnection,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    for timers in plan.timers_cleared.chunks(ROWS) {
        let mut sql = QueryBuilder::new("DELETE FROM timers WHERE (kind, entity, name) IN ");
        sql.push_tuples(timers, |mut row, (key, name)| {
            row.push_bind(key.kind).push_bind(key.id).push_bind(*name);
        });
        execute(connection, sql).await?;
    }
    for timers in plan.timers_set.chunks(ROWS) {
        let mut sql = QueryBuilder::new("INSERT INTO timers (kind, entity, name, tenant, at) ");
        sql.push_values(timers, |mut row, timer: &TimerPlan<'_>| {
            row.push_bind(timer.key.kind)
                .push_bind(timer.key.id)
                .push_bind(timer.name)
                .push_bind(timer.tenant)
                .push_bind(timer.at.timestamp_millis());
        });
        sql.push(" ON CONFLICT (kind, entity, name) DO UPDATE SET at = excluded.at");
        execute(connection, sql).await?;
    }
    Ok(())
}

/// Writes answers, checkpoints, and what is parked or no longer so: few at a time.
pub(super) async fn write_notes(
    connection: &mut SqliteConnection,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    for note in &plan.answers {
        let update = "UPDATE requests SET answer_status = ?, answer_headers = ?, answer_body = ? \
             WHERE scope = ? AND key = ? AND answer_status IS NULL";
        let query = sqlx::query(update)
            .bind(i64::from(note.answer.status))
            .bind(&*note.answer.headers)
            .bind(&*note.answer.body)
            .bind(&*note.scope)
            .bind(&*note.key);
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    for point in &plan.checkpoints {
        let upsert = "INSERT INTO checkpoints (subscriber, shard, seq) VALUES (?, ?, ?) \
             ON CONFLICT (subscriber, shard) DO UPDATE SET seq = excluded.seq";
        let query = sqlx::query(upsert)
            .bind(&*point.subscriber)
            .bind(i64::from(point.lease.shard.0))
            .bind(signed(point.seq));
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    for parked in &plan.parks {
        // Only what was recorded: whoever reads it back joins the event.
        let upsert = "INSERT INTO parked (subscriber, event, shard, seq, reason, attempts, at) \
             SELECT ?, ?, shard, seq, ?, ?, ? FROM events WHERE shard = ? AND seq = ? \
             AND entity = ? AND version = ? ON CONFLICT (subscriber, event) DO UPDATE \
             SET reason = excluded.reason, attempts = excluded.attempts, at = excluded.at";
        let query = sqlx::query(upsert)
            .bind(&*parked.subscriber)
            .bind(parked.event.id())
            .bind(&*parked.reason)
            .bind(i64::from(parked.attempts))
            .bind(parked.at.timestamp_millis())
            .bind(i64::from(parked.event.shard.0))
            .bind(signed(parked.event.seq))
            .bind(parked.event.entity)
            .bind(signed(parked.event.version));
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    for (subscriber, event) in &plan.unparks {
        sqlx::query("DELETE FROM parked WHERE subscriber = ? AND event = ?")
            .bind(*subscriber)
            .bind(*event)
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
    }
    Ok(())
}
