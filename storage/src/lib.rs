//! Durable journals: the engine's port to storage, kept by Postgres or by SQLite.
//!
//! ```text
//!  commit(batch)                      load, history, feed, list …
//!      |                                   |
//!   writer   one connection             reads    several; the same SQL on both databases
//!      |                                   |
//!      '------------- connections ---------'     lent, never reused in doubt
//!   BEGIN                                rows    what is read -> what the engine knows,
//!      leases  locked, epochs read               checksums compared
//!      Plan    judged by the engine
//!      cells   the plan as columns and checksums
//!      one statement in all, or one per table
//!   COMMIT, with fsync
//! ```
//! What a batch comes to is judged by [`engine::journal::plan`], so that every journal judges
//! alike; here it is only looked up and written down.

mod connections;
mod error;
mod migrations;
mod writer;

mod cells;
mod list;
mod reads;
mod rows;
mod values;

mod postgres;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use engine::journal::{Error, Journal};

pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Opens the journal of a context, and makes or migrates it first if need be.
///
/// The URL is `postgres://…`, where each context has a schema of its own, or `sqlite:<folder>`,
/// where each has a file of its own, `<folder>/<context>.db`. `shards` holds for good: a journal
/// that was made with another number is refused. `readers` is how many connections read at once.
///
/// # Errors
/// [`Error::Unavailable`] if the database cannot be reached or is in use by another process,
/// [`Error::Refused`] if it is not fit to be a journal or is another one.
pub async fn open(
    url: &str,
    context: &'static str,
    shards: u16,
    readers: u32,
) -> Result<Arc<dyn Journal>, Error> {
    Ok(match folder(url) {
        Some(folder) => Arc::new(Sqlite::open(folder.as_ref(), context, shards, readers).await?),
        None => Arc::new(Postgres::open(url, context, shards, readers).await?),
    })
}

/// Waits until the database of a URL takes connections, for at most so long.
///
/// Only for what passes by itself: nobody listens yet, the name is not known yet, the server is
/// starting up or has too many clients. SQLite is always there.
///
/// # Errors
/// [`Error::Unavailable`] if it is still not there, or at once if a password or a name is wrong;
/// [`Error::Refused`] if the URL is not understood.
pub async fn reach(url: &str, wait: Duration) -> Result<(), Error> {
    match folder(url) {
        Some(_) => Ok(()),
        None => Postgres::reach(url, wait).await,
    }
}

/// Makes or migrates the journal of a context without opening it; [`open`] does so by itself.
///
/// # Errors
/// As [`open`].
pub async fn migrate(url: &str, context: &'static str) -> Result<(), Error> {
    match folder(url) {
        Some(folder) => Sqlite::migrate(folder.as_ref(), context).await,
        None => Postgres::migrate(url, context).await,
    }
}

/// The folder that a URL of SQLite names.
fn folder(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}
