//! Servers as processes of their own, and what they cost.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::{Child, Command};

/// How long a server has for starting: the peer makes its catalogue first.
const START_WITHIN: Duration = Duration::from_secs(120);
/// How long a server has for ending.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether a server serves.
const LOOK: Duration = Duration::from_millis(20);
/// Ticks of the system's CPU accounts in a second; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    id: u32,
    log: PathBuf,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program and waits until it prints its address after `serves`.
    pub(crate) async fn start(command: &mut Command, log: &Path, serves: &str) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {:?}", command.as_std().get_program()))?;
        let mut server = Self {
            id: child.id().context("the server ended at once")?,
            child,
            log: log.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        server.address = server.until_said(serves).await?;
        Ok(server)
    }

    /// The address that it printed after something.
    pub(crate) async fn until_said(&mut self, before: &str) -> Result<SocketAddr> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let rest = log.split_once(before).map(|(_, rest)| rest);
            let word = rest.and_then(|rest| rest.split_once([' ', ')', '\n']));
            if let Some((address, _)) = word {
                return Ok(address.parse()?);
            }
            ensure!(self.child.try_wait()?.is_none(), "it ended:\n{log}");
            ensure!(Instant::now() < deadline, "it does not start:\n{log}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.id.to_string();
        Command::new("kill").args(["-TERM", &id]).status().await?;
        if tokio::time::timeout(STOP_WITHIN, self.child.wait())
            .await
            .is_err()
        {
            bail!("a server did not end in time");
        }
        Ok(())
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse::<f64>()? * 1024.0)
    }

    /// The CPU time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        let (_, fields) = stat.rsplit_once(')').context("no stat")?;
        // After the name: utime and stime are the 12th and 13th field.
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
    }
}
