//! Fresh journals to try.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::journal::Journal;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// The URL of a Postgres server to make databases on, for a superuser.
const URL: &str = "QUENTY_TEST_POSTGRES_URL";

/// How many shards the journals have.
pub(crate) const SHARDS: u16 = 8;

/// The server to try Postgres on; without one the tests say loudly that they try nothing.
pub(crate) fn server() -> Option<String> {
    let url = std::env::var(URL).ok();
    if url.is_none() {
        eprintln!("\n*** SKIPPED: set {URL} to test against Postgres ***\n");
    }
    url
}

/// Makes an empty database and returns its URL.
pub(crate) async fn database(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("quenty_test_{}_{number}", std::process::id());
    let mut connection = PgConnection::connect(server).await.unwrap();
    for statement in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name}"),
    ] {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let (start, _) = server.rsplit_once('/').unwrap();
    format!("{start}/{name}")
}

/// The URL of a journal in a folder.
pub(crate) fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().display())
}

/// Opens the journal of the context `order`.
pub(crate) async fn open(url: &str) -> Arc<dyn Journal> {
    storage::open(url, "order", SHARDS, 2).await.unwrap()
}
