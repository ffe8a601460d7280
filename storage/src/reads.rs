//! What both databases are asked in the same words.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine::journal;
use engine::journal::plan::{ClaimKey, is_storable};
use engine::journal::{Claimant, Document, DueTimer, Error, Parked};
use engine::{EntityKey, Recorded, Shard};
use futures::future::BoxFuture;
use sqlx::query::{Query, QueryAs};
use sqlx::{Database, Encode, Execute, Executor, FromRow, IntoArguments, Type};
use uuid::Uuid;

use crate::connections::Connections;
use crate::rows::{
    ClaimantRow, DocumentRow, EventRow, ParkedRow, PositionRow, TimerRow, all, before_damage,
};
use crate::values::{int, ms};
use crate::{error, list};

/// How long a read may take, waiting for a connection included.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// The columns of an event, of a table called `e`.
///
/// Named one by one: what a later migration adds must not change what a running node reads.
macro_rules! event_columns {
    () => {
        concat!("e.shard, e.seq, ", $crate::reads::placed_columns!())
    };
}
pub(crate) use event_columns;

/// Those beside its place.
macro_rules! placed_columns {
    () => {
        "e.kind, e.entity, e.version, e.tenant, e.at, e.name, e.schema, e.data, e.personal, \
         e.principal, e.request_id, e.cause, e.checksum, e.personal_checksum"
    };
}
pub(crate) use placed_columns;

/// Parked events with what is there in their places, to be narrowed.
macro_rules! parked_rows {
    () => {
        concat!(
            "SELECT p.subscriber, p.event AS id, p.reason, p.attempts, p.at AS tried_at, \
             p.shard, p.seq, ",
            placed_columns!(),
            " FROM parked p LEFT JOIN events e ON e.shard = p.shard AND e.seq = p.seq "
        )
    };
}

/// The columns of a request, of a table called `r`.
macro_rules! request_columns {
    () => {
        "r.scope, r.key, r.body_hash, r.kind, r.entity, r.version, r.refusal, r.at, \
         r.answer_status, r.answer_headers, r.answer_body"
    };
}
pub(crate) use request_columns;

/// The columns of a document with its full state, of a table called `d`.
macro_rules! document_columns {
    () => {
        "d.kind, d.id, d.tenant, d.version, d.schema, d.created_at, d.updated_at, d.reference, \
         d.status, d.parent, d.site, d.flagged, d.text, d.listed, d.listed_checksum, d.state, \
         d.state_version, d.state_checksum"
    };
}
pub(crate) use document_columns;

/// The connections that read.
pub(crate) struct Reads<DB: Database>(pub(crate) Connections<DB::Connection>);

