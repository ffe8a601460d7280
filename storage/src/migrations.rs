//! The migrations of each context, compiled in.

use engine::journal::Error;
use engine::journal::checksum::FORMAT;
use sqlx::migrate::{MigrateError, Migrator};

use crate::error;

/// The migrations of a context on Postgres; they make its schema first.
pub(crate) fn postgres(context: &str) -> Result<Migrator, Error> {
    let mut migrator = match context {
        "customer" => sqlx::migrate!("migrations/postgres/customer"),
        "order" => sqlx::migrate!("migrations/postgres/order"),
        "shipping" => sqlx::migrate!("migrations/postgres/shipping"),
        other => return Err(unknown(other)),
    };
    // Quoted, because `order` is a word of SQL.
    migrator.create_schema(format!("\"{context}\""));
    Ok(migrator)
}

/// The migrations of a context on SQLite.
pub(crate) fn sqlite(context: &str) -> Result<Migrator, Error> {
    Ok(match context {
        "customer" => sqlx::migrate!("migrations/sqlite/customer"),
        "order" => sqlx::migrate!("migrations/sqlite/order"),
        "shipping" => sqlx::migrate!("migrations/sqlite/shipping"),
        other => return Err(unknown(other)),
    })
}

/// What a failed migration means to the engine.
pub(crate) fn failed(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            error::of(&error)
        }
        other => Error::Refused(format!("migrating: {other}")),
    }
}

/// Refuses a journal that was set up with other shards than so many, or in another format.
pub(crate) fn check((stored, format): (i32, i32), shards: i32) -> Result<(), Error> {
    if format != FORMAT {
        return Err(Error::Refused(format!(
            "the journal is in format {format}, and this version of the program reads {FORMAT} only"
        )));
    }
    if stored != shards {
        return Err(Error::Refused(format!(
            "the journal has {stored} shards and was opened with {shards}"
        )));
    }
    Ok(())
}

fn unknown(context: &str) -> Error {
    Error::Refused(format!("there is no context {context}"))
}
