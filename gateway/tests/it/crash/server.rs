//! A server as a process of its own, and the folder that it lives in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::postgres;

/// The first superuser's password.
pub(crate) const PASSWORD: &str = "correct-horse-battery";
/// How long a server has for starting, and a command for all it does: ample, for a busy machine.
const START_WITHIN: Duration = Duration::from_secs(60);
const DONE_WITHIN: Duration = Duration::from_secs(600);
/// The drain time-out that servers here have.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
/// What is printed before the address, and what before that of the metrics.
const SERVES: &str = "quenty serves http://";
const METRICS: &str = "metrics at http://";

/// Where a server lives: its folder and its storage, which outlive it.
pub(crate) struct Home {
    folder: TempDir,
    /// The URL of its storage.
    pub(super) storage: String,
    starts: AtomicUsize,
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    /// Where it tells its metrics.
    pub(super) metrics: SocketAddr,
}

impl Home {
    /// With files in its folder.
    pub(crate) fn on_sqlite() -> Self {
        Self::on("sqlite:data".into())
    }

    /// With a database of its own, if there is a server for one; `what` is skipped otherwise.
    pub(super) async fn on_postgres(what: &str) -> Option<Self> {
        Some(Self::on(postgres::database(what).await?))
    }

    /// With whatever the URL names.
    pub(super) fn on(storage: String) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            storage,
            starts: AtomicUsize::new(0),
        }
    }

    /// The same with a file of settings.
    pub(super) fn with_settings(self, settings: &str) -> Self {
        std::fs::write(self.folder().join("config.toml"), settings).unwrap();
        self
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The storage's URL.
    pub(super) fn storage(&self) -> &str {
        &self.storage
    }

    /// What its storage is called.
    pub(super) fn database(&self) -> &'static str {
        if self.storage.starts_with("sqlite") {
            "SQLite"
        } else {
            "Postgres"
        }
    }

    /// Starts a server and waits until it serves. It chooses its port, so that no other process
    /// can have taken it.
    pub(crate) async fn serve(&self) -> Server {
        self.try_serve(&[]).await.unwrap()
    }

    /// The same with variables of its environment.
    pub(super) async fn serve_with(&self, variables: &[(&str, &str)]) -> Server {
        self.try_serve(variables).await.unwrap()
    }

    /// The same; how it ended if it did so before it served.
    pub(super) async fn try_serve(&self, variables: &[(&str, &str)]) -> Result<Server, ExitStatus> {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.folder().join(format!("server-{number}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let mut command = self.command(None, &["serve"]);
        let child = command
            .envs(variables.iter().copied())
            .stderr(file)
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server {
            child,
            log,
            address,
            metrics: address,
        };
        server.wait_until_serving().await?;
        Ok(server)
    }

    /// Runs the program to its end; `at` is the address that it takes for the server's.
    pub(super) async fn run(&self, at: Option<SocketAddr>, arguments: &[&str]) -> Output {
        output(&mut self.command(at, arguments)).await
    }

    /// The same without a password in the environment.
    pub(super) async fn run_without_password(&self, at: SocketAddr, arguments: &[&str]) -> Output {
        output(
            self.command(Some(at), arguments)
                .env_remove("QUENTY_ADMIN_PASSWORD"),
        )
        .await
    }

    fn command(&self, at: Option<SocketAddr>, arguments: &[&str]) -> Command {
        let listen = at.map_or("127.0.0.1:0".into(), |at| at.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_quenty"));
        command
            .args(arguments)
            .current_dir(self.folder())
            .env("QUENTY_ADMIN_PASSWORD", PASSWORD)
            .env("QUENTY__GATEWAY__LISTEN", listen)
            .env(
                "QUENTY__GATEWAY__DRAIN_TIMEOUT_MS",
                DRAIN.as_millis().to_string(),
            )
            .env("QUENTY__STORAGE__URL", &self.storage)
            .env("QUENTY__TELEMETRY__METRICS_LISTEN", "127.0.0.1:0")
            .env("QUENTY__AUTH__PASSWORD_MEMORY_KIB", "64")
            // A trial may take longer on a busy machine than tokens usually hold.
            .env("QUENTY__AUTH__ACCESS_TOKEN_S", "86400")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

async fn output(command: &mut Command) -> Output {
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let output = tokio::time::timeout(DONE_WITHIN, child.wait_with_output()).await;
    output.unwrap().unwrap()
}

impl Server {
    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// How many lines of its log have a text.
    pub(super) fn told(&self, text: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(text))
            .count()
    }

    /// SIGKILL.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// How it ended by itself, if it does within a time.
    pub(super) async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        Some(ended.ok()?.unwrap())
    }

    /// What it holds of the machine's memory, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let id = self.child.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() * 1024
    }

    /// SIGTERM; the process must end well, and in time. Tells how long that took.
    pub(super) async fn terminate(mut self) -> Duration {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(sent.unwrap().success());
        let sent = Instant::now();
        // What is left to do after the connections have ended is bounded by the same time again.
        let ended = tokio::time::timeout(DRAIN * 2, self.child.wait()).await;
        let status = ended.unwrap().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
        sent.elapsed()
    }

    async fn wait_until_serving(&mut self) -> Result<(), ExitStatus> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            // The metrics are served first.
            if let Some(address) = self.address_in_log(SERVES, ' ') {
                self.address = address;
                self.metrics = self.address_in_log(METRICS, '/').unwrap();
                return Ok(());
            }
            if let Some(ended) = self.child.try_wait().unwrap() {
                eprintln!("it did not serve:\n{}", self.log());
                return Err(ended);
            }
            assert!(Instant::now() < deadline, "not serving:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn address_in_log(&self, before: &str, after: char) -> Option<SocketAddr> {
        let log = self.log();
        let (_, rest) = log.split_once(before)?;
        rest.split_once(after)?.0.parse().ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}
