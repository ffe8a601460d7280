//! Measures Quenty against what it has to be compared with, side by side in one run.

mod api;
mod disk;
mod fanout;
mod figures;
mod latency;
mod load;
mod measure;
mod memory;
mod orders;
mod reads;
mod report;
mod reservations;
mod server;
mod shop;
mod soak;
mod stage;
mod unnest;
mod viewers;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use strum::IntoEnumIterator as _;
use tokio::task::LocalSet;

use measure::{Key, Measure};
use orders::Wanted;
use stage::{Options, Stage};

/// The same as Quenty's: reservations are measured in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Quenty; `scripts/bench` starts it with everything that it needs.
#[derive(Parser)]
#[command(name = "quenty-bench")]
struct Cli {
    /// What to measure; everything, if nothing is named.
    keys: Vec<Key>,
    /// Write the figures to this file, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Instead, half the capacity for so many minutes: do memory and latency stay as they are?
    #[arg(long, num_args = 0..=1, default_missing_value = "10")]
    soak: Option<u64>,
    /// How many times each side has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn is, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many products there are.
    #[arg(long, default_value_t = 100_000)]
    products: usize,
    /// The program `quenty`.
    #[arg(long)]
    quenty: PathBuf,
    /// The program `peer`.
    #[arg(long)]
    peer: PathBuf,
    /// A Postgres on which databases may be made.
    #[arg(long)]
    postgres: String,
    /// A folder for files, on the disk that Postgres is on.
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    // One thread for all load: it must not take more of the cores than it needs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, run(cli))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let mut stage = Stage::new(Options {
        quenty: cli.quenty,
        peer: cli.peer,
        postgres: cli.postgres,
        folder: cli.folder,
        rounds: cli.rounds,
        length: Duration::from_secs(cli.seconds),
        products: cli.products,
    });
    if let Some(minutes) = cli.soak {
        let is_flat = soak::run(&mut stage, minutes).await?;
        return Ok(if is_flat {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let keys: Vec<Key> = match cli.keys.as_slice() {
        [] => Key::iter().collect(),
        keys => keys.to_vec(),
    };
    let measures = measure_all(&mut stage, &keys).await?;
    report::print(&measures);
    if let Some(path) = cli.json {
        report::write(&path, &measures, stage.options.fdatasync_micros()?)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure_all(stage: &mut Stage, keys: &[Key]) -> Result<Vec<Measure>> {
    let wants = |key| keys.contains(&key);
    let mut measures = Vec::new();
    if wants(Key::OrdersVsPeer) {
        measures.push(orders::measure(stage, Key::OrdersVsPeer, Wanted::Any).await?);
    }
    if wants(Key::HotSkuVsPeer) {
        measures.push(orders::measure(stage, Key::HotSkuVsPeer, Wanted::First).await?);
    }
    if wants(Key::ReservationsVsUnnest) {
        measures.push(reservations::measure(&stage.options).await?);
    }
    if wants(Key::GetVsPeer) || wants(Key::GetVsBare) {
        measures.extend(reads::measure(stage, keys).await?);
    }
    if wants(Key::FanoutVsRaw) {
        measures.push(fanout::measure(stage).await?);
    }
    if wants(Key::Latency) {
        let known = measures.iter().find(|it| it.key == Key::OrdersVsPeer);
        let capacity = known
            .and_then(|it| it.sides.first())
            .map(|it| it.series.median());
        measures.push(latency::measure(stage, capacity).await?);
    }
    if wants(Key::BytesPerOrder) || wants(Key::BytesPerViewer) {
        measures.extend(memory::measure(stage, keys).await?);
    }
    Ok(measures)
}
