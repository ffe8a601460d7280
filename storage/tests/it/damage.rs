//! Damage: what is stored and does not match its checksum is noticed when it is read.

use engine::Shard;
use engine::journal::{Error, Journal, Query};
use sqlx::{AssertSqlSafe, Connection, Executor};
use uuid::Uuid;

use crate::draft::{KIND, append, commit, key, lease, load};
use crate::make::{database, open, server, sqlite_url};

const DOCUMENT: &str = "UPDATE documents SET listed = replace(listed, 'xxx', 'xyx')";
const EVENT: &str = "UPDATE events SET data = replace(data, 'yyy', 'yxy')";
const PERSONAL: &str = "UPDATE events SET personal = replace(personal, 'Ada', 'Eve')";
const ERASED: &str = "UPDATE events SET personal = NULL";

fn all() -> Query {
    Query::everything(KIND, Some(Uuid::from_u128(7)), 10)
}

/// With one event.
async fn is_noticed(journal: &dyn Journal, run: &impl AsyncFn(String)) {
    let run = async |statement: &str| run(statement.to_owned()).await;
    let held = lease(journal, 1).await;
    run(DOCUMENT).await;
    let document = load(journal, 1).await.unwrap();
    assert_eq!(
        (document.version, document.listed, document.state),
        (1, None, None)
    );
    assert_eq!(journal.list(&all()).await.unwrap()[0].listed, None);
    // The next commit writes it anew.
    commit(journal, append(held, 1, 1)).await.unwrap();
    assert!(load(journal, 1).await.unwrap().state.is_some());

    run(EVENT).await;
    events_are_damaged(journal).await;
    run("UPDATE events SET data = replace(data, 'yxy', 'yyy')").await;
    assert_eq!(journal.history(key(1), 0, 10).await.unwrap().len(), 2);
    run(PERSONAL).await;
    events_are_damaged(journal).await;
    run(ERASED).await;
    let erased = journal.history(key(1), 0, 10).await.unwrap();
    assert!(erased.iter().all(|event| event.personal.is_none()));
}

async fn events_are_damaged(journal: &dyn Journal) {
    let history = journal.history(key(1), 0, 10).await;
    assert!(matches!(history, Err(Error::Damaged(_))), "{history:?}");
    let feed = journal.feed(Shard(1), 0, 10).await;
    assert!(matches!(feed, Err(Error::Damaged(_))), "{feed:?}");
}

const EVENT_COLUMNS: [(&str, &str); 16] = [
    ("shard", "2"),
    ("seq", "seq + 1"),
    ("kind", "'package'"),
    ("entity", "tenant"),
    ("version", "version + 1"),
    ("tenant", "entity"),
    ("at", "at + 1"),
    ("name", "'lost'"),
    ("schema", "schema + 1"),
    ("data", "'{}'"),
    ("personal", "'{}'"),
    ("principal", "'usr_2'"),
    ("request_id", "'req_2'"),
    ("cause", "''"),
    ("checksum", "checksum + 1"),
    ("personal_checksum", "NULL"),
];
const DOCUMENT_COLUMNS: [(&str, &str); 14] = [
    ("tenant", "id"),
    ("version", "version + 1"),
    ("schema", "schema + 1"),
    ("created_at", "created_at + 1"),
    ("updated_at", "updated_at + 1"),
    ("reference", "NULL"),
    ("status", "'closed'"),
    ("parent", "NULL"),
    ("site", "id"),
    ("text", "''"),
    ("listed", "'{}'"),
    ("listed_checksum", "listed_checksum + 1"),
    ("state", "'{}'"),
    ("state_checksum", "1"),
];

/// Of a first event, and its document.
async fn every_column_counts(journal: &dyn Journal, run: &impl AsyncFn(String)) {
    let held = lease(journal, 1).await;
    commit(journal, append(held, 1, 0)).await.unwrap();
    for (table, columns) in [
        ("events", &EVENT_COLUMNS[..]),
        ("documents", &DOCUMENT_COLUMNS),
    ] {
        run(format!(
            "CREATE TABLE kept_{table} AS SELECT * FROM {table}"
        ))
        .await;
        for (column, other) in columns {
            assert!(is_sound(journal, table).await, "{table}.{column}");
            run(format!("UPDATE {table} SET {column} = {other}")).await;
            assert!(!is_sound(journal, table).await, "{table}.{column}");
            run(format!(
                "UPDATE {table} SET {column} = (SELECT {column} FROM kept_{table})"
            ))
            .await;
        }
    }
}

/// Whether the one event, or the one document, is read as it was written.
async fn is_sound(journal: &dyn Journal, table: &str) -> bool {
    if table == "documents" {
        return load(journal, 1).await.unwrap().state.is_some();
    }
    for shard in [1, 2] {
        match journal.feed(Shard(shard), 0, 10).await {
            Ok(events) if events.is_empty() => {}
            Ok(_) => return true,
            Err(Error::Damaged(_)) => return false,
            Err(other) => panic!("{other}"),
        }
    }
    false
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&sqlite_url(&folder)).await;
    let file = format!("sqlite:{}/order.db", folder.path().display());
    let run = async |statement: String| {
        let mut beside = sqlx::SqliteConnection::connect(&file).await.unwrap();
        beside.execute(AssertSqlSafe(statement)).await.unwrap();
        beside.close().await.unwrap();
    };
    every_column_counts(&*journal, &run).await;
    is_noticed(&*journal, &run).await;
    // Bytes that are no text at all.
    run("UPDATE documents SET listed = CAST(x'7bff7d' AS TEXT)".into()).await;
    assert_eq!(load(&*journal, 1).await.unwrap().listed, None);
    run("UPDATE events SET principal = CAST(x'7bff7d' AS TEXT)".into()).await;
    assert!(!is_sound(&*journal, "events").await);
    // And no id.
    run("UPDATE events SET principal = 'usr_1', tenant = x'07'".into()).await;
    assert!(!is_sound(&*journal, "events").await);
}

#[tokio::test]
async fn postgres() {
    let Some(server) = server() else { return };
    let database = database(&server).await;
    let url = &database.url;
    let journal = open(url).await;
    let run = async |statement: String| {
        let mut beside = sqlx::PgConnection::connect(url).await.unwrap();
        beside.execute("SET search_path = \"order\"").await.unwrap();
        beside.execute(AssertSqlSafe(statement)).await.unwrap();
    };
    every_column_counts(&*journal, &run).await;
    is_noticed(&*journal, &run).await;
}
