//! The command line of the simulations.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

use simulations::client::Credentials;
use simulations::replay;
use simulations::replay::pace::Speed;

/// Load for capacity planning.
#[derive(Parser)]
#[command(name = "quenty-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replay the public Olist orders against a running server, then examine what came of it.
    /// Exits with 0 when all is as it should be, with 1 otherwise.
    Replay(Replay),
}

#[derive(Args)]
struct Replay {
    /// The folder with the data set's CSV files.
    #[arg(long)]
    olist: PathBuf,
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    url: String,
    /// `max`, or how much faster than in the data time passes, such as `100x`.
    #[arg(long, default_value = "max")]
    speed: Speed,
    /// How many people watch shipments, each over a connection of its own.
    #[arg(long, default_value_t = 20)]
    viewers: usize,
    /// Replay only so many orders, the first ones.
    #[arg(long)]
    limit: Option<usize>,
    /// Orders under way at a time.
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    concurrency: usize,
    /// A superuser's e-mail address.
    #[arg(long, env = "QUENTY_ADMIN_EMAIL", default_value = "admin@localhost")]
    email: String,
    /// That user's password.
    #[arg(long, env = "QUENTY_ADMIN_PASSWORD", hide_env_values = true)]
    password: String,
    /// The run's name; the name of a run that was broken off takes it up again.
    #[arg(long)]
    run_id: Option<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Command::Replay(replay) = Cli::parse().command;
    Ok(match replay::run(options(replay)).await? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn options(replay: Replay) -> replay::Options {
    replay::Options {
        olist: replay.olist,
        url: replay.url,
        credentials: Credentials {
            email: replay.email,
            password: replay.password,
        },
        speed: replay.speed,
        viewers: replay.viewers,
        limit: replay.limit,
        concurrency: replay.concurrency,
        run: replay
            .run_id
            .unwrap_or_else(|| Uuid::now_v7().simple().to_string()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("at least 1".to_owned()),
    }
}
