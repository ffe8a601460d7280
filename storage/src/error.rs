//! What can go wrong with a database, and what it means to the engine.

use std::path::PathBuf;

use engine::journal;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a URL of a database.
    #[error("{0:?} is no storage: use sqlite:<folder> or postgres://…")]
    Url(String),
    /// There is no such context.
    #[error("there is no context {0:?}")]
    Context(String),
    /// Another process has the files.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The files cannot be used.
    #[error("using {}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was made with another number of shards, which never changes.
    #[error("the storage was made with {stored} shards, not {wanted}")]
    Shards {
        /// How many it has.
        stored: u16,
        /// How many were asked for.
        wanted: u16,
    },
    /// The migrations do not run.
    #[error("bringing the database up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database refuses.
    #[error("opening the database")]
    Database(#[from] sqlx::Error),
}

/// What a database's error means for whoever reads, or for a batch that was not committed.
pub(crate) fn meaning(error: sqlx::Error) -> journal::Error {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(said) => match said.code() {
            Some(code) if is_passing(&code) => journal::Error::Unavailable(text),
            _ => journal::Error::Refused(text),
        },
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_) => journal::Error::Damaged(text),
        sqlx::Error::Encode(_) => journal::Error::Refused(text),
        _ => journal::Error::Unavailable(text),
    }
}

/// What an error of COMMIT itself means: only what the database says in so many words is certain.
pub(crate) fn meaning_of_commit(error: sqlx::Error) -> journal::Error {
    match meaning(error) {
        journal::Error::Refused(why) => journal::Error::Refused(why),
        other => journal::Error::InDoubt(other.to_string()),
    }
}

/// Whether it is the database's condition rather than the statement that is at fault. Postgres has
/// classes of five characters, SQLite numbers whose low byte is the class.
fn is_passing(code: &str) -> bool {
    if code.len() == 5 {
        let class = &code[..2];
        // Connection, resources, operator, system; locks, deadlocks; read-only after a failover.
        return ["08", "53", "57", "58"].contains(&class)
            || ["25006", "25P03", "40001", "40P01", "55P03"].contains(&code);
    }
    // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
    code.parse::<u32>()
        .is_ok_and(|code| [5, 6, 8, 10, 13, 14].contains(&(code & 0xff)))
}
