//! A plan as one statement of Postgres, each table's rows as arrays.
//!
//! One, since each exchange with the server costs more than most tables' rows do, and while a commit
//! is under way everybody waits for it. Its parts see the tables as they were before, so what must
//! come after something else is a statement of its own.

mod parts;

use std::collections::HashSet;

use engine::journal::plan::Plan;
use engine::journal::{Error, NewAnswer};
use sqlx::PgConnection;

use crate::cells::cells;
use crate::error::Failure;

use self::parts::Parts;
use super::parked;

/// Without a new version of the state the stored one stays; but a state that was only what lists
/// showed went with what they showed. Rows of leases are locked already, and their epochs checked.
const WRITE: &str = "
WITH requested AS (
    INSERT INTO requests (scope, key, body_hash, is_client, kind, entity, version, refusal, at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::text[],
        $6::uuid[], $7::bigint[], $8::text[], $9::bigint[])
    ON CONFLICT DO NOTHING RETURNING 1
), claimed AS (
    INSERT INTO claims (kind, is_installation, tenant, key, holder, version)
    SELECT * FROM unnest($10::text[], $11::boolean[], $12::uuid[], $13::text[], $14::uuid[],
        $15::bigint[])
    ON CONFLICT DO NOTHING RETURNING 1
), advanced AS (
    UPDATE leases l SET last_seq = n.last_seq
    FROM unnest($16::int[], $17::bigint[]) AS n(shard, last_seq) WHERE l.shard = n.shard
), recorded AS (
    INSERT INTO events (shard, seq, kind, entity, version, tenant, at, name, schema, data,
        personal, principal, request_id, cause, checksum, personal_checksum)
    SELECT * FROM unnest($18::int[], $19::bigint[], $20::text[], $21::uuid[], $22::bigint[],
        $23::uuid[], $24::bigint[], $25::text[], $26::int[], $27::text[], $28::text[],
        $29::text[], $30::text[], $31::text[], $32::bigint[], $33::bigint[])
), n AS MATERIALIZED (
    SELECT * FROM unnest($34::text[], $35::uuid[], $36::uuid[], $37::bigint[], $38::bigint[],
        $39::bigint[], $40::bigint[], $41::bigint[], $42::text[], $43::text[], $44::uuid[],
        $45::uuid[], $46::boolean[], $47::text[], $48::text[], $49::bigint[], $50::bigint[],
        $51::text[], $52::bigint[])
    AS n(kind, id, tenant, base_version, version, schema, created_at, updated_at, reference,
        status, parent, site, flagged, text, listed, listed_checksum, state_version, state,
        state_checksum)
), changed AS (
    UPDATE documents d SET
        tenant = n.tenant, version = n.version, schema = n.schema, created_at = n.created_at,
        updated_at = n.updated_at, reference = n.reference, status = n.status, parent = n.parent,
        site = n.site, flagged = n.flagged, text = n.text, listed = n.listed,
        listed_checksum = n.listed_checksum,
        state_version = CASE WHEN n.state_version IS NOT NULL THEN n.state_version
            WHEN d.state IS NOT NULL THEN d.state_version END,
        state = CASE WHEN n.state_version IS NULL THEN d.state ELSE n.state END,
        state_checksum = CASE WHEN n.state_version IS NULL THEN d.state_checksum
            ELSE n.state_checksum END
    FROM n WHERE d.kind = n.kind AND d.id = n.id AND d.version = n.base_version
    RETURNING 1
), created AS (
    INSERT INTO documents (kind, id, tenant, version, schema, created_at, updated_at, reference,
        status, parent, site, flagged, text, listed, listed_checksum, state_version, state,
        state_checksum)
    SELECT kind, id, tenant, version, schema, created_at, updated_at, reference, status, parent,
        site, flagged, text, listed, listed_checksum, state_version, state, state_checksum
    FROM n WHERE base_version = 0
    ON CONFLICT DO NOTHING RETURNING 1
), cleared AS (
    DELETE FROM timers t USING unnest($53::text[], $54::uuid[], $55::text[])
        AS n(kind, entity, name)
    WHERE t.kind = n.kind AND t.entity = n.entity AND t.name = n.name
), set AS (
    INSERT INTO timers (kind, entity, tenant, name, at)
    SELECT * FROM unnest($56::text[], $57::uuid[], $58::uuid[], $59::text[], $60::bigint[])
    ON CONFLICT (kind, entity, name) DO UPDATE SET tenant = excluded.tenant, at = excluded.at
), answered AS (
    UPDATE requests r
    SET answer_status = n.status, answer_headers = n.headers, answer_body = n.body
    FROM unnest($61::text[], $62::text[], $63::int[], $64::text[], $65::bytea[])
        AS n(scope, key, status, headers, body)
    WHERE r.scope = n.scope AND r.key = n.key AND r.answer_status IS NULL
), handled AS (
    INSERT INTO checkpoints (subscriber, shard, seq)
    SELECT * FROM unnest($66::text[], $67::int[], $68::bigint[])
    ON CONFLICT (subscriber, shard) DO UPDATE SET seq = excluded.seq
)
SELECT (SELECT count(*) FROM requested), (SELECT count(*) FROM claimed),
    (SELECT count(*) FROM changed) + (SELECT count(*) FROM created)";

/// One cell of every row.
pub(super) fn column<'r, R, C>(rows: &'r [R], cell: impl Fn(&'r R) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

/// Writes a plan.
pub(super) async fn write(
    connection: &mut PgConnection,
    mut plan: Plan<'_>,
) -> Result<(), Failure> {
    if !plan.released.is_empty() {
        parts::release_claims(connection, &cells(&plan.released)).await?;
    }
    let late = late_answers(&mut plan);
    write_at_once(connection, &plan).await?;
    if !late.answers.is_empty() {
        write_at_once(connection, &late).await?;
    }
    parked::write(connection, &plan).await
}

/// Takes out the answers of requests that are themselves only now written.
fn late_answers<'a>(plan: &mut Plan<'a>) -> Plan<'a> {
    let requests = plan.requests.iter();
    let new: HashSet<_> = requests.map(|it| (&*it.key.scope, &*it.key.key)).collect();
    let is_late = |answer: &&NewAnswer| new.contains(&(&*answer.scope, &*answer.key));
    let answers = std::mem::take(&mut plan.answers);
    let (late, others) = answers.into_iter().partition(is_late);
    plan.answers = others;
    Plan {
        answers: late,
        ..Plan::default()
    }
}

async fn write_at_once(connection: &mut PgConnection, plan: &Plan<'_>) -> Result<(), Failure> {
    let parts = Parts::of(plan);
    let statement = parts.bind(sqlx::query_as(WRITE));
    let (requests, claims, documents): (i64, i64, i64) = statement.fetch_one(connection).await?;
    let is_all = |written: i64, planned: usize| usize::try_from(written) == Ok(planned);
    if !is_all(requests, plan.requests.len()) || !is_all(claims, plan.claimed.len()) {
        return Err(Failure::Taken);
    }
    if !is_all(documents, plan.documents.len()) {
        let why = "a document is not at the version decided on";
        return Err(Error::Refused(why.into()).into());
    }
    Ok(())
}
