//! How far a run has come, for the person who waits for it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::client::Client;

/// How often a bar is drawn anew.
const FRAME: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Orders that all was done with.
    pub orders: AtomicU64,
    /// Orders that something went wrong with.
    pub failures: AtomicU64,
    /// Events that viewers saw.
    pub sightings: AtomicU64,
    /// Connections that viewers made anew.
    pub reconnects: AtomicU64,
}

/// Shows the progress until it is dropped.
pub(super) struct Shown {
    task: JoinHandle<()>,
    bar: ProgressBar,
}

impl Progress {
    /// Counts one more.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows the progress of so many orders.
    pub(super) fn show(self: &Arc<Self>, total: usize, client: Client) -> Shown {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = match is_terminal {
            true => ProgressBar::new(total as u64).with_style(style()),
            false => ProgressBar::hidden(),
        };
        let (progress, drawn) = (Arc::clone(self), bar.clone());
        let task = tokio::spawn(async move {
            let started = Instant::now();
            loop {
                tokio::time::sleep(if is_terminal { FRAME } else { LINE }).await;
                let orders = progress.orders.load(Ordering::Relaxed);
                let notes = progress.notes(started, client.retries());
                match is_terminal {
                    true => {
                        drawn.set_position(orders);
                        drawn.set_message(notes);
                    }
                    false => eprintln!("{orders}/{total} orders, {notes}"),
                }
            }
        });
        Shown { task, bar }
    }

    fn notes(&self, started: Instant, retries: u64) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let rate = count(&self.orders) as f64 / started.elapsed().as_secs_f64().max(0.001);
        format!(
            "{rate:.1}/s, {retries} requests sent again, {} failed, viewers saw {} events and \
             connected {} times again",
            count(&self.failures),
            count(&self.sightings),
            count(&self.reconnects),
        )
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {pos}/{len} orders, {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
