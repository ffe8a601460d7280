//! What a database's errors mean to the engine.

use engine::journal::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::sqlite::SqliteError;

/// Why a transaction was not written.
pub(crate) enum Failure {
    /// A key that the plan took for free is not: it has to be planned with what the database holds.
    Taken,
    /// A row is there that should not be, and no key's.
    Doubled(Error),
    /// A lease is not as it was seen.
    Moved,
    /// Whatever else.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Taken => Self::Unavailable("others are taking the same keys".into()),
            Failure::Moved => Self::Unavailable("others are taking the shards".into()),
            Failure::Doubled(error) | Failure::Error(error) => error,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match code(&error).as_deref() {
            // Two writers that waited for each other's keys: the one who is told tries again.
            Some("40001" | "40P01") => Self::Taken,
            Some("23505") if is_of_key(&error) => Self::Taken,
            Some("23505") => Self::Doubled(of(&error)),
            _ => Self::Error(of(&error)),
        }
    }
}

/// Whether what is there already is a request key or a claim.
fn is_of_key(error: &sqlx::Error) -> bool {
    let table = error.as_database_error().and_then(DatabaseError::table);
    matches!(table, Some("requests" | "claims"))
}

/// What an error means that came before a commit was asked for: nothing was changed.
pub(crate) fn of(error: &sqlx::Error) -> Error {
    let text = error.to_string();
    match error {
        sqlx::Error::Database(database) => of_database(database.as_ref(), text),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Error::Damaged(text),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Error::Unavailable(text),
        _ => Error::Refused(text),
    }
}

/// What an error means that a COMMIT was answered with.
pub(crate) fn of_commit(error: &sqlx::Error) -> Error {
    let is_undone = match error {
        sqlx::Error::Database(database) => is_undone(database.as_ref()),
        _ => false,
    };
    if is_undone {
        of(error)
    } else {
        Error::InDoubt(error.to_string())
    }
}

/// Whether an error says that the connection is of no use any more.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // The server ended the session, or goes down, or kept quiet about a broken transaction.
        sqlx::Error::Database(_) => code(error).is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || &*code == "25P03"
        }),
        _ => false,
    }
}

fn code(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Whether the database itself says that the transaction is undone.
fn is_undone(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        // A plain error rolls back. One that ends the session may come after the commit record is
        // on disk, when the server gives up waiting for a standby.
        return error.severity() == PgSeverity::Error;
    }
    // Without room the commit frame, which comes last, is never written. After any other error it
    // may be there, and count after a crash, until the next commit takes its place.
    primary_code(error) == Some(sqlite::FULL)
}

fn of_database(error: &dyn DatabaseError, text: String) -> Error {
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return of_postgres(&error.code().unwrap_or_default(), text);
    }
    match primary_code(error) {
        Some(code) if sqlite::AWAY.contains(&code) => Error::Unavailable(text),
        Some(code) if sqlite::BROKEN.contains(&code) => Error::Damaged(text),
        _ => Error::Refused(text),
    }
}

/// By class: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str, text: String) -> Error {
    if matches!(code, "XX001" | "XX002") {
        return Error::Damaged(text);
    }
    match code.get(..2) {
        // Connection, credentials, transaction state (a standby, a time-out), no such database,
        // rollback, resources, locks and limits in time, operator, the system below.
        Some("08" | "25" | "28" | "3D" | "40" | "53" | "55" | "57" | "58") => {
            Error::Unavailable(text)
        }
        _ => Error::Refused(text),
    }
}

fn primary_code(error: &dyn DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<SqliteError>()?;
    let extended: i32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Result codes of SQLite: <https://www.sqlite.org/rescode.html>.
mod sqlite {
    pub(super) const FULL: i32 = 13;
    /// BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
    pub(super) const AWAY: [i32; 9] = [5, 6, 7, 8, 9, 10, FULL, 14, 15];
    /// CORRUPT, NOTADB.
    pub(super) const BROKEN: [i32; 2] = [11, 26];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_codes_by_class() {
        let meaning = |code| of_postgres(code, String::new());
        for code in [
            "53100", "53300", "57P01", "57014", "55P03", "08006", "25006",
        ] {
            assert!(matches!(meaning(code), Error::Unavailable(_)), "{code}");
        }
        for code in ["23505", "22021", "42P01", "54000", ""] {
            assert!(matches!(meaning(code), Error::Refused(_)), "{code}");
        }
        assert!(matches!(meaning("XX001"), Error::Damaged(_)));
    }

    #[test]
    fn a_lost_connection_is_in_doubt_only_at_the_commit() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(of(&lost), Error::Unavailable(_)));
        assert!(matches!(of_commit(&lost), Error::InDoubt(_)));
    }
}
