//! Forgetting old request keys goes on until none is left, in steps.

use chrono::TimeDelta;
use engine::journal::Journal;

use crate::draft::{append, batch, known, lease, now};
use crate::make::{database, open, server, sqlite_url};

async fn forgets_more_than_one_step(journal: &dyn Journal) {
    let held = lease(journal, 1).await;
    for hundred in 0..25 {
        let entities = (0..100).map(|number| append(held, hundred * 100 + number, 0));
        journal.commit(&batch(entities)).await.unwrap();
    }
    let later = now() + TimeDelta::milliseconds(1);
    assert_eq!(journal.prune_requests(now(), later).await.unwrap(), 0);
    assert_eq!(journal.prune_requests(later, now()).await.unwrap(), 2_500);
    assert_eq!(known(journal, "1-1").await, None);
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    forgets_more_than_one_step(&*open(&sqlite_url(&folder)).await).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = server() else { return };
    let database = database(&server).await;
    forgets_more_than_one_step(&*open(&database.url).await).await;
}
