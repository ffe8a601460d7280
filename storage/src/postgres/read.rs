//! What Postgres is asked in its own words, and the forgetting of old request keys.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use engine::journal::plan::{cut_page, tenant_bounds};
use engine::journal::{Document, Error, Read, RequestRow, TenantPage};
use engine::{EntityKey, Shard};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use uuid::Uuid;

use crate::cells::{BoundCells, KeyCells, RequestKeyCells, cells};
use crate::reads::{Reads, document_columns, event_columns, request_columns};
use crate::rows::{EventRow, KeyRow, all, in_places};
use crate::values::ms;

use super::write::column;

/// How many documents are forgotten in one statement.
const PRUNE_STEP: i64 = 1_000;
/// Pages of request keys that are looked through in one statement: some 2,000 rows.
const PRUNE_PAGES: i64 = 32;

pub(super) async fn load(
    reads: &Reads<Postgres>,
    keys: &[EntityKey],
) -> Result<Vec<Option<Document>>, Error> {
    let wanted: Vec<KeyCells> = cells(keys);
    let query = sqlx::query_as(concat!(
        "SELECT n.place - 1 AS place, ",
        document_columns!(),
        " FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS n(kind, id, place) ",
        "JOIN documents d ON d.kind = n.kind AND d.id = n.id"
    ));
    let query = query
        .bind(column(&wanted, |key| key.kind))
        .bind(column(&wanted, |key| key.id));
    in_places(reads.rows(query).await?, keys.len())
}

/// What is known of requests.
pub(super) async fn requests(
    reads: &Reads<Postgres>,
    keys: &[(String, String)],
) -> Result<Vec<Option<RequestRow>>, Error> {
    let wanted: Vec<_> = RequestKeyCells::storable(keys).collect();
    let known: HashMap<_, _> = all(reads.rows(named(&wanted)).await?)?;
    Ok(keys.iter().map(|key| known.get(key).cloned()).collect())
}

/// Finds requests by their scopes and keys.
pub(super) fn named<'q>(
    keys: &[RequestKeyCells<'q>],
) -> QueryAs<'q, Postgres, KeyRow, PgArguments> {
    let query = sqlx::query_as(concat!(
        "SELECT ",
        request_columns!(),
        " FROM unnest($1::text[], $2::text[]) AS n(scope, key) ",
        "JOIN requests r ON r.scope = n.scope AND r.key = n.key"
    ));
    query
        .bind(column(keys, |key| key.scope))
        .bind(column(keys, |key| key.key))
}

pub(super) async fn tenant_feed(
    reads: &Reads<Postgres>,
    tenant: Uuid,
    after: &[(Shard, u64)],
    span: u32,
    limit: u32,
) -> Result<TenantPage, Error> {
    let bounds = tenant_bounds(after, &reads.heads().await?, span);
    let open = bounds.iter().filter(|(_, after, until)| after < until);
    let open: Vec<_> = open.map(BoundCells::from).collect();
    if open.is_empty() {
        return Ok(cut_page(Vec::new(), &bounds, limit));
    }
    // In the order in which the page is cut, so that no more is read than it takes.
    let query = sqlx::query_as(concat!(
        "SELECT ",
        event_columns!(),
        " FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS n(shard, after, until) ",
        "JOIN events e ON e.shard = n.shard AND e.seq > n.after AND e.seq <= n.until ",
        "WHERE e.tenant = $4 ORDER BY e.seq - n.after, e.shard LIMIT $5"
    ));
    let query = query
        .bind(column(&open, |bound| bound.shard))
        .bind(column(&open, |bound| bound.after))
        .bind(column(&open, |bound| bound.until))
        .bind(tenant)
        .bind(i64::from(limit));
    let rows = reads.rows::<EventRow>(query).await?;
    let events = rows.into_iter().map(Read::from).collect();
    Ok(cut_page(events, &bounds, limit))
}

/// Forgets documents in steps that are short enough to disturb nobody.
pub(super) async fn prune_documents(
    reads: &Reads<Postgres>,
    kind: &str,
    statuses: &[&str],
    before: DateTime<Utc>,
) -> Result<u64, Error> {
    let mut gone = 0;
    loop {
        let step = sqlx::query(
            "DELETE FROM documents WHERE ctid = ANY(ARRAY(SELECT ctid FROM documents \
             WHERE kind = $1 AND status = ANY($2) AND updated_at < $3 LIMIT $4)) \
             AND status = ANY($2) AND updated_at < $3",
        );
        let step = step
            .bind(kind)
            .bind(statuses)
            .bind(ms(before))
            .bind(PRUNE_STEP);
        let done = reads.execute(step).await?.rows_affected();
        gone += done;
        if done < PRUNE_STEP.unsigned_abs() {
            return Ok(gone);
        }
    }
}

/// Forgets request keys, in steps that are short enough to disturb nobody: page by page, since an
/// index of their age would cost every commit more than looking through all of them costs at times.
pub(super) async fn prune(
    reads: &Reads<Postgres>,
    clients_before: DateTime<Utc>,
    policies_before: DateTime<Utc>,
) -> Result<u64, Error> {
    let pages = sqlx::query_as(
        "SELECT pg_relation_size('requests') / current_setting('block_size')::bigint",
    );
    let pages: Vec<(i64,)> = reads.rows(pages).await?;
    let pages = pages.first().map_or(0, |(pages,)| *pages);
    let mut gone = 0;
    let mut first = 0;
    while first < pages {
        let step = sqlx::query(
            "DELETE FROM requests \
             WHERE ctid >= format('(%s,0)', $1::bigint)::tid \
             AND ctid < format('(%s,0)', $2::bigint)::tid \
             AND at < CASE WHEN is_client THEN $3 ELSE $4 END",
        );
        let step = step
            .bind(first)
            .bind(first + PRUNE_PAGES)
            .bind(ms(clients_before))
            .bind(ms(policies_before));
        gone += reads.execute(step).await?.rows_affected();
        first += PRUNE_PAGES;
    }
    Ok(gone)
}
