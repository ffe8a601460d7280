//! What SQLite is asked in its own words.

use std::collections::HashMap;

use engine::journal::plan::{cut_page, tenant_bounds};
use engine::journal::{Document, Error, Read, RequestRow, TenantPage};
use engine::{EntityKey, Shard};
use sqlx::Sqlite;
use sqlx::query::QueryAs;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

use crate::cells::{BoundCells, KeyCells, RequestKeyCells, cells};
use crate::reads::{Reads, document_columns, event_columns, request_columns};
use crate::rows::{EventRow, KeyRow, all, in_places};

use super::write::json;

// CROSS JOIN is how SQLite is told to start with the keys, and to find each by its index.

pub(super) async fn load(
    reads: &Reads<Sqlite>,
    keys: &[EntityKey],
) -> Result<Vec<Option<Document>>, Error> {
    let wanted: Vec<KeyCells> = cells(keys);
    let query = sqlx::query_as(concat!(
        "SELECT n.key AS place, ",
        document_columns!(),
        " FROM json_each($1) n CROSS JOIN documents d \
         ON d.kind = n.value ->> 'kind' AND d.id = unhex(n.value ->> 'id', '-')"
    ));
    let query = query.bind(json(&wanted)?);
    in_places(reads.rows(query).await?, keys.len())
}

/// What is known of requests.
pub(super) async fn requests(
    reads: &Reads<Sqlite>,
    keys: &[(String, String)],
) -> Result<Vec<Option<RequestRow>>, Error> {
    let wanted: Vec<_> = RequestKeyCells::storable(keys).collect();
    let known: HashMap<_, _> = all(reads.rows(named(&wanted)?).await?)?;
    Ok(keys.iter().map(|key| known.get(key).cloned()).collect())
}

/// Finds requests by their scopes and keys.
pub(super) fn named(
    keys: &[RequestKeyCells<'_>],
) -> Result<QueryAs<'static, Sqlite, KeyRow, SqliteArguments>, Error> {
    let query = sqlx::query_as(concat!(
        "SELECT ",
        request_columns!(),
        " FROM json_each($1) n CROSS JOIN requests r \
         ON r.scope = n.value ->> 'scope' AND r.key = n.value ->> 'key'"
    ));
    Ok(query.bind(json(keys)?))
}

pub(super) async fn tenant_feed(
    reads: &Reads<Sqlite>,
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
        " FROM json_each($1) n CROSS JOIN events e ON e.shard = n.value ->> 'shard' \
         AND e.seq > n.value ->> 'after' AND e.seq <= n.value ->> 'until' \
         WHERE e.tenant = $2 ORDER BY e.seq - (n.value ->> 'after'), e.shard LIMIT $3"
    ));
    let query = query.bind(json(&open)?).bind(tenant).bind(i64::from(limit));
    let rows = reads.rows::<EventRow>(query).await?;
    let events = rows.into_iter().map(Read::from).collect();
    Ok(cut_page(events, &bounds, limit))
}
