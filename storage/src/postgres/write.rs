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
use super::commit::Leases;
use super::parked;

/// Leases that are not as they were seen are not advanced: that is what fences former owners, even
/// where there is no event, so all of a batch's shards are among them. Without a new version of the
/// state the stored one stays; but a state that was only what lists showed went with what they
/// showed.
const WRITE: &str = "
WITH requested AS (
    INSERT INTO requests (scope, key, body_hash, is_client, kind, entity, version, refusal, at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[], $5::text[],
        $6::uuid[], $7::bigint[], $8::text[], $9::bigint[])
), claimed AS (
    INSERT INTO claims (kind, is_installation, tenant, key, holder, version)
    SELECT * FROM unnest($10::text[], $11::boolean[], $12::uuid[], $13::text[], $14::uuid[],
        $15::bigint[])
), advanced AS (
    UPDATE leases l SET last_seq = n.last_seq
    FROM unnest($16::int[], $17::bigint[], $18::bigint[], $19::bigint[])
        AS n(shard, epoch, seen_seq, last_seq)
    WHERE l.shard = n.shard AND l.epoch = n.epoch AND l.last_seq = n.seen_seq
    RETURNING 1
), recorded AS (
    INSERT INTO events (shard, seq, kind, entity, version, tenant, at, name, schema, data,
        personal, principal, request_id, cause, checksum, personal_checksum)
    SELECT * FROM unnest($20::int[], $21::bigint[], $22::text[], $23::uuid[], $24::bigint[],
        $25::uuid[], $26::bigint[], $27::text[], $28::int[], $29::text[], $30::text[],
        $31::text[], $32::text[], $33::text[], $34::bigint[], $35::bigint[])
), n AS MATERIALIZED (
    SELECT * FROM unnest($36::text[], $37::uuid[], $38::uuid[], $39::bigint[], $40::bigint[],
        $41::bigint[], $42::bigint[], $43::bigint[], $44::text[], $45::text[], $46::uuid[],
        $47::uuid[], $48::boolean[], $49::text[], $50::text[], $51::bigint[], $52::bigint[],
        $53::text[], $54::bigint[])
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
    FROM n
    WHERE n.base_version > 0 AND d.kind = n.kind AND d.id = n.id AND d.version = n.base_version
    RETURNING 1
), created AS (
    INSERT INTO documents (kind, id, tenant, version, schema, created_at, updated_at, reference,
        status, parent, site, flagged, text, listed, listed_checksum, state_version, state,
        state_checksum)
    SELECT kind, id, tenant, version, schema, created_at, updated_at, reference, status, parent,
        site, flagged, text, listed, listed_checksum, state_version, state, state_checksum
    FROM n WHERE base_version = 0
), cleared AS (
    DELETE FROM timers t USING unnest($55::text[], $56::uuid[], $57::text[])
        AS n(kind, entity, name)
    WHERE t.kind = n.kind AND t.entity = n.entity AND t.name = n.name
), set AS (
    INSERT INTO timers (kind, entity, tenant, name, at)
    SELECT * FROM unnest($58::text[], $59::uuid[], $60::uuid[], $61::text[], $62::bigint[])
    ON CONFLICT (kind, entity, name) DO UPDATE SET tenant = excluded.tenant, at = excluded.at
), answered AS (
    UPDATE requests r
    SET answer_status = n.status, answer_headers = n.headers, answer_body = n.body
    FROM unnest($63::text[], $64::text[], $65::int[], $66::text[], $67::bytea[])
        AS n(scope, key, status, headers, body)
    WHERE r.scope = n.scope AND r.key = n.key AND r.answer_status IS NULL
), handled AS (
    INSERT INTO checkpoints (subscriber, shard, seq)
    SELECT * FROM unnest($68::text[], $69::int[], $70::bigint[])
    ON CONFLICT (subscriber, shard) DO UPDATE SET seq = excluded.seq
)
SELECT (SELECT count(*) FROM advanced), (SELECT count(*) FROM changed)";

/// One cell of every row.
pub(super) fn column<'r, R, C>(rows: &'r [R], cell: impl Fn(&'r R) -> C) -> Vec<C> {
    rows.iter().map(cell).collect()
}

/// Writes a plan that was made with these leases, and gives them as they are afterwards.
pub(super) async fn write(
    connection: &mut PgConnection,
    mut plan: Plan<'_>,
    mut leases: Leases,
) -> Result<Leases, Failure> {
    if !plan.released.is_empty() {
        parts::release_claims(connection, &cells(&plan.released)).await?;
    }
    let late = late_answers(&mut plan);
    write_at_once(connection, &plan, &leases).await?;
    if !late.answers.is_empty() {
        write_at_once(connection, &late, &Leases::new()).await?;
    }
    parked::write(connection, &plan).await?;
    for (shard, head) in &plan.heads {
        leases.entry(*shard).and_modify(|it| it.last_seq = *head);
    }
    Ok(leases)
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

async fn write_at_once(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
    leases: &Leases,
) -> Result<(), Failure> {
    let parts = Parts::of(plan, leases);
    let statement = parts.bind(sqlx::query_as(WRITE));
    let (advanced, changed): (i64, i64) = statement.fetch_one(connection).await?;
    let is_all = |written: i64, planned: usize| usize::try_from(written) == Ok(planned);
    if !is_all(advanced, leases.len()) {
        return Err(Failure::Moved);
    }
    let changes = plan.documents.iter().filter(|it| it.base_version > 0);
    if !is_all(changed, changes.count()) {
        let why = "a document is not at the version decided on";
        return Err(Error::Refused(why.into()).into());
    }
    Ok(())
}
