//! A Postgres of a test's own, which may be killed, starved and broken.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::process::Command;

use crate::postgres;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
/// How long it may take to start or to end: ample, for a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A Postgres. Killed when dropped.
pub(super) struct Cluster {
    data: PathBuf,
    /// How it is reached.
    pub(super) url: String,
    _folder: Option<TempDir>,
}

impl Cluster {
    /// A new one in a folder of its own. None, and a line that says so, where tests are to do
    /// without Postgres.
    pub(super) async fn start(what: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let mut cluster = Self::start_in(what, folder.path()).await?;
        cluster._folder = Some(folder);
        Some(cluster)
    }

    /// The same in a given folder, to which the user that runs it must have a way.
    pub(super) async fn start_in(what: &str, folder: &Path) -> Option<Self> {
        if std::env::var_os("QUENTY_TEST_POSTGRES_URL").is_none() {
            postgres::skip(what, "QUENTY_TEST_POSTGRES_URL names no server");
            return None;
        }
        let data = folder.join("postgres");
        let url = start(&data, "").await.unwrap();
        Some(Self {
            data,
            url,
            _folder: None,
        })
    }

    /// Every process of it, the first one first.
    pub(super) fn processes(&self) -> Vec<u32> {
        let Some(postmaster) = self.postmaster() else {
            return Vec::new();
        };
        let children = all_processes().filter(|id| parent(*id) == Some(postmaster));
        std::iter::once(postmaster).chain(children).collect()
    }

    /// SIGKILL to every process of it, stopped before, so that none can take note of another's end.
    pub(super) async fn kill(&self) {
        signal("STOP", &self.processes()).await;
        signal("KILL", &self.processes()).await;
        let is_left = async {
            while !self.processes().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WITHIN, is_left).await.unwrap();
    }

    /// Sees to it that it takes connections again, at the same place: it may be about to end, or to
    /// come back by itself.
    pub(super) async fn restart(&self) {
        let (_, place) = self.url.rsplit_once(':').unwrap();
        let (port, _) = place.split_once('/').unwrap();
        let deadline = Instant::now() + WITHIN;
        while PgConnection::connect(&self.url).await.is_err() {
            assert!(Instant::now() < deadline, "it does not come back");
            match self.postmaster() {
                Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                None => self.start_again(port).await,
            }
        }
    }

    async fn start_again(&self, port: &str) {
        // Where nobody takes note of the end of its first process, that one's id stays taken, and it
        // would look as if it still ran.
        let _ = std::fs::remove_file(self.pid_file());
        start(&self.data, port).await.unwrap();
    }

    /// How many lines of its log have a text.
    pub(super) fn told(&self, text: &str) -> usize {
        let log = std::fs::read(self.data.join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().filter(|line| line.contains(text)).count()
    }

    fn pid_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// The first process, if it runs.
    fn postmaster(&self) -> Option<u32> {
        let file = std::fs::read_to_string(self.pid_file()).ok()?;
        let id = file.lines().next()?.parse().ok()?;
        parent(id).map(|_| id)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let ids = self
            .processes()
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>();
        if !ids.is_empty() {
            let mut kill = std::process::Command::new("kill");
            let _ = kill.arg("-KILL").args(ids).stderr(Stdio::null()).status();
        }
    }
}

/// Starts one on the data in a folder; how it is reached, or why it is not.
async fn start(data: &Path, port: &str) -> Result<String, String> {
    let mut script = Command::new(SCRIPT);
    script
        .arg("start")
        .arg(data)
        .args((!port.is_empty()).then_some(port));
    script.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(WITHIN * 5, script.output()).await;
    let output = output.map_err(|late| late.to_string())?.unwrap();
    let [out, error] = [output.stdout, output.stderr];
    let [out, error] = [out, error].map(|it| String::from_utf8_lossy(&it).trim().to_owned());
    output.status.success().then_some(out).ok_or(error)
}

/// Sends a signal to processes, some of which may be gone by now.
pub(super) async fn signal(name: &str, ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).args(ids).stderr(Stdio::null());
    kill.status().await.unwrap();
}

/// Lets other users, such as the one that runs Postgres, through a folder.
pub(super) fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A process's parent; none if the process has ended, whether anybody has taken note of it or not.
fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before the last parenthesis may contain anything.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    let is_running = !matches!(rest.next()?, "Z" | "X");
    is_running.then(|| rest.next()?.parse().ok()).flatten()
}
