//! A plan as statements of SQLite: one per table, with its rows as one text of JSON.

use engine::journal::Error;
use engine::journal::plan::Plan;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::cells::{
    AnswerCells, CheckpointCells, ClaimCells, DocumentCells, EventCells, ParkedCells, RequestCells,
    TimerCells, TimerKeyCells, UnparkCells, cells,
};
use crate::error::Failure;
use crate::values::int;

/// Rows for a statement.
pub(super) fn json<R: Serialize>(rows: &[R]) -> Result<String, Error> {
    serde_json::to_string(rows).map_err(|error| Error::Refused(error.to_string()))
}

/// Writes a plan.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    plan: &Plan<'_>,
) -> Result<(), Failure> {
    run::<RequestCells>(connection, INSERT_REQUESTS, &cells(&plan.requests)).await?;
    run::<ClaimCells>(connection, RELEASE_CLAIMS, &cells(&plan.released)).await?;
    run::<ClaimCells>(connection, INSERT_CLAIMS, &cells(&plan.claimed)).await?;
    run::<LeaseCells>(connection, ADVANCE_HEADS, &heads(plan)).await?;
    run::<EventCells>(connection, INSERT_EVENTS, &cells(&plan.events)).await?;
    write_documents(connection, cells(&plan.documents)).await?;
    run::<TimerKeyCells>(connection, CLEAR_TIMERS, &cells(&plan.timers_cleared)).await?;
    run::<TimerCells>(connection, SET_TIMERS, &cells(&plan.timers_set)).await?;
    run::<AnswerCells>(connection, STORE_ANSWERS, &cells(&plan.answers)).await?;
    run::<CheckpointCells>(connection, STORE_CHECKPOINTS, &cells(&plan.checkpoints)).await?;
    run::<ParkedCells>(connection, PARK, &cells(&plan.parks)).await?;
    run::<UnparkCells>(connection, UNPARK, &cells(&plan.unparks)).await?;
    Ok(())
}

/// Runs a statement on rows, if there are any; returns how many it changed.
async fn run<R: Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[R],
) -> Result<u64, Failure> {
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = sqlx::query(statement).bind(json(rows)?);
    Ok(statement.execute(connection).await?.rows_affected())
}

/// New documents are inserted, others updated where they have the version that they should.
async fn write_documents(
    connection: &mut SqliteConnection,
    rows: Vec<DocumentCells<'_>>,
) -> Result<(), Failure> {
    let planned = rows.len() as u64;
    let (new, old): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.base_version == 0);
    let inserted = run(connection, INSERT_DOCUMENTS, &new).await?;
    let updated = run(connection, UPDATE_DOCUMENTS, &old).await?;
    if inserted + updated == planned {
        return Ok(());
    }
    Err(Error::Refused("a document is not at the version decided on".into()).into())
}

#[derive(Serialize)]
struct LeaseCells {
    shard: i32,
    last_seq: i64,
}

fn heads(plan: &Plan<'_>) -> Vec<LeaseCells> {
    let cells = |(shard, head): (&engine::Shard, &u64)| LeaseCells {
        shard: shard.0.into(),
        last_seq: int(*head),
    };
    plan.heads.iter().map(cells).collect()
}

const INSERT_REQUESTS: &str = "
INSERT INTO requests (scope, key, body_hash, is_client, kind, entity, version, refusal, at)
SELECT value ->> 'scope', value ->> 'key', value ->> 'body_hash', value ->> 'is_client',
    value ->> 'kind', unhex(value ->> 'entity', '-'), value ->> 'version', value ->> 'refusal',
    value ->> 'at'
FROM json_each($1)";

// By row numbers found from the keys: asked by the keys alone, SQLite walks all of a kind.
const RELEASE_CLAIMS: &str = "
DELETE FROM claims WHERE rowid IN (
    SELECT c.rowid FROM json_each($1) n CROSS JOIN claims c
        ON c.kind = n.value ->> 'kind' AND c.is_installation = n.value ->> 'is_installation'
        AND c.tenant = unhex(n.value ->> 'tenant', '-') AND c.key = n.value ->> 'key'
    WHERE c.holder = unhex(n.value ->> 'holder', '-'))";

const INSERT_CLAIMS: &str = "
INSERT INTO claims (kind, is_installation, tenant, key, holder, version)
SELECT value ->> 'kind', value ->> 'is_installation', unhex(value ->> 'tenant', '-'),
    value ->> 'key', unhex(value ->> 'holder', '-'), value ->> 'version'
FROM json_each($1)";

const ADVANCE_HEADS: &str = "
UPDATE leases SET last_seq = n.value ->> 'last_seq'
FROM json_each($1) n WHERE leases.shard = n.value ->> 'shard'";

const INSERT_EVENTS: &str = "
INSERT INTO events (shard, seq, kind, entity, version, tenant, at, name, schema, data, personal,
    principal, request_id, cause, checksum, personal_checksum)
