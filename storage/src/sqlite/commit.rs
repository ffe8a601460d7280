//! The transactions of SQLite: there is one at a time, so what is looked up stays as it is.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use engine::journal::plan::{ClaimKey, Known, LeaseRow, Plan, claims, requests, shards};
use engine::journal::{Batch, Claimant, Error, Lease, Outcome, RequestRow};
use engine::{Shard, faults};
use sqlx::{Executor as _, SqliteConnection};
use uuid::Uuid;

use crate::cells::{ClaimKeyCells, RequestKeyCells, cells};
use crate::error::Failure;
use crate::rows::{self, KnownClaimRow};
use crate::values::ms;
use crate::writer::{Transaction, Writer};

use super::read::named;
use super::write::{json, write};

/// How many request keys are forgotten in one transaction.
const PRUNE_STEP: i64 = 1_000;

/// Commits a batch.
pub(super) async fn commit(
    writer: &Writer<SqliteConnection>,
    batch: &Batch,
) -> Result<Vec<Outcome>, Error> {
    let mut transaction = begin(writer).await?;
    let written = plan_and_write(transaction.connection(), batch).await;
    faults::reach_with_batch("before-commit", batch);
    Ok(transaction.finish(written).await?)
}

/// Raises the epochs of shards.
pub(super) async fn take_over(
    writer: &Writer<SqliteConnection>,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Error> {
    let mut transaction = begin(writer).await?;
    let raised = raise(transaction.connection(), node, shards).await;
    Ok(transaction.finish(raised).await?)
}

/// Raises the epochs of those shards that a node still owns.
pub(super) async fn renew(
    writer: &Writer<SqliteConnection>,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Error> {
    let mut transaction = begin(writer).await?;
    let raised = raise_own(transaction.connection(), node, shards).await;
    Ok(transaction.finish(raised).await?)
}

/// Forgets request keys in steps that let others write in between.
pub(super) async fn prune(
    writer: &Writer<SqliteConnection>,
    is_client: bool,
    before: DateTime<Utc>,
) -> Result<u64, Error> {
    let mut gone = 0;
    loop {
        let mut transaction = begin(writer).await?;
        let step = forget(transaction.connection(), is_client, before).await;
        let done = transaction.finish(step).await?;
        gone += done;
        if done < PRUNE_STEP.unsigned_abs() {
            return Ok(gone);
        }
    }
}

/// Forgets documents in steps that let others write in between.
pub(super) async fn prune_documents(
    writer: &Writer<SqliteConnection>,
    kind: &str,
    statuses: &[&str],
    before: DateTime<Utc>,
) -> Result<u64, Error> {
    let mut gone = 0;
    loop {
        let mut transaction = begin(writer).await?;
        let step = forget_documents(transaction.connection(), kind, statuses, before).await;
        let done = transaction.finish(step).await?;
        gone += done;
        if done < PRUNE_STEP.unsigned_abs() {
            return Ok(gone);
        }
    }
}

/// Starts a transaction that writes from the start, so that it does not find itself locked out
/// half-way.
async fn begin(
    writer: &Writer<SqliteConnection>,
) -> Result<Transaction<'_, SqliteConnection>, Error> {
    let (transaction, _) = writer.begin("BEGIN IMMEDIATE".into()).await?;
    Ok(transaction)
}

async fn plan_and_write(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<Vec<Outcome>, Failure> {
    let known = Known {
        leases: known_leases(connection, &shards(batch)).await?,
        requests: known_requests(connection, batch).await?,
        claims: known_claims(connection, batch).await?,
    };
    let mut plan = Plan::of(batch, &known)?;
    if faults::has_bug("request-in-another-transaction") {
        let requests = std::mem::take(&mut plan.requests);
        write(connection, &plan).await?;
        connection.execute("COMMIT; BEGIN IMMEDIATE").await?;
        plan = Plan {
            requests,
            outcomes: plan.outcomes,
            ..Plan::default()
        };
    }
    write(connection, &plan).await?;
    Ok(plan.outcomes)
}

async fn raise(
    connection: &mut SqliteConnection,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Failure> {
    let known = known_leases(connection, shards).await?;
    let lease = |shard: &Shard| match known.get(shard) {
        Some(row) => Ok(Lease {
            shard: *shard,
            epoch: row.epoch + 1,
        }),
        None => Err(Error::Refused(format!("there is no shard {}", shard.0))),
    };
    let leases = shards.iter().map(lease).collect::<Result<Vec<_>, _>>()?;
    let raised = sqlx::query(
        "UPDATE leases SET epoch = epoch + 1, node = $1 \
         WHERE shard IN (SELECT value FROM json_each($2))",
    );
    let raised = raised.bind(node).bind(json(shards)?);
    raised.execute(connection).await?;
    Ok(leases)
}

async fn raise_own(
    connection: &mut SqliteConnection,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Failure> {
    let renewed = sqlx::query_as(
        "UPDATE leases SET epoch = epoch + 1 \
         WHERE node = $1 AND shard IN (SELECT value FROM json_each($2)) \
         RETURNING shard, epoch, last_seq",
    );
    let renewed = renewed.bind(node).bind(json(shards)?);
    let renewed = renewed.fetch_all(connection).await?;
    let renewed: HashMap<_, _> = rows::all::<rows::LeaseRow, _, _>(renewed)?;
    let lease = |shard: &Shard| {
        let epoch = renewed.get(shard)?.epoch;
        Some(Lease {
            shard: *shard,
            epoch,
        })
    };
    Ok(shards.iter().filter_map(lease).collect())
}

async fn forget(
    connection: &mut SqliteConnection,
    is_client: bool,
    before: DateTime<Utc>,
) -> Result<u64, Failure> {
    let step = sqlx::query(
        "DELETE FROM requests WHERE rowid IN (\
         SELECT rowid FROM requests WHERE is_client = $1 AND at < $2 ORDER BY at LIMIT $3)",
    );
    let step = step.bind(is_client).bind(ms(before)).bind(PRUNE_STEP);
    Ok(step.execute(connection).await?.rows_affected())
}

async fn forget_documents(
    connection: &mut SqliteConnection,
    kind: &str,
    statuses: &[&str],
    before: DateTime<Utc>,
) -> Result<u64, Failure> {
    let step = sqlx::query(
        "DELETE FROM documents WHERE rowid IN (SELECT rowid FROM documents WHERE kind = $1 \
         AND status IN (SELECT value FROM json_each($2)) AND updated_at < $3 LIMIT $4)",
    );
    let step = step.bind(kind.to_owned()).bind(json(statuses)?);
    let step = step.bind(ms(before)).bind(PRUNE_STEP);
    Ok(step.execute(connection).await?.rows_affected())
}

async fn known_leases(
    connection: &mut SqliteConnection,
    shards: &[Shard],
) -> Result<HashMap<Shard, LeaseRow>, Failure> {
    let found = sqlx::query_as(
        "SELECT shard, epoch, last_seq FROM leases \
         WHERE shard IN (SELECT value FROM json_each($1))",
    );
    let found = found.bind(json(shards)?).fetch_all(connection).await?;
    Ok(rows::all::<rows::LeaseRow, _, _>(found)?)
}

async fn known_requests(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<HashMap<(String, String), RequestRow>, Failure> {
    let keys: Vec<_> = requests(batch).map(RequestKeyCells::from).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(rows::all(named(&keys)?.fetch_all(connection).await?)?)
}

async fn known_claims(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<HashMap<ClaimKey, Claimant>, Failure> {
    let keys: Vec<ClaimKey> = claims(batch).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<ClaimKeyCells> = cells(&keys);
    let found = sqlx::query_as(
        "SELECT n.key AS place, c.holder, c.version FROM json_each($1) n CROSS JOIN claims c \
         ON c.kind = n.value ->> 'kind' AND c.is_installation = n.value ->> 'is_installation' \
         AND c.tenant = unhex(n.value ->> 'tenant', '-') AND c.key = n.value ->> 'key'",
    );
    let found: Vec<KnownClaimRow> = found.bind(json(&wanted)?).fetch_all(connection).await?;
    let mut known = HashMap::with_capacity(found.len());
    for row in found {
        let (place, holder) = <(usize, Claimant)>::try_from(row)?;
        known.extend(keys.get(place).map(|claim| (claim.clone(), holder)));
    }
    Ok(known)
}
