//! Replays the public Olist data set against a running server, and examines what comes of it.

mod body;
pub mod data;
mod drive;
pub mod mapping;
mod message;
mod oracle;
pub mod pace;
pub mod plan;
mod progress;
pub mod report;
mod rows;
pub mod tally;
mod viewer;
mod viewers;
mod watch;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::sync::Semaphore;

use crate::client::{Client, Credentials};
use drive::Driver;
use pace::{Pace, Speed};
use plan::Plan;
use progress::Progress;
use report::Report;
use world::World;

/// What to replay, where, and how.
pub struct Options {
    /// The folder with the data.
    pub olist: PathBuf,
    /// The server.
    pub url: String,
    /// A superuser of it.
    pub credentials: Credentials,
    /// How fast.
    pub speed: Speed,
    /// How many people watch shipments.
    pub viewers: usize,
    /// Only so many orders, the first ones.
    pub limit: Option<usize>,
    /// Orders under way at a time.
    pub concurrency: usize,
    /// The run's name. The same one again takes up a run that was broken off.
    pub run: String,
}

/// Replays, examines, and prints the report. Whether all was as it should be.
///
/// # Errors
/// When the data cannot be read, or the server refuses what a run cannot go on without.
pub async fn run(options: Options) -> Result<bool> {
    let plan = Plan::new(data::read(&options.olist)?, options.limit);
    let first = plan.orders.first().context("there are no orders")?;
    let begin = first.order.purchased;
    let credentials = &options.credentials;
    let superuser = Client::new(&options.url, credentials.clone(), &options.run)?;
    eprintln!("run {}: creating the marketplace", options.run);
    let concurrency = options.concurrency;
    let world = World::create(&superuser, credentials, &options.run, &plan, concurrency).await?;
    let world = Arc::new(world);

    let progress = Arc::new(Progress::default());
    let (viewers, audience) = viewers::seat(&world.client, options.viewers, &progress);
    let driver = Driver {
        world: Arc::clone(&world),
        pace: Pace::new(options.speed, begin),
        viewers,
        progress: Arc::clone(&progress),
        turns: Arc::new(Semaphore::new(concurrency)),
    };
    let started = Instant::now();
    let shown = progress.show(plan.orders.len(), world.client.clone());
    let driven = drive::drive(driver, &plan).await?;
    let elapsed = started.elapsed();
    let watched = audience.leave().await?;
    drop(shown);

    eprintln!("run {}: examining what came of it", options.run);
    let watched = (options.viewers > 0).then_some(watched.as_slice());
    let report = Report {
        elapsed,
        checks: oracle::examine(&world, &plan, &driven, watched).await?,
        retries: world.client.retries(),
        sightings: progress.sightings.load(Ordering::Relaxed),
        reconnects: progress.reconnects.load(Ordering::Relaxed),
        run: options.run,
    };
    println!("{}", report.render(&plan));
    Ok(report.is_clean())
}