SELECT value ->> 'shard', value ->> 'seq', value ->> 'kind', unhex(value ->> 'entity', '-'),
    value ->> 'version', unhex(value ->> 'tenant', '-'), value ->> 'at', value ->> 'name',
    value ->> 'schema', value ->> 'data', value ->> 'personal', value ->> 'principal',
    value ->> 'request_id', value ->> 'cause', value ->> 'checksum', value ->> 'personal_checksum'
FROM json_each($1)";

const INSERT_DOCUMENTS: &str = "
INSERT INTO documents (kind, id, tenant, version, schema, created_at, updated_at, reference,
    status, parent, site, flagged, text, listed, listed_checksum, state_version, state,
    state_checksum)
SELECT value ->> 'kind', unhex(value ->> 'id', '-'), unhex(value ->> 'tenant', '-'),
    value ->> 'version', value ->> 'schema', value ->> 'created_at', value ->> 'updated_at',
    value ->> 'reference', value ->> 'status', unhex(value ->> 'parent', '-'),
    unhex(value ->> 'site', '-'), value ->> 'flagged', value ->> 'text', value ->> 'listed',
    value ->> 'listed_checksum', value ->> 'state_version', value ->> 'state',
    value ->> 'state_checksum'
FROM json_each($1)
WHERE true ON CONFLICT (kind, id) DO NOTHING";

// Without a new version of the state the stored one stays; but a state that was only what lists
// showed went with what they showed.
const UPDATE_DOCUMENTS: &str = "
UPDATE documents SET
    tenant = unhex(n.value ->> 'tenant', '-'), version = n.value ->> 'version',
    schema = n.value ->> 'schema', created_at = n.value ->> 'created_at',
    updated_at = n.value ->> 'updated_at', reference = n.value ->> 'reference',
    status = n.value ->> 'status', parent = unhex(n.value ->> 'parent', '-'),
    site = unhex(n.value ->> 'site', '-'), flagged = n.value ->> 'flagged',
    text = n.value ->> 'text', listed = n.value ->> 'listed',
    listed_checksum = n.value ->> 'listed_checksum',
    state_version = CASE WHEN n.value ->> 'state_version' IS NOT NULL
        THEN n.value ->> 'state_version' WHEN state IS NOT NULL THEN state_version END,
    state = CASE WHEN n.value ->> 'state_version' IS NULL
        THEN state ELSE n.value ->> 'state' END,
    state_checksum = CASE WHEN n.value ->> 'state_version' IS NULL
        THEN state_checksum ELSE n.value ->> 'state_checksum' END
FROM json_each($1) n
WHERE documents.kind = n.value ->> 'kind' AND documents.id = unhex(n.value ->> 'id', '-')
    AND documents.version = n.value ->> 'base_version'";

const CLEAR_TIMERS: &str = "
DELETE FROM timers WHERE rowid IN (
    SELECT t.rowid FROM json_each($1) n CROSS JOIN timers t ON t.kind = n.value ->> 'kind'
        AND t.entity = unhex(n.value ->> 'entity', '-') AND t.name = n.value ->> 'name')";

const SET_TIMERS: &str = "
INSERT INTO timers (kind, entity, tenant, name, at)
SELECT value ->> 'kind', unhex(value ->> 'entity', '-'), unhex(value ->> 'tenant', '-'),
    value ->> 'name', value ->> 'at'
FROM json_each($1)
WHERE true ON CONFLICT (kind, entity, name)
DO UPDATE SET tenant = excluded.tenant, at = excluded.at";

const STORE_ANSWERS: &str = "
UPDATE requests SET answer_status = n.value ->> 'status', answer_headers = n.value ->> 'headers',
    answer_body = unhex(n.value ->> 'body')
FROM json_each($1) n
WHERE requests.scope = n.value ->> 'scope' AND requests.key = n.value ->> 'key'
    AND requests.answer_status IS NULL";

const STORE_CHECKPOINTS: &str = "
INSERT INTO checkpoints (subscriber, shard, seq)
SELECT value ->> 'subscriber', value ->> 'shard', value ->> 'seq' FROM json_each($1)
WHERE true ON CONFLICT (subscriber, shard) DO UPDATE SET seq = excluded.seq";

const PARK: &str = "
INSERT INTO parked (subscriber, event, shard, seq, reason, attempts, at)
SELECT n.value ->> 'subscriber', n.value ->> 'event', n.value ->> 'shard', n.value ->> 'seq',
    n.value ->> 'reason', n.value ->> 'attempts', n.value ->> 'at'
FROM json_each($1) n
WHERE n.value ->> 'entity' IS NULL OR EXISTS (SELECT 1 FROM events e
    WHERE e.shard = n.value ->> 'shard' AND e.seq = n.value ->> 'seq'
    AND e.entity = unhex(n.value ->> 'entity', '-') AND e.version = n.value ->> 'version')
ON CONFLICT (subscriber, event)
DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, at = excluded.at";

const UNPARK: &str = "
DELETE FROM parked WHERE (subscriber, event) IN (
    SELECT value ->> 'subscriber', value ->> 'event' FROM json_each($1))";
