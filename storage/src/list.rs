//! The statement that a list comes to: only the conditions asked for, so that the database can pick
//! the index that fits them.

use engine::journal::Query;
use engine::journal::plan::{fold, is_storable};
use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use crate::values::ms;

const SELECT: &str = "SELECT kind, id, tenant, version, schema, created_at, updated_at, \
     reference, status, parent, site, flagged, text, listed, listed_checksum \
     FROM documents WHERE kind = ";

/// The statement of a list; `None` if nothing can match it.
pub(crate) fn statement<DB>(query: &Query) -> Option<QueryBuilder<DB>>
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
{
    if !can_match(query) {
        return None;
    }
    let mut sql = QueryBuilder::new(SELECT);
    sql.push_bind(query.kind);
    push_ids(&mut sql, query);
    push_texts(&mut sql, query);
    push_span(&mut sql, query);
    push_order(&mut sql, query);
    Some(sql)
}

/// Nothing stored has a NUL in it, and Postgres would refuse to look for one.
fn can_match(query: &Query) -> bool {
    let texts = [&query.reference, &query.search];
    let mut status = query.status.iter();
    texts.into_iter().flatten().all(|text| is_storable(text))
        && (query.status.is_empty() || status.any(|name| is_storable(name)))
}

fn push_ids<DB>(sql: &mut QueryBuilder<DB>, query: &Query)
where
    DB: Database,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    let ids = [
        (" AND tenant = ", query.tenant),
        (" AND parent = ", query.parent),
        (" AND site = ", query.site),
    ];
    for (condition, id) in ids {
        if let Some(id) = id {
            sql.push(condition).push_bind(id);
        }
    }
    // Written out, so that it fits the condition of the index.
    match query.flagged {
        Some(true) => sql.push(" AND flagged"),
        Some(false) => sql.push(" AND NOT flagged"),
        None => sql,
    };
}

fn push_texts<DB>(sql: &mut QueryBuilder<DB>, query: &Query)
where
    DB: Database,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    if let Some(reference) = &query.reference {
        sql.push(" AND reference = ").push_bind(reference.clone());
    }
    if !query.status.is_empty() {
        sql.push(" AND status IN (");
        let mut names = sql.separated(", ");
        for name in query.status.iter().filter(|name| is_storable(name)) {
            names.push_bind(name.clone());
        }
        sql.push(")");
    }
    if let Some(needle) = query.search.as_deref().filter(|needle| !needle.is_empty()) {
        sql.push(" AND text LIKE ").push_bind(containing(needle));
        sql.push(" ESCAPE '\\'");
    }
}

fn push_span<DB>(sql: &mut QueryBuilder<DB>, query: &Query)
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    if let Some(from) = query.created_from {
        sql.push(" AND created_at >= ").push_bind(ceiling(from));
    }
    if let Some(before) = query.created_before {
        sql.push(" AND created_at < ").push_bind(ceiling(before));
    }
    if let Some((at, id)) = query.after {
        let comparison = if query.descending { "<" } else { ">" };
        sql.push(format_args!(" AND (created_at, id) {comparison} ("));
        sql.push_bind(ms(at)).push(", ").push_bind(id).push(")");
    }
}

fn push_order<DB>(sql: &mut QueryBuilder<DB>, query: &Query)
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let order = if query.descending { "DESC" } else { "ASC" };
    sql.push(format_args!(
        " ORDER BY created_at {order}, id {order} LIMIT "
    ));
    sql.push_bind(i64::from(query.limit));
}

/// The first whole millisecond that is not before a moment.
fn ceiling(at: chrono::DateTime<chrono::Utc>) -> i64 {
    let whole = ms(at);
    whole + i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1_000_000))
}

/// The pattern of the texts that contain a needle.
fn containing(needle: &str) -> String {
    let mut pattern = String::with_capacity(needle.len() + 2);
    pattern.push('%');
    for character in fold(needle).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_their_needle_literally() {
        assert_eq!(containing("50%_Ä\\"), "%50\\%\\_ä\\\\%");
    }
}
