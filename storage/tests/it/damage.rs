//! Damage: stored text that does not match its checksum is noticed when it is read.

use engine::Shard;
use engine::journal::{Error, Journal, Query};
use sqlx::{Connection, Executor};
use uuid::Uuid;

use crate::draft::{KIND, append, commit, key, lease, load};
use crate::make::{database, open, server, sqlite_url};

const DOCUMENT: &str = "UPDATE documents SET listed = replace(listed, 'xxx', 'xyx')";
const EVENT: &str = "UPDATE events SET data = replace(data, 'yyy', 'yxy')";
const PERSONAL: &str = "UPDATE events SET personal = replace(personal, 'Ada', 'Eve')";
const ERASED: &str = "UPDATE events SET personal = NULL";

fn all() -> Query {
    Query {
        kind: KIND,
        tenant: Some(Uuid::from_u128(7)),
        reference: None,
        status: Vec::new(),
        parent: None,
        site: None,
        flagged: None,
        search: None,
        created_from: None,
        created_before: None,
        descending: false,
        after: None,
        limit: 10,
    }
}

async fn is_noticed(journal: &dyn Journal, run: impl AsyncFn(&'static str)) {
    let held = lease(journal, 1).await;
    commit(journal, append(held, 1, 0)).await.unwrap();
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

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&sqlite_url(&folder)).await;
    let file = format!("sqlite:{}/order.db", folder.path().display());
    let run = async |statement: &'static str| {
        let mut beside = sqlx::SqliteConnection::connect(&file).await.unwrap();
        beside.execute(statement).await.unwrap();
        beside.close().await.unwrap();
    };
    is_noticed(&*journal, run).await;
    // Bytes that are no text at all.
    run("UPDATE documents SET listed = CAST(x'7bff7d' AS TEXT)").await;
    assert_eq!(load(&*journal, 1).await.unwrap().listed, None);
}

#[tokio::test]
async fn postgres() {
    let Some(server) = server() else { return };
    let url = database(&server).await;
    let journal = open(&url).await;
    let run = async |statement: &'static str| {
        let mut beside = sqlx::PgConnection::connect(&url).await.unwrap();
        beside.execute("SET search_path = \"order\"").await.unwrap();
        beside.execute(statement).await.unwrap();
    };
    is_noticed(&*journal, run).await;
}