impl<DB> Reads<DB>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB> + Clone,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i32: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> bool: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'r> ClaimantRow: FromRow<'r, DB::Row>,
    for<'r> EventRow: FromRow<'r, DB::Row>,
    for<'r> DocumentRow: FromRow<'r, DB::Row>,
    for<'r> ParkedRow: FromRow<'r, DB::Row>,
    for<'r> PositionRow: FromRow<'r, DB::Row>,
    for<'r> TimerRow: FromRow<'r, DB::Row>,
{
    pub(crate) async fn history(
        &self,
        key: EntityKey,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let query = sqlx::query_as(concat!(
            "SELECT ",
            event_columns!(),
            " FROM events e WHERE kind = $1 AND entity = $2 AND version > $3 ",
            "ORDER BY version LIMIT $4"
        ));
        let query = query.bind(key.kind).bind(key.id).bind(int(after_version));
        all(self.rows::<EventRow>(query.bind(i64::from(limit))).await?)
    }

    pub(crate) async fn feed(
        &self,
        shard: Shard,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, Error> {
        let query = sqlx::query_as(concat!(
            "SELECT ",
            event_columns!(),
            " FROM events e WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        ));
        let query = query.bind(i32::from(shard.0)).bind(int(after));
        let rows = self.rows::<EventRow>(query.bind(i64::from(limit))).await?;
        Ok(before_damage(rows)?)
    }

    pub(crate) async fn heads<C>(&self) -> Result<C, Error>
    where
        C: FromIterator<(Shard, u64)>,
    {
        let query = "SELECT shard, last_seq AS seq FROM leases WHERE last_seq > 0";
        all(self.rows::<PositionRow>(sqlx::query_as(query)).await?)
    }

    pub(crate) async fn due_timers(
        &self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<DueTimer>, Error> {
        let query = sqlx::query_as(
            "SELECT kind, entity, tenant, name, at FROM timers WHERE at <= $1 \
             ORDER BY at LIMIT $2",
        );
        let query = query.bind(ms(now)).bind(i64::from(limit));
        all(self.rows::<TimerRow>(query).await?)
    }

    pub(crate) async fn claimant(&self, claim: ClaimKey) -> Result<Option<Claimant>, Error> {
        if !is_storable(&claim.key) {
            return Ok(None);
        }
        let query = sqlx::query_as(
            "SELECT holder, version FROM claims \
             WHERE kind = $1 AND is_installation = $2 AND tenant = $3 AND key = $4",
        );
        let query = query.bind(claim.kind).bind(claim.is_installation);
        let query = query.bind(claim.tenant).bind(claim.key);
        let found = self.rows::<ClaimantRow>(query).await?;
        found.into_iter().next().map(Claimant::try_from).transpose()
    }

    pub(crate) async fn list(&self, query: &journal::Query) -> Result<Vec<Document>, Error> {
        match list::statement::<DB>(query) {
            Some(mut statement) => {
                let rows = self.rows::<DocumentRow>(statement.build_query_as()).await?;
                all(rows)
            }
            None => Ok(Vec::new()),
        }
    }

    pub(crate) async fn checkpoints(&self, subscriber: &str) -> Result<Vec<(Shard, u64)>, Error> {
        if !is_storable(subscriber) {
            return Ok(Vec::new());
        }
        let query = "SELECT shard, seq FROM checkpoints WHERE subscriber = $1";
        let query = sqlx::query_as(query).bind(subscriber);
        all(self.rows::<PositionRow>(query).await?)
    }

    pub(crate) async fn parked(
        &self,
        subscriber: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error> {
        // Every id comes after the empty text.
        let after = after.unwrap_or_default();
        if !is_storable(subscriber) || !is_storable(after) {
            return Ok(Vec::new());
        }
        let query = sqlx::query_as(concat!(
            parked_rows!(),
            "WHERE p.subscriber = $1 AND p.event > $2 ORDER BY p.event LIMIT $3"
        ));
        let query = query.bind(subscriber).bind(after).bind(i64::from(limit));
        all(self.rows::<ParkedRow>(query).await?)
    }

    pub(crate) async fn parked_event(
        &self,
        subscriber: &str,
        event: &str,
    ) -> Result<Option<Parked>, Error> {
        if !is_storable(subscriber) || !is_storable(event) {
            return Ok(None);
        }
        let query = sqlx::query_as(concat!(
            parked_rows!(),
            "WHERE p.subscriber = $1 AND p.event = $2"
        ));
        let found = self.rows::<ParkedRow>(query.bind(subscriber).bind(event));
        let mut found: Vec<Parked> = all(found.await?)?;
        Ok(found.pop())
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.execute(sqlx::query("SELECT 1")).await.map(drop)
    }

    /// The rows that a query finds.
    pub(crate) async fn rows<R>(
        &self,
        mut query: QueryAs<'_, DB, R, DB::Arguments>,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, DB::Row> + Send + Unpin + 'static,
    {
        let arguments = arguments::<DB>(&mut query)?;
        let sql = query.sql();
        self.ask(move |connection| {
            let query = sqlx::query_as_with(sql.clone(), arguments.clone());
            Box::pin(query.fetch_all(connection))
        })
        .await
    }

    /// What a statement does that may be done twice.
    pub(crate) async fn execute(
        &self,
        mut statement: Query<'_, DB, DB::Arguments>,
    ) -> Result<DB::QueryResult, Error> {
        let arguments = arguments::<DB>(&mut statement)?;
        let sql = statement.sql();
        self.ask(move |connection| {
            let statement = sqlx::query_with(sql.clone(), arguments.clone());
            Box::pin(statement.execute(connection))
        })
        .await
    }

    async fn ask<T>(
        &self,
        question: impl for<'a> Fn(&'a mut DB::Connection) -> BoxFuture<'a, Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        let (lent, answer) = within(self.0.lend(question)).await?;
        lent.give_back();
        Ok(answer)
    }
}

/// What is bound to a statement.
fn arguments<'q, DB: Database>(
    statement: &mut impl Execute<'q, DB>,
) -> Result<DB::Arguments, Error> {
    let arguments = statement.take_arguments();
    let arguments = arguments.map_err(|failed| Error::Refused(failed.to_string()))?;
    Ok(arguments.unwrap_or_default())
}

/// Bounds a read: a server that went away without a word would be waited for without end.
pub(crate) async fn within<T>(
    read: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(result) => result.map_err(|failed| error::of(&failed)),
        Err(_) => Err(Error::Unavailable("a read takes too long".into())),
    }
}
