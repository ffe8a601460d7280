//! Databases for tests, on the server that the environment names.

use std::io::Write as _;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// A database of the test's own: its URL. None, and a line that says so, where there is no server.
pub(crate) async fn database(what: &str) -> Option<String> {
    let Ok(server) = std::env::var("QUENTY_TEST_POSTGRES_URL") else {
        skip(what, "QUENTY_TEST_POSTGRES_URL names no server");
        return None;
    };
    let name = format!("q{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    let (place, _) = server.rsplit_once('/').unwrap();
    Some(format!("{place}/{name}"))
}

/// Says that a test did not run, where whoever counts tests will look.
pub(crate) fn skip(what: &str, why: &str) {
    let line = format!("SKIPPED: {what} because {why}");
    let Ok(file) = std::env::var("QUENTY_TEST_SKIPS") else {
        return eprintln!("{line}");
    };
    let file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(file);
    writeln!(file.unwrap(), "{line}").unwrap();
}
