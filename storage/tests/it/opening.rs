//! Opening: what was written is there again, and what is another journal is refused.

use std::time::Duration;

use engine::journal::Error;
use sqlx::migrate::Migrate as _;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::draft::{agreed_version, append, commit, is_committed, lease, load};
use crate::make::{SHARDS, database, open, server, sqlite_url};

async fn reopening_keeps_everything(url: &str) {
    let first = open(url).await;
    let before = lease(&*first, 1).await;
    for version in 0..3 {
        let outcome = commit(&*first, append(before, 1, version)).await.unwrap();
        assert!(is_committed(&outcome));
    }
    let document = load(&*first, 1).await;
    drop(first);
    let second = open(url).await;
    assert_eq!(load(&*second, 1).await, document);
    assert_eq!(agreed_version(&*second, 1, 1).await, 3);
    assert_eq!(lease(&*second, 1).await.epoch, before.epoch + 1);
}

async fn another_number_of_shards_is_refused(url: &str) {
    drop(open(url).await);
    let other = storage::open(url, "order", SHARDS + 1, 2).await;
    assert!(matches!(other, Err(Error::Refused(_))));
    drop(open(url).await);
}

async fn contexts_are_kept_apart(url: &str) {
    storage::migrate(url, "customer").await.unwrap();
    let order = open(url).await;
    let customer = storage::open(url, "customer", SHARDS + 1, 2).await.unwrap();
    let held = lease(&*order, 1).await;
    commit(&*order, append(held, 1, 0)).await.unwrap();
    assert!(load(&*customer, 1).await.is_none());
    let held = lease(&*customer, 1).await;
    let outcome = commit(&*customer, append(held, 1, 0)).await.unwrap();
    assert!(is_committed(&outcome));
    let unknown = storage::open(url, "elsewhere", SHARDS, 2).await;
    assert!(matches!(unknown, Err(Error::Refused(_))));
}

/// What it holds would read as damaged.
async fn another_format_is_refused(url: &str, make_old: impl AsyncFn()) {
    drop(open(url).await);
    make_old().await;
    let why = storage::open(url, "order", SHARDS, 2).await.err();
    let why = why.map(|error| error.to_string()).unwrap_or_default();
    assert!(why.contains("in format 1"), "{why}");
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    // The folder is made if it is not there.
    let inner = folder.path().join("not/there/yet");
    reopening_keeps_everything(&format!("sqlite:{}", inner.display())).await;
    let folder = tempfile::tempdir().unwrap();
    another_number_of_shards_is_refused(&sqlite_url(&folder)).await;
    contexts_are_kept_apart(&sqlite_url(&folder)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}/order.db", folder.path().display());
    let make_old = async || {
        let mut beside = SqliteConnection::connect(&file).await.unwrap();
        let made = beside.execute("UPDATE meta SET format = 1");
        made.await.unwrap();
        beside.close().await.unwrap();
    };
    another_format_is_refused(&sqlite_url(&folder), make_old).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = server() else { return };
    reopening_keeps_everything(&database(&server).await.url).await;
    another_number_of_shards_is_refused(&database(&server).await.url).await;
    contexts_are_kept_apart(&database(&server).await.url).await;
    let database = database(&server).await;
    let make_old = async || database.run("UPDATE \"order\".meta SET format = 1").await;
    another_format_is_refused(&database.url, make_old).await;
}

#[tokio::test]
async fn a_file_of_sqlite_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(&folder);
    let first = open(&url).await;
    let second = storage::open(&url, "order", SHARDS, 2).await.err();
    let why = second.map(|error| error.to_string()).unwrap_or_default();
    assert!(
        why.contains("another process has the journal order"),
        "{why}"
    );
    let migrated = storage::migrate(&url, "order").await;
    assert!(matches!(migrated, Err(Error::Unavailable(_))));
    drop(first);
    drop(open(&url).await);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let url = "postgres://nobody@127.0.0.1:1/nothing";
    let opened = storage::open(url, "order", SHARDS, 2).await;
    assert!(matches!(opened, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_migration_that_is_stuck_elsewhere_is_not_waited_for_without_end() {
    let Some(server) = server() else { return };
    let database = database(&server).await;
    let mut stuck = PgConnection::connect(&database.url).await.unwrap();
    stuck.lock().await.unwrap();
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()");
    let pid: i32 = pid.fetch_one(&mut stuck).await.unwrap();
    let opening = storage::open(&database.url, "order", SHARDS, 2);
    let opened = tokio::time::timeout(Duration::from_secs(60), opening).await;
    let Some(Error::Unavailable(why)) = opened.unwrap().err() else {
        panic!("it was opened");
    };
    for part in ["lock for migrations", &format!("pid {pid} (")] {
        assert!(why.contains(part), "{why:?} should contain {part:?}");
    }
    stuck.close().await.unwrap();
    drop(open(&database.url).await);
}
