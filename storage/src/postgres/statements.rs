//! The statements that write a plan to Postgres, each for all rows at once.

use engine::journal::plan::{DocumentPlan, EventPlan, Plan, RequestPlan};
use engine::journal::{Error, checksum};
use sqlx::postgres::PgConnection;

use crate::commit::all_written;
use crate::error::meaning;
use crate::rows::{NewRequest, Written, signed};

/// Binds a column: the same expression for every row.
macro_rules! columns {
    ($query:expr, $rows:expr, |$row:ident| $($column:expr),+ $(,)?) => {
        $query$(.bind($rows.iter().map(|$row| $column).collect::<Vec<_>>()))+
    };
}

/// Inserts request keys; false if one was there.
pub(super) async fn insert_requests(
    connection: &mut PgConnection,
    requests: &[RequestPlan<'_>],
) -> Result<bool, Error> {
    if requests.is_empty() {
        return Ok(true);
    }
    let query = sqlx::query(
        "INSERT INTO requests (scope, key, body_hash, kind, entity, version, refusal, at, \
         is_client) SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], \
         $5::uuid[], $6::bigint[], $7::text[], $8::bigint[], $9::boolean[]) \
         ON CONFLICT DO NOTHING",
    );
    let rows: Vec<_> = requests.iter().map(NewRequest::of).collect();
    let query = columns!(
        query,
        rows,
        |row| &*row.plan.key.scope,
        &*row.plan.key.key,
        row.plan.key.body_hash,
        row.plan.entity.kind,
        row.plan.entity.id,
        row.version,
        row.plan.refusal,
        row.at,
        row.plan.key.is_client,
    );
    let done = query.execute(connection).await.map_err(meaning)?;
    Ok(done.rows_affected() == requests.len() as u64)
}

/// Gives claims up and takes others; false if one of those is held.
pub(super) async fn move_claims(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
) -> Result<bool, Error> {
    if !plan.released.is_empty() {
        let query = sqlx::query(
            "DELETE FROM claims WHERE (kind, is_installation, tenant, key, holder) IN \
             (SELECT * FROM UNNEST($1::text[], $2::boolean[], $3::uuid[], $4::text[], $5::uuid[]))",
        );
        let query = columns!(
            query,
            plan.released,
            |it| it.0.kind,
            it.0.is_installation,
            it.0.tenant,
            &*it.0.key,
            it.1
        );
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    if plan.claimed.is_empty() {
        return Ok(true);
    }
    let query = sqlx::query(
        "INSERT INTO claims (kind, is_installation, tenant, key, holder) \
         SELECT * FROM UNNEST($1::text[], $2::boolean[], $3::uuid[], $4::text[], $5::uuid[]) \
         ON CONFLICT DO NOTHING",
    );
    let query = columns!(
        query,
        plan.claimed,
        |it| it.0.kind,
        it.0.is_installation,
        it.0.tenant,
        &*it.0.key,
        it.1
    );
    let done = query.execute(connection).await.map_err(meaning)?;
    Ok(done.rows_affected() == plan.claimed.len() as u64)
}

/// Inserts events.
pub(super) async fn insert_events(
    connection: &mut PgConnection,
    events: &[EventPlan<'_>],
) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "INSERT INTO events (kind, entity, version, shard, seq, tenant, at, name, schema, data, \
         checksum, personal, personal_checksum, principal, request_id, cause) \
         SELECT * FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], \
         $6::uuid[], $7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::bigint[], \
         $12::text[], $13::bigint[], $14::text[], $15::text[], $16::text[])",
    );
    let query = columns!(
        query,
        events,
        |it| it.append.key.kind,
        it.append.key.id,
        signed(it.version),
        i64::from(it.append.lease.shard.0),
        signed(it.seq),
        it.append.tenant,
        it.at.timestamp_millis(),
        it.event.name,
        i64::from(it.event.schema),
        &*it.event.data,
        checksum_of(it),
        it.event.personal.as_deref(),
        it.event
            .personal
            .as_deref()
            .map(|text| { i64::from(checksum::text(it.append.key.id, it.version, text)) }),
        &*it.append.principal,
        &*it.append.request_id,
        it.append.cause.as_deref(),
    );
    query.execute(connection).await.map_err(meaning).map(drop)
}

fn checksum_of(planned: &EventPlan<'_>) -> i64 {
    let (key, event) = (planned.append.key, planned.event);
    checksum::event(key.kind, key.id, planned.version, event.name, &event.data).into()
}

/// The columns of documents as arrays, in the order in which [`write_documents`] binds them.
const DOCUMENTS: &str = "UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::uuid[], $5::bigint[], \
    $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::uuid[], $12::uuid[], \
    $13::boolean[], $14::text[], $15::text[], $16::bigint[], $17::boolean[], $18::text[], \
    $19::bigint[], $20::bigint[], $21::boolean[]) AS u (base_version, kind, id, tenant, version, \
    schema, created_at, updated_at, reference, status, parent, site, flagged, text, listed, \
    listed_checksum, is_full, state, state_version, state_checksum, is_kept)";

/// Inserts new documents, and updates those that are at the version that was decided on.
pub(super) async fn write_documents(
    connection: &mut PgConnection,
    documents: &[DocumentPlan],
) -> Result<(), Error> {
    let (new, old): (Vec<_>, Vec<_>) = documents.iter().partition(|it| it.base_version == 0);
    if !new.is_empty() {
        let insert = format!(
            "INSERT INTO documents (kind, id, tenant, version, schema, created_at, updated_at, \
             reference, status, parent, site, flagged, text, listed, listed_checksum, is_full, \
             state, state_version, state_checksum) SELECT kind, id, tenant, version, schema, \
             created_at, updated_at, reference, status, parent, site, flagged, text, listed, \
             listed_checksum, is_full, state, state_version, state_checksum FROM {DOCUMENTS} \
             ON CONFLICT DO NOTHING"
        );
        let written = write_some(connection, insert, &new).await?;
        all_written("new entities", written, new.len())?;
    }
    if !old.is_empty() {
        let update = format!(
            "UPDATE documents AS d SET version = u.version, schema = u.schema, \
             updated_at = u.updated_at, reference = u.reference, status = u.status, \
             parent = u.parent, site = u.site, flagged = u.flagged, text = u.text, \
             listed = u.listed, listed_checksum = u.listed_checksum, is_full = u.is_full, \
             state = CASE WHEN u.is_kept THEN d.state ELSE u.state END, state_version = \
             CASE WHEN u.is_kept THEN d.state_version ELSE u.state_version END, state_checksum = \
             CASE WHEN u.is_kept THEN d.state_checksum ELSE u.state_checksum END \
             FROM {DOCUMENTS} WHERE d.kind = u.kind AND d.id = u.id AND d.version = u.base_version"
        );
        let written = write_some(connection, update, &old).await?;
        all_written("entities", written, old.len())?;
    }
    Ok(())
}

async fn write_some(
    connection: &mut PgConnection,
    sql: String,
    documents: &[&DocumentPlan],
) -> Result<u64, Error> {
    let rows: Vec<_> = documents.iter().map(|plan| Written::of(plan)).collect();
    let query = sqlx::query(sqlx::AssertSqlSafe(sql));
    let query = columns!(
        query,
        rows,
        |row| signed(row.plan.base_version),
        row.plan.key.kind,
        row.plan.key.id,
        row.plan.tenant,
        signed(row.plan.version),
        i64::from(row.plan.schema),
        row.plan.created_at.timestamp_millis(),
        row.plan.updated_at.timestamp_millis(),
        row.plan.index.reference.as_deref(),
        row.plan.index.status,
        row.plan.index.parent,
        row.plan.index.site,
        row.plan.index.flagged,
        &*row.plan.index.text,
        &*row.plan.listed,
        row.listed_checksum,
        row.is_full,
        row.state,
        row.state_version,
        row.state_checksum,
        row.is_kept,
    );
    let done = query.execute(connection).await.map_err(meaning)?;
    Ok(done.rows_affected())
}

/// Advances the positions of the shards that got events.
pub(super) async fn advance(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Error> {
    if plan.heads.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE leases AS l SET last_seq = u.last_seq \
         FROM UNNEST($1::bigint[], $2::bigint[]) AS u (shard, last_seq) WHERE l.shard = u.shard",
    );
    let query = columns!(query, plan.heads, |it| i64::from(it.0.0), signed(*it.1));
    query.execute(connection).await.map_err(meaning).map(drop)
}

/// Clears and sets timers.
pub(super) async fn write_timers(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    if !plan.timers_cleared.is_empty() {
        let query = sqlx::query(
            "DELETE FROM timers WHERE (kind, entity, name) IN \
             (SELECT * FROM UNNEST($1::text[], $2::uuid[], $3::text[]))",
        );
        let query = columns!(query, plan.timers_cleared, |it| it.0.kind, it.0.id, it.1);
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    if plan.timers_set.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "INSERT INTO timers (kind, entity, name, tenant, at) SELECT * FROM \
         UNNEST($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::bigint[]) \
         ON CONFLICT (kind, entity, name) DO UPDATE SET at = excluded.at",
    );
    let query = columns!(
        query,
        plan.timers_set,
        |it| it.key.kind,
        it.key.id,
        it.name,
        it.tenant,
        it.at.timestamp_millis()
    );
    query.execute(connection).await.map_err(meaning).map(drop)
}

/// Writes answers, checkpoints, and what is parked or no longer so.
pub(super) async fn write_notes(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    if !plan.answers.is_empty() {
        let query = sqlx::query(
            "UPDATE requests AS r SET answer_status = u.status, answer_headers = u.headers, \
             answer_body = u.body FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], \
             $5::bytea[]) AS u (scope, key, status, headers, body) \
             WHERE r.scope = u.scope AND r.key = u.key AND r.answer_status IS NULL",
        );
        let query = columns!(
            query,
            plan.answers,
            |it| &*it.scope,
            &*it.key,
            i64::from(it.answer.status),
            &*it.answer.headers,
            &*it.answer.body,
        );
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    if !plan.checkpoints.is_empty() {
        let query = sqlx::query(
            "INSERT INTO checkpoints (subscriber, shard, seq) \
             SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) \
             ON CONFLICT (subscriber, shard) DO UPDATE SET seq = excluded.seq",
        );
        let query = columns!(
            query,
            plan.checkpoints,
            |it| &*it.subscriber,
            i64::from(it.lease.shard.0),
            signed(it.seq)
        );
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    write_parked(connection, plan).await
}

/// Parks and unparks events: rare, so one at a time.
async fn write_parked(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Error> {
    for parked in &plan.parks {
        // Only what was recorded: whoever reads it back joins the event.
        let upsert = "INSERT INTO parked (subscriber, event, shard, seq, reason, attempts, at) \
             SELECT $1, $2, shard, seq, $3, $4, $5 FROM events WHERE shard = $6 AND seq = $7 \
             AND entity = $8 AND version = $9 ON CONFLICT (subscriber, event) DO UPDATE \
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
        sqlx::query("DELETE FROM parked WHERE subscriber = $1 AND event = $2")
            .bind(*subscriber)
            .bind(*event)
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
    }
    Ok(())
}
