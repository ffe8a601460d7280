//! Several nodes on one Postgres: fencing, waiting, racing, and sessions that are ended.

use std::sync::Arc;
use std::time::Duration;

use engine::journal::{Error, Journal, Outcome};
use sqlx::{Connection, Executor, PgConnection};

use crate::draft::{agreed_version, append, claiming, commit, is_committed, lease};
use crate::make::{database, open, server};

const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn who_lost_a_shard_is_fenced() {
    let Some(server) = server() else { return };
    let url = database(&server).await;
    let (old, new) = (open(&url).await, open(&url).await);
    let stale = lease(&*old, 1).await;
    let kept = lease(&*old, 2).await;
    let fresh = lease(&*new, 1).await;
    let outcome = commit(&*old, append(stale, 1, 0)).await.unwrap();
    assert_eq!(outcome, Outcome::Fenced);
    assert!(is_committed(
        &commit(&*new, append(fresh, 1, 0)).await.unwrap()
    ));
    assert!(is_committed(
        &commit(&*old, append(kept, 2, 0)).await.unwrap()
    ));
}

#[tokio::test]
async fn taking_over_waits_for_the_former_owner() {
    let Some(server) = server() else { return };
    let url = database(&server).await;
    let journal = open(&url).await;
    let first = lease(&*journal, 1).await;
    let mut former = PgConnection::connect(&url).await.unwrap();
    let mut open_transaction = former.begin().await.unwrap();
    open_transaction
        .execute("SELECT * FROM \"order\".leases WHERE shard = 1 FOR UPDATE")
        .await
        .unwrap();
    let mut taking = std::pin::pin!(lease(&*journal, 1));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut taking).await;
    assert!(early.is_err(), "it did not wait");
    open_transaction.commit().await.unwrap();
    assert_eq!(taking.await.epoch, first.epoch + 1);
}

#[tokio::test]
async fn one_of_two_nodes_gets_a_key() {
    let Some(server) = server() else { return };
    let url = database(&server).await;
    let nodes = [open(&url).await, open(&url).await];
    let leases = [lease(&*nodes[0], 1).await, lease(&*nodes[1], 2).await];
    for round in 0..30 {
        let name = format!("key-{round}");
        let ask = |node: usize| {
            let asked = append(leases[node], round * 2 + node as u128, 0);
            commit(&*nodes[node], claiming(asked, &name))
        };
        let (one, two) = tokio::join!(ask(0), ask(1));
        let outcomes = [one.unwrap(), two.unwrap()];
        let won = outcomes.iter().filter(|it| is_committed(it)).count();
        let lost = outcomes
            .iter()
            .filter(|it| **it == Outcome::ClaimTaken(0))
            .count();
        assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    }
}

#[tokio::test]
async fn an_idle_session_that_was_ended_goes_unnoticed() {
    let Some(server) = server() else { return };
    let url = database(&server).await;
    let journal = open(&url).await;
    let held = lease(&*journal, 1).await;
    let mut operator = PgConnection::connect(&url).await.unwrap();
    for version in 0..3 {
        operator.execute(END_SESSIONS).await.unwrap();
        let outcome = commit(&*journal, append(held, 1, version)).await.unwrap();
        assert!(is_committed(&outcome));
        operator.execute(END_SESSIONS).await.unwrap();
        assert_eq!(agreed_version(&*journal, 1, 1).await, version + 1);
    }
}

#[tokio::test]
async fn sessions_may_end_in_the_middle() {
    let Some(server) = server() else { return };
    let url = database(&server).await;
    let journal = open(&url).await;
    let ending = tokio::spawn(async move {
        let mut operator = PgConnection::connect(&url).await.unwrap();
        for _ in 0..40 {
            operator.execute(END_SESSIONS).await.unwrap();
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    });
    let failures = write_until(&journal, || ending.is_finished()).await;
    println!("{failures} commits failed while sessions were being ended");
    ending.await.unwrap();
    let held = lease(&*journal, 1).await;
    let version = agreed_version(&*journal, 1, 1).await;
    let outcome = commit(&*journal, append(held, 1, version)).await.unwrap();
    assert!(is_committed(&outcome));
}

/// Commits as the engine does: whatever fails is settled by taking the shard over.
async fn write_until(journal: &Arc<dyn Journal>, is_over: impl Fn() -> bool) -> u32 {
    let (mut version, mut failures) = (0, 0);
    let mut held = None;
    while !is_over() {
        let shards = [engine::Shard(1)];
        let Some(lease) = held else {
            let taken = journal.take_over(uuid::Uuid::nil(), &shards).await;
            let heads = journal.heads().await;
            if let (Ok(leases), Ok(heads)) = (taken, heads) {
                version = heads.first().map_or(0, |(_, head)| *head);
                held = Some(leases[0]);
            }
            continue;
        };
        match commit(&**journal, append(lease, 1, version)).await {
            Ok(outcome) => {
                assert!(is_committed(&outcome), "{outcome:?}");
                version += 1;
            }
            Err(Error::Unavailable(_) | Error::InDoubt(_)) => {
                failures += 1;
                held = None;
            }
            Err(other) => panic!("{other}"),
        }
    }
    failures
}
