//! The suite that every journal passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::journal::Journal;
use engine::journal::conformance::{SHARDS_MIN, run};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use storage::{Postgres, Sqlite};

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicU32::new(0);
    run(async || {
        let number = number.fetch_add(1, Ordering::Relaxed).to_string();
        let folder = folder.path().join(number);
        Arc::new(Sqlite::open(&folder, "order", SHARDS_MIN, 2).await.unwrap()) as Arc<dyn Journal>
    })
    .await;
}

#[tokio::test]
async fn postgres_conforms() {
    let Some(server) = server() else { return };
    run(async || {
        let url = database(&server).await;
        Arc::new(Postgres::open(&url, "order", SHARDS_MIN, 2).await.unwrap()) as Arc<dyn Journal>
    })
    .await;
}

/// The server for tests, unless there is none.
pub(crate) fn server() -> Option<String> {
    let server = std::env::var("QUENTY_TEST_POSTGRES_URL").ok();
    if server.is_none() {
        eprintln!("SKIPPED: Postgres, because QUENTY_TEST_POSTGRES_URL names no server");
    }
    server
}

/// A database of its own on the server: its URL.
pub(crate) async fn database(server: &str) -> String {
    let name = format!("q{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::query(AssertSqlSafe(create))
        .execute(&mut connection)
        .await
        .unwrap();
    let (place, _) = server.rsplit_once('/').unwrap();
    format!("{place}/{name}")
}
