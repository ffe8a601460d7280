//! The program `quenty`: serves, and does what operators need from a shell.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use gateway::config::Config;
use gateway::{operator, serve, telemetry};

/// Entities and requests are made on one thread and freed on another, over and over: the C library's
/// allocator spends a third of the program's time on locks there (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Quenty, a logistics engine.
#[derive(Parser)]
#[command(version, about, after_help = "Without a command, quenty serves.")]
struct Arguments {
    /// The configuration file; ./config.toml is read if it is there and none is named.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM or Ctrl-C.
    Serve,
    /// Bring the databases up to date, and end. `serve` does the same when it starts.
    Migrate,
    /// Check what the databases hold: feeds and entities without gaps, documents and claims that are
    /// what the events say. On SQLite the server must be stopped.
    Verify,
    /// Print the configuration in force, without secrets.
    Config,
    /// Write everything of one company as JSON lines.
    Export {
        /// The company's id.
        #[arg(long, value_name = "com_…")]
        company: String,
        /// Where to; standard output if not given.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// What only whoever runs the installation may do.
    #[command(subcommand)]
    Admin(Admin),
}

#[derive(Subcommand)]
enum Admin {
    /// Give a user a new password and end all of the user's sessions.
    ///
    /// The password is read from QUENTY_ADMIN_PASSWORD; without it one is made and printed.
    ResetPassword {
        /// The user's e-mail address.
        email: String,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    let command = arguments.command.unwrap_or(Command::Serve);
    if let Command::Config = command {
        print!("{}", Config::print(file)?);
        return Ok(());
    }
    let config = Config::load(file)?;
    // Before the runtime, whose threads the exporter of traces must not block, and dropped after it.
    let _telemetry = telemetry::start(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::serve(config).await,
            Command::Migrate => serve::migrate(&config).await,
            Command::Verify => operator::verify(&config).await,
            Command::Export { company, output } => {
                operator::export(config, &company, output.as_deref()).await
            }
            Command::Admin(Admin::ResetPassword { email }) => {
                operator::reset_password(config, &email).await
            }
            Command::Config => Ok(()),
        }
    })
}
