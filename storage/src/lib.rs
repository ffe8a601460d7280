//! The journals of Quenty's contexts on Postgres and SQLite.
//!
//! ```text
//!  open         a journal for a context, by URL; migrations run first
//!     |
//!  commit       how a batch is written, the same on both: lock leases, plan, write, commit
//!     |-- postgres    one connection writes, a pool reads; a schema per context
//!     '-- sqlite      one connection writes, a pool reads; a file per context
//!  rows         stored columns to what the engine knows, checksums checked
//!  lists        a question for documents as SQL
//! ```
//!
//! What a batch comes to is decided by [`engine::journal::plan`], so that journals differ only in
//! how they store it; all pass [`engine::journal::conformance`].

mod commit;
mod error;
mod lists;
mod postgres;
mod rows;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use engine::journal::Journal;

pub use error::Error;
pub use postgres::Postgres;
pub use sqlite::Sqlite;

/// Opens the journal of a context: `sqlite:<folder>` or `postgres://…`. What is missing is made, and
/// migrations are run.
///
/// # Errors
/// When the URL is none of these, the database cannot be reached or is another process's, or it was
/// made with another number of shards.
pub async fn open(
    url: &str,
    context: &'static str,
    shards: u16,
    readers: u32,
) -> Result<Arc<dyn Journal>, Error> {
    match url.split_once(':') {
        Some(("sqlite", folder)) => {
            let folder = Path::new(folder.trim_start_matches("//"));
            Ok(Arc::new(
                Sqlite::open(folder, context, shards, readers).await?,
            ))
        }
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(
            Postgres::open(url, context, shards, readers).await?,
        )),
        _ => Err(Error::Url(url.to_owned())),
    }
}
