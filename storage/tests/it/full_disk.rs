//! A full disk: nothing is lost, nothing hangs, and with room again it goes on by itself.

use std::path::Path;
use std::process::Command;

use engine::journal::{Error, Journal};

use crate::draft::{agreed_version, append, commit, is_committed, lease};
use crate::make::{open, skip};

/// Mounts a disk in memory, or makes it larger; whether that is allowed here.
fn mount(path: &Path, options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(path);
    mount.status().is_ok_and(|status| status.success())
}

async fn fill(journal: &dyn Journal, held: engine::journal::Lease) -> (u64, Error) {
    for version in 0..20_000 {
        match commit(journal, append(held, 1, version)).await {
            Ok(outcome) => assert!(is_committed(&outcome)),
            Err(error) => return (version, error),
        }
    }
    panic!("the disk never filled up");
}

#[tokio::test]
async fn sqlite_recovers_from_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    if !mount(folder.path(), "size=1m") {
        skip("a full disk", "mounting one is not allowed here");
        return;
    }
    let journal = open(&format!("sqlite:{}", folder.path().display())).await;
    let held = lease(&*journal, 1).await;
    let (version, error) = fill(&*journal, held).await;
    assert!(version > 0);
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(agreed_version(&*journal, 1, 1).await, version);
    let again = commit(&*journal, append(held, 1, version)).await;
    assert!(matches!(again, Err(Error::Unavailable(_))), "{again:?}");

    assert!(mount(folder.path(), "remount,size=64m"));
    let outcome = commit(&*journal, append(held, 1, version)).await.unwrap();
    assert!(is_committed(&outcome));
    assert_eq!(agreed_version(&*journal, 1, 1).await, version + 1);
    drop(journal);
    let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
}
