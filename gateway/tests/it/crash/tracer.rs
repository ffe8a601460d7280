//! System calls of other processes: seen in their order, and made to fail.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead};
use tokio::process::{Child, Command};

use super::cluster::signal;
use crate::postgres;

/// How long attaching to processes may take: ample, for a busy machine.
const WITHIN: Duration = Duration::from_secs(30);

/// A running `strace`. Ended when dropped.
pub(super) struct Tracer {
    strace: Child,
    lines: PathBuf,
    _folder: TempDir,
}

impl Tracer {
    /// Whether this machine has one and allows it; a line says so if not.
    pub(super) async fn is_allowed(what: &str) -> bool {
        let mut sleep = Command::new("sleep")
            .arg("60")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let tracer = Self::attach(&[sleep.id().unwrap()], &["-e", "trace=fsync"]).await;
        sleep.kill().await.unwrap();
        match tracer {
            Ok(tracer) => tracer.detach().await,
            Err(why) => {
                postgres::skip(what, &why);
                return false;
            }
        }
        true
    }

    /// Attaches to processes, their threads and the processes that they start; why not, if not.
    pub(super) async fn attach(ids: &[u32], options: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let lines = folder.path().join("lines");
        let mut strace = Command::new("strace");
        strace.arg("-f").args(options).arg("-o").arg(&lines);
        for id in ids {
            strace.arg(format!("--attach={id}"));
        }
        strace.stderr(Stdio::piped()).kill_on_drop(true);
        let mut strace = strace
            .spawn()
            .map_err(|error| format!("no strace: {error}"))?;
        let said = strace.stderr.take().unwrap();
        // It stops all of them, one after the other, and says so of each.
        let attached = tokio::time::timeout(WITHIN, wait_for(said, ids.len())).await;
        attached.map_err(|late| late.to_string())??;
        Ok(Self {
            strace,
            lines,
            _folder: folder,
        })
    }

    /// How many system calls were made to fail.
    pub(super) fn injected(&self) -> usize {
        let lines = File::open(&self.lines).map(BufReader::new).unwrap();
        let lines = lines.split(b'\n').map(Result::unwrap);
        lines.filter(|line| line.ends_with(b"(INJECTED)")).count()
    }

    /// Lets go of the processes.
    pub(super) async fn detach(mut self) {
        self.let_go().await;
    }

    /// The same; what was seen.
    pub(super) async fn seen(mut self) -> Seen {
        self.let_go().await;
        Seen(self)
    }

    async fn let_go(&mut self) {
        // Unlike SIGKILL, this has it detach first.
        signal("INT", &[self.strace.id().unwrap()]).await;
        let ended = tokio::time::timeout(WITHIN, self.strace.wait()).await;
        ended.unwrap().unwrap();
    }
}

/// What was seen, once it is complete.
pub(super) struct Seen(Tracer);

impl Seen {
    /// The file with the lines.
    pub(super) fn lines(&self) -> &Path {
        &self.0.lines
    }
}

/// Waits until so many processes have been attached to; it goes on reading, lest the pipe fills up.
async fn wait_for(
    said: impl AsyncRead + Unpin + Send + 'static,
    mut processes: usize,
) -> Result<(), String> {
    let mut said = tokio::io::BufReader::new(said).lines();
    let mut whole = String::new();
    while processes > 0 {
        let Some(line) = said.next_line().await.unwrap() else {
            return Err(format!("strace ended: {whole}"));
        };
        // "strace: Process 7 attached with 3 threads"
        processes -= usize::from(line.contains(" attached"));
        whole += &line;
    }
    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
    Ok(())
}
