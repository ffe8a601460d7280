//! Fresh journals to try.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::journal::Journal;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// The URL of a Postgres server to make databases on, for a superuser.
const URL: &str = "QUENTY_TEST_POSTGRES_URL";

/// How many shards the journals have.
pub(crate) const SHARDS: u16 = 8;

/// The server to try Postgres on; without one the tests say that they try nothing.
pub(crate) fn server() -> Option<String> {
    let url = std::env::var(URL).ok();
    if url.is_none() {
        skip(
            "a journal on Postgres",
            "QUENTY_TEST_POSTGRES_URL names no server",
        );
    }
    url
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

/// A database of its own, gone when the test is over.
pub(crate) struct Database {
    pub(crate) url: String,
    server: String,
    name: String,
}

/// Makes an empty database.
pub(crate) async fn database(server: &str) -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("quenty_test_{}_{number}", std::process::id());
    run(server, format!("CREATE DATABASE {name}")).await;
    let (start, _) = server.rsplit_once('/').unwrap();
    Database {
        url: format!("{start}/{name}"),
        server: server.to_owned(),
        name,
    }
}

impl Database {
    /// Runs a statement on a connection of its own.
    pub(crate) async fn run(&self, statement: &'static str) {
        run(&self.url, statement.to_owned()).await;
    }
}

async fn run(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let dropping = move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(run(&server, statement));
        };
        // On a thread of its own: the test's runtime cannot be waited on from within.
        let _ = std::thread::spawn(dropping).join();
    }
}

/// The URL of a journal in a folder.
pub(crate) fn sqlite_url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().display())
}

/// Opens the journal of the context `order`.
pub(crate) async fn open(url: &str) -> Arc<dyn Journal> {
    storage::open(url, "order", SHARDS, 2).await.unwrap()
}
