//! A question for documents as SQL, the same for both databases but for one function's name.

use engine::journal::Query;
use engine::journal::plan::{fold, is_storable};
use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use crate::rows::LISTED;

/// The statement for a page; `None` where a text is asked for that no database can hold, so that
/// nothing matches. `position` is the function that finds a text in a text.
pub(crate) fn select<DB: Database>(query: &Query, position: &str) -> Option<QueryBuilder<DB>>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> bool: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    let mut texts = query.reference.iter().chain(&query.search);
    let statuses: Vec<_> = query.status.iter().filter(|it| is_storable(it)).collect();
    if !texts.all(|text| is_storable(text)) || statuses.is_empty() != query.status.is_empty() {
        return None;
    }
    let mut sql = QueryBuilder::new(format!("SELECT {LISTED} FROM documents WHERE kind = "));
    sql.push_bind(query.kind.to_owned());
    if let Some(tenant) = query.tenant {
        sql.push(" AND tenant = ").push_bind(tenant);
    }
    if let Some(reference) = &query.reference {
        sql.push(" AND reference = ").push_bind(reference.clone());
    }
    if !statuses.is_empty() {
        sql.push(" AND status IN (");
        let mut list = sql.separated(", ");
        for status in statuses {
            list.push_bind(status.clone());
        }
        sql.push(")");
    }
    if let Some(parent) = query.parent {
        sql.push(" AND parent = ").push_bind(parent);
    }
    if let Some(site) = query.site {
        sql.push(" AND site = ").push_bind(site);
    }
    if let Some(flagged) = query.flagged {
        sql.push(" AND flagged = ").push_bind(flagged);
    }
    if let Some(search) = query.search.as_deref().filter(|search| !search.is_empty()) {
        sql.push(format!(" AND {position}(text, "))
            .push_bind(fold(search));
        sql.push(") > 0");
    }
    span(query, &mut sql);
    Some(sql)
}

/// The span of time, where the last page ended, the order and the limit.
fn span<DB: Database>(query: &Query, sql: &mut QueryBuilder<DB>)
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    if let Some(from) = query.created_from {
        sql.push(" AND created_at >= ")
            .push_bind(up_milliseconds(from));
    }
    if let Some(before) = query.created_before {
        sql.push(" AND created_at < ")
            .push_bind(up_milliseconds(before));
    }
    let (beyond, order) = if query.descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    if let Some((at, id)) = query.after {
        sql.push(format!(" AND (created_at, id) {beyond} ("))
            .push_bind(at.timestamp_millis());
        sql.push(", ").push_bind(id).push(")");
    }
    sql.push(format!(" ORDER BY created_at {order}, id {order} LIMIT "))
        .push_bind(i64::from(query.limit));
}

/// Stored times are whole milliseconds: one within a millisecond bounds as its end does.
fn up_milliseconds(time: chrono::DateTime<chrono::Utc>) -> i64 {
    let whole = time.timestamp_millis();
    whole + i64::from(time.timestamp_subsec_nanos() % 1_000_000 > 0)
}
