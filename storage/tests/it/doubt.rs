//! Doubt: a commit that is given up half-way leaves the journal usable, and taking over tells.

use std::time::Duration;

use engine::journal::Journal;

use crate::draft::{agreed_version, append, batch, commit, is_committed, lease};
use crate::make::{database, open, server, sqlite_url};

/// Gives commits up after ever longer times, from before they start until after they end.
async fn commits_may_be_given_up(journal: &dyn Journal) {
    let mut held = lease(journal, 1).await;
    let mut version = 0;
    let (mut happened, mut given_up) = (0, 0);
    for step in 0..60 {
        let written = batch([append(held, 1, version)]);
        let patience = Duration::from_micros(step * 100);
        let finished = tokio::time::timeout(patience, journal.commit(&written)).await;
        given_up += u32::from(finished.is_err());
        // Afterwards nothing of the former commit can happen any more.
        held = lease(journal, 1).await;
        let settled = agreed_version(journal, 1, 1).await;
        if let Ok(outcomes) = finished {
            assert!(is_committed(&outcomes.unwrap()[0]));
            assert_eq!(settled, version + 1);
        }
        assert!(settled == version || settled == version + 1);
        happened += settled - version;
        version = settled;
    }
    println!("{given_up} of 60 commits were given up, {happened} happened");
    assert!(given_up > 0);
    let outcome = commit(journal, append(held, 1, version)).await.unwrap();
    assert!(is_committed(&outcome));
    assert_eq!(agreed_version(journal, 1, 1).await, version + 1);
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    commits_may_be_given_up(&*open(&sqlite_url(&folder)).await).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = server() else { return };
    commits_may_be_given_up(&*open(&database(&server).await).await).await;
}
