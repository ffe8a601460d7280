//! Transactions on the one connection that writes.

use std::borrow::Cow;

use engine::journal::Error;
use sqlx::{AssertSqlSafe, Connection, Database, Executor};

use crate::connections::{Connections, Lent};
use crate::error::{self, Failure};

/// Keeps the connection while nobody writes.
pub(crate) struct Writer<C: Connection>(Connections<C>);

/// An open transaction.
///
/// It has the connection, and lets the next one have it only once it is over for sure. Dropped in
/// the middle, as a commit that is timed out is, it takes the connection with it: the database then
/// undoes what is not committed and frees the locks, and until it has, whoever takes the shards
/// over waits for these locks.
pub(crate) struct Transaction<'w, C: Connection>(Lent<'w, C>);

type Row<C> = <<C as Connection>::Database as Database>::Row;

impl<C: Connection> Writer<C>
where
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    pub(crate) fn new(options: C::Options) -> Self {
        Self(Connections::new(options, 1))
    }

    /// Waits for its turn and starts a transaction, by statements which change nothing; what they
    /// find comes along. They go as one text, since each exchange costs more than what it is for.
    pub(crate) async fn begin(
        &self,
        statements: Cow<'static, str>,
    ) -> Result<(Transaction<'_, C>, Vec<Row<C>>), Error> {
        let begun = self.0.lend(move |connection| {
            let statements = sqlx::raw_sql(AssertSqlSafe(statements.clone()));
            Box::pin(statements.fetch_all(connection))
        });
        let (lent, found) = begun.await.map_err(|failed| error::of(&failed))?;
        Ok((Transaction(lent), found))
    }
}

impl<C: Connection> Transaction<'_, C>
where
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    pub(crate) fn connection(&mut self) -> &mut C {
        self.0.connection()
    }

    /// Commits what was written, or undoes it all.
    pub(crate) async fn finish<T>(self, written: Result<T, Failure>) -> Result<T, Failure> {
        if written.is_ok() {
            self.commit().await?;
        } else {
            self.roll_back().await;
        }
        written
    }

    async fn commit(mut self) -> Result<(), Error> {
        let committed = self.connection().execute("COMMIT").await;
        committed.map_err(|failed| error::of_commit(&failed))?;
        self.0.give_back();
        Ok(())
    }

    async fn roll_back(mut self) {
        // If it cannot even do this, the connection goes, and the transaction with it.
        if self.connection().execute("ROLLBACK").await.is_ok() {
            self.0.give_back();
        }
    }
}
