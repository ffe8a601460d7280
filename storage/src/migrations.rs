//! The migrations of each context, compiled in.

use engine::journal::Error;
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

fn unknown(context: &str) -> Error {
    Error::Refused(format!("there is no context {context}"))
}
