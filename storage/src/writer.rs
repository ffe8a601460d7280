//! The one connection that writes: made again when it is lost, and never used again while it is
//! not known what it is in the middle of.

use std::time::Duration;

use engine::journal::Error;
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{self, Failure};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the connection while nobody writes.
pub(crate) struct Writer<C: Connection> {
    options: C::Options,
    /// The statement that starts a transaction.
    begin: &'static str,
    idle: Mutex<Option<C>>,
}

/// An open transaction.
///
/// It has taken the connection away from its [`Writer`] and gives it back only once it is over for
/// sure. Dropped in the middle, as a commit that is timed out is, it takes the connection with it:
/// the database then undoes what is not committed and frees the locks, and until it has, whoever
/// takes the shards over waits for these locks.
pub(crate) struct Transaction<'w, C> {
    idle: MutexGuard<'w, Option<C>>,
    connection: C,
}

impl<C> Writer<C>
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    pub(crate) fn new(options: C::Options, begin: &'static str) -> Self {
        Self {
            options,
            begin,
            idle: Mutex::new(None),
        }
    }

    /// Waits for its turn and starts a transaction.
    pub(crate) async fn begin(&self) -> Result<Transaction<'_, C>, Error> {
        let mut idle = self.idle.lock().await;
        if let Some(mut connection) = idle.take() {
            match connection.execute(self.begin).await {
                Ok(_) => return Ok(Transaction { idle, connection }),
                // Lost while it was idle: nothing was under way, so a new one takes its place.
                Err(lost) if error::is_lost(&lost) => {}
                Err(failed) => return Err(error::of(&failed)),
            }
        }
        let mut connection = self.connect().await?;
        let started = connection.execute(self.begin).await;
        started.map_err(|failed| error::of(&failed))?;
        Ok(Transaction { idle, connection })
    }

    async fn connect(&self) -> Result<C, Error> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.options.connect());
        match connecting.await {
            Ok(connected) => connected.map_err(|failed| error::of(&failed)),
            Err(_) => Err(Error::Unavailable("connecting takes too long".into())),
        }
    }
}

impl<C> Transaction<'_, C>
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    pub(crate) fn connection(&mut self) -> &mut C {
        &mut self.connection
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
        let committed = self.connection.execute("COMMIT").await;
        committed.map_err(|failed| error::of_commit(&failed))?;
        self.give_back();
        Ok(())
    }

    async fn roll_back(mut self) {
        // If it cannot even do this, the connection goes, and the transaction with it.
        if self.connection.execute("ROLLBACK").await.is_ok() {
            self.give_back();
        }
    }

    fn give_back(mut self) {
        *self.idle = Some(self.connection);
    }
}
