//! A full disk, under the files of SQLite and under Postgres.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Api;
use super::cluster::{self, Cluster};
use super::figures::{self, Times};
use super::server::{Home, Server};
use super::shop;
use super::trial::Trial;
use super::{GOOD_BETWEEN, campaign, until_good, until_put_off};
use crate::postgres;

/// How often the disk fills up, daily and in a campaign.
const FILLINGS: [usize; 2] = [3, 10];
/// How many refusals there must be before there is room again.
const REFUSALS: usize = 100;
/// How much is written at a time to fill the disk.
const STEP: usize = 64 * 1024;

/// A small disk in memory. Gone when dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// None, and a line that says so, where making one is not allowed.
    fn mount(what: &str, size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size},mode=755"),
            "tmpfs",
        ]);
        if mount
            .arg(folder.path())
            .status()
            .is_ok_and(|it| it.success())
        {
            cluster::open_to_all(folder.path());
            return Some(Self { folder });
        }
        postgres::skip(what, "mounting a disk is not allowed here");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let options = std::fs::File::options().create(true).append(true).clone();
        let mut ballast = options.open(self.ballast()).unwrap();
        for step in [STEP, 1] {
            while ballast.write_all(&vec![0; step]).is_ok() {}
        }
    }

    /// Gives it back.
    fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // At once, whoever may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_full_disk_sqlite_keeps_its_word() {
    let Some(disk) = Disk::mount("a full disk under SQLite", "128m") else {
        return;
    };
    let trial = Trial::start(
        Home::on(format!("sqlite:{}", disk.path().display())),
        campaign(FILLINGS),
    )
    .await;
    survive(&disk, trial, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_full_disk_postgres_keeps_its_word() {
    let what = "a full disk under Postgres";
    let Some(disk) = Disk::mount(what, "384m") else {
        return;
    };
    let Some(cluster) = Cluster::start_in(what, disk.path()).await else {
        return;
    };
    let trial = Trial::start(Home::on(cluster.url.clone()), campaign(FILLINGS)).await;
    survive(&disk, trial, Some(&cluster)).await;
}

async fn survive(disk: &Disk, trial: Trial, cluster: Option<&Cluster>) {
    let mut absent = Vec::new();
    for round in 0..campaign(FILLINGS) {
        absent.push(shop::product(&trial.api, &format!("absent-{round}")).await);
    }
    let (trial, resident) = restart(trial).await;
    let (mut recoveries, mut read) = (Vec::new(), 0);
    for (round, product) in absent.iter().enumerate() {
        fill_until_refused(disk, &trial).await;
        // Whoever is in memory is still there, and the program still knows who asks.
        trial.api.get_at_once(&resident).await;
        read += usize::from(is_read(&trial, product, cluster).await);
        disk.empty();
        let started = Instant::now();
        if let Some(cluster) = cluster {
            // Without room for its log it may have given up.
            cluster.restart().await;
        }
        let restarted = started.elapsed();
        recoveries.push(restarted + trial.recover(round).await);
    }
    let asked = absent.len();
    eprintln!("{read} of {asked} that were not in memory were read");
    figures::print(
        &format!("a full disk under {}", trial.home.database()),
        &format!("{} times", campaign(FILLINGS)),
        &format!(
            "first good request with room again: {}",
            Times::new(recoveries)
        ),
    );
    trial.end().await;
}

/// Starts the server again, so that nothing is in memory but what is asked for since, such as an
/// order: its path.
async fn restart(trial: Trial) -> (Trial, String) {
    let order = trial.resident().await;
    let end = async |server: Server, _: &Api| server.kill().await;
    let (trial, _) = trial.restart(end).await;
    until_good(&trial.api, GOOD_BETWEEN).await;
    trial.api.get(&order).await;
    (trial, order)
}

/// Whether a product that is not in memory could be read. A database without room may still be read
/// or may not; from one whose processes have ended nothing comes. Whoever asks in vain is told when
/// to come again.
async fn is_read(trial: &Trial, product: &str, cluster: Option<&Cluster>) -> bool {
    let is_gone = cluster.is_some_and(|it| it.processes().is_empty());
    let answer = trial.api.look(&format!("/products/{product}")).await;
    let is_read = answer.status == 200;
    assert!(!is_gone || !is_read, "{answer:?}");
    let is_put_off = (answer.status, answer.says_when) == (503, true);
    assert!(is_read || is_put_off, "{answer:?}");
    is_read
}

/// Room that is given back meanwhile, as by a log that is cut off, is taken again.
async fn fill_until_refused(disk: &Disk, trial: &Trial) {
    let refused = until_put_off(&trial.api, REFUSALS);
    tokio::pin!(refused);
    loop {
        disk.fill();
        let pause = Duration::from_millis(100);
        if tokio::time::timeout(pause, &mut refused).await.is_ok() {
            return;
        }
    }
}
