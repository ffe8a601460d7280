//! Connections to a database, each lent to one user at a time: made when there is none, and never
//! used again while it is not known what it is in the middle of.

use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After how much idleness a connection is asked whether it is still there.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// How long it may take to say so.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// As many connections as there are places.
///
/// A pool of sqlx's would ask a connection whether it is there before and after every use: three
/// exchanges in place of one.
pub(crate) struct Connections<C: Connection> {
    options: C::Options,
    places: Semaphore,
    idle: Mutex<Vec<Idle<C>>>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

/// A connection in use: closed, unless it is given back.
pub(crate) struct Lent<'c, C: Connection> {
    connection: C,
    place: SemaphorePermit<'c>,
    suspicion: Suspicion<'c, C>,
}

/// What befell one connection may have befallen the idle ones, too: they go unless it is allayed.
/// Also where nobody waited for the answer any more, for there may never have been one.
struct Suspicion<'c, C: Connection> {
    connections: &'c Connections<C>,
    is_allayed: bool,
}

impl<C: Connection> Connections<C> {
    pub(crate) fn new(options: C::Options, places: u32) -> Self {
        Self {
            options,
            places: Semaphore::new(places.max(1) as usize),
            idle: Mutex::default(),
        }
    }

    /// Waits for a place, and lends a connection with which `first` went well; what it gave comes
    /// along. It is done again on a new connection if it shows that one was lost while it was idle,
    /// so it must be something that may be done twice.
    pub(crate) async fn lend<T>(
        &self,
        first: impl for<'a> Fn(&'a mut C) -> BoxFuture<'a, Result<T, sqlx::Error>>,
    ) -> Result<(Lent<'_, C>, T), sqlx::Error> {
        let place = self.places.acquire().await;
        let mut place = place.map_err(|_| sqlx::Error::PoolClosed)?;
        if let Some(connection) = self.reuse().await {
            let mut lent = self.lent(connection, place);
            match first(&mut lent.connection).await {
                Ok(done) => return Ok((lent, done)),
                Err(lost) if error::is_lost(&lost) => place = lent.place,
                Err(failed) => return Err(failed),
            }
        }
        let connection = connect(&self.options).await?;
        let mut lent = self.lent(connection, place);
        let done = first(&mut lent.connection).await?;
        Ok((lent, done))
    }

    fn lent<'c>(&'c self, connection: C, place: SemaphorePermit<'c>) -> Lent<'c, C> {
        let suspicion = Suspicion {
            connections: self,
            is_allayed: false,
        };
        Lent {
            connection,
            place,
            suspicion,
        }
    }

    /// The connection that was used last, if it is still there.
    async fn reuse(&self) -> Option<C> {
        let Idle {
            mut connection,
            since,
        } = self.idle().pop()?;
        if since.elapsed() < IDLE_MAX {
            return Some(connection);
        }
        match tokio::time::timeout(PING_TIMEOUT, connection.ping()).await {
            Ok(Ok(())) => Some(connection),
            _ => {
                self.forget_idle();
                None
            }
        }
    }

    fn forget_idle(&self) {
        // Taken out first: closing them takes longer than the lock should be held.
        let gone = std::mem::take(&mut *self.idle());
        drop(gone);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connection> Lent<'_, C> {
    pub(crate) fn connection(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Lets others use it: it has answered everything, and is in the middle of nothing.
    pub(crate) fn give_back(mut self) {
        self.suspicion.is_allayed = true;
        self.suspicion.connections.idle().push(Idle {
            connection: self.connection,
            since: Instant::now(),
        });
    }
}

impl<C: Connection> Drop for Suspicion<'_, C> {
    fn drop(&mut self) {
        if !self.is_allayed {
            self.connections.forget_idle();
        }
    }
}

/// Connects, but does not wait without end for a server that says nothing.
pub(crate) async fn connect<O>(options: &O) -> Result<O::Connection, sqlx::Error>
where
    O: ConnectOptions<Connection: Sized>,
{
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connected) => connected,
        Err(_) => {
            let late = std::io::Error::new(ErrorKind::TimedOut, "connecting takes too long");
            Err(sqlx::Error::Io(late))
        }
    }
}
