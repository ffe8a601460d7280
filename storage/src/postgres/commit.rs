//! The transactions of Postgres: leases, a plan made with them, and what it says written down.

use std::collections::HashMap;

use engine::journal::plan::{ClaimKey, Known, LeaseRow, Plan, claims, requests, shards};
use engine::journal::{Batch, Claimant, Error, Lease, Outcome, RequestRow};
use engine::{Shard, faults};
use sqlx::{FromRow as _, PgConnection};
use uuid::Uuid;

use crate::cells::RequestKeyCells;
use crate::error::{self, Failure};
use crate::rows::{self, KnownClaimRow};
use crate::writer::{Transaction, Writer};

use super::read::named;
use super::write::{column, write};

/// Leases of shards.
pub(super) type Leases = HashMap<Shard, LeaseRow>;

/// Commits a batch, and gives its shards' leases as they are afterwards.
///
/// With the leases given as they were last seen, it does not lock them first, and fails with
/// [`Failure::Moved`] if they are not like that any more. Without looking request keys and claims
/// up it fails with [`Failure::Taken`] if one of them is not free.
pub(super) async fn commit(
    writer: &Writer<PgConnection>,
    batch: &Batch,
    seen: Option<Leases>,
    look_up: bool,
) -> Result<(Vec<Outcome>, Leases), Failure> {
    let (mut transaction, leases) = match seen {
        Some(leases) => (writer.begin("BEGIN".into()).await?.0, leases),
        None => lock(writer, &shards(batch)).await?,
    };
    let written = plan_and_write(transaction.connection(), batch, leases, look_up).await;
    faults::reach_with_batch("before-commit", batch);
    transaction.finish(written).await
}

/// Raises the epochs of shards.
pub(super) async fn take_over(
    writer: &Writer<PgConnection>,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Error> {
    let (mut transaction, locked) = lock(writer, shards).await?;
    let raised = raise(transaction.connection(), node, shards, &locked).await;
    Ok(transaction.finish(raised).await?)
}

/// Raises the epochs of those shards that a node still owns.
pub(super) async fn renew(
    writer: &Writer<PgConnection>,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Error> {
    let (mut transaction, _) = lock(writer, shards).await?;
    let raised = raise_own(transaction.connection(), node, shards).await;
    Ok(transaction.finish(raised).await?)
}

/// Starts a transaction that has locked the rows of shards, which waits for whoever is writing
/// them. Everybody locks in the order of the shards, so that no two wait for each other.
async fn lock<'w>(
    writer: &'w Writer<PgConnection>,
    shards: &[Shard],
) -> Result<(Transaction<'w, PgConnection>, Leases), Error> {
    let numbers: Vec<_> = shards.iter().map(|shard| shard.0.to_string()).collect();
    let statements = format!(
        "BEGIN; SELECT shard, epoch, last_seq FROM leases \
         WHERE shard = ANY('{{{}}}') ORDER BY shard FOR UPDATE",
        numbers.join(",")
    );
    let (transaction, found) = writer.begin(statements.into()).await?;
    let locked = found.iter().map(rows::LeaseRow::from_row);
    let locked = locked.collect::<Result<Vec<_>, _>>();
    let locked = locked.map_err(|failed| error::of(&failed))?;
    Ok((transaction, rows::all(locked)?))
}

async fn plan_and_write(
    connection: &mut PgConnection,
    batch: &Batch,
    leases: Leases,
    look_up: bool,
) -> Result<(Vec<Outcome>, Leases), Failure> {
    let mut known = Known {
        leases,
        ..Known::default()
    };
    if look_up {
        known.requests = known_requests(connection, batch).await?;
        known.claims = known_claims(connection, batch).await?;
    }
    let mut plan = Plan::of(batch, &known)?;
    let outcomes = std::mem::take(&mut plan.outcomes);
    let leases = write(connection, plan, known.leases).await?;
    Ok((outcomes, leases))
}

async fn raise(
    connection: &mut PgConnection,
    node: Uuid,
    shards: &[Shard],
    locked: &Leases,
) -> Result<Vec<Lease>, Failure> {
    let lease = |shard: &Shard| match locked.get(shard) {
        Some(row) => Ok(Lease {
            shard: *shard,
            epoch: row.epoch + 1,
        }),
        None => Err(Error::Refused(format!("there is no shard {}", shard.0))),
    };
    let leases = shards.iter().map(lease).collect::<Result<Vec<_>, _>>()?;
    let raised =
        sqlx::query("UPDATE leases SET epoch = epoch + 1, node = $1 WHERE shard = ANY($2)");
    let raised = raised.bind(node).bind(numbers(shards));
    raised.execute(connection).await?;
    Ok(leases)
}

async fn raise_own(
    connection: &mut PgConnection,
    node: Uuid,
    shards: &[Shard],
) -> Result<Vec<Lease>, Failure> {
    let renewed = sqlx::query_as(
        "UPDATE leases SET epoch = epoch + 1 WHERE node = $1 AND shard = ANY($2) \
         RETURNING shard, epoch, last_seq",
    );
    let renewed = renewed.bind(node).bind(numbers(shards));
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

fn numbers(shards: &[Shard]) -> Vec<i32> {
    column(shards, |shard| shard.0.into())
}

async fn known_requests(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<HashMap<(String, String), RequestRow>, Failure> {
    let keys: Vec<_> = requests(batch).map(RequestKeyCells::from).collect();
    Ok(rows::all(named(&keys).fetch_all(connection).await?)?)
}

async fn known_claims(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<HashMap<ClaimKey, Claimant>, Failure> {
    let keys: Vec<ClaimKey> = claims(batch).collect();
    let found = sqlx::query_as(
        "SELECT n.place - 1 AS place, c.holder, c.version \
         FROM unnest($1::text[], $2::boolean[], $3::uuid[], $4::text[]) \
         WITH ORDINALITY AS n(kind, is_installation, tenant, key, place) \
         JOIN claims c ON c.kind = n.kind AND c.is_installation = n.is_installation \
         AND c.tenant = n.tenant AND c.key = n.key",
    );
    let found: Vec<KnownClaimRow> = found
        .bind(column(&keys, |claim| claim.kind))
        .bind(column(&keys, |claim| claim.is_installation))
        .bind(column(&keys, |claim| claim.tenant))
        .bind(column(&keys, |claim| claim.key.as_str()))
        .fetch_all(connection)
        .await?;
    let mut known = HashMap::with_capacity(found.len());
    for row in found {
        let (place, holder) = <(usize, Claimant)>::try_from(row)?;
        known.extend(keys.get(place).map(|claim| (claim.clone(), holder)));
    }
    Ok(known)
}
