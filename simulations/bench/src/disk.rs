//! How long the disk takes to make a write last.

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Writes that are measured.
const WRITES: usize = 200;
/// The size of each: a page of Postgres' log.
const PAGE: [u8; 8192] = [7; 8192];

/// The median of fdatasync after writing one page over another, as databases write their logs.
pub(crate) fn fdatasync_median(folder: &Path) -> Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    for _ in 0..WRITES {
        file.write_all(&PAGE)?;
    }
    file.sync_all()?;
    file.rewind()?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        file.write_all(&PAGE)?;
        let started = Instant::now();
        file.sync_data()?;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    Ok(took[WRITES / 2])
}
