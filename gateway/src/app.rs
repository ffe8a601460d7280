//! The program put together: journals, engine, entities, policies, and what the front door needs.

use std::sync::Arc;
use std::time::Instant;

use actors::policies;
use anyhow::Context as _;
use axum::Router;
use engine::journal::Journal;
use engine::verify::Findings;
use engine::{Builder, Engine};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::password::Passwords;
use crate::auth::token::Tokens;
use crate::config::Config;
use crate::http;
use crate::idempotency::UnderWay;
use crate::kinds;
use crate::live;

/// The bounded contexts; each has a journal of its own.
pub const CONTEXTS: [&str; 3] = ["customer", "order", "shipping"];

/// A journal for each context.
type Journals = Vec<(&'static str, Arc<dyn Journal>)>;

/// The running program.
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// The engine.
    pub engine: Engine,
    /// Where live viewers meet committed events.
    pub live: live::Hub,
    /// Access tokens.
    pub tokens: Tokens,
    /// Passwords.
    pub passwords: Passwords,
    /// Idempotency keys whose requests are under way.
    pub under_way: Arc<UnderWay>,
    /// Requests that go on when their clients go away; awaited at the end.
    pub tasks: TaskTracker,
    /// Cancelled when the program is told to stop: it is no longer ready.
    pub stopping: CancellationToken,
    /// Cancelled when it stops taking requests: long-lived connections end then.
    pub shutdown: CancellationToken,
}

impl App {
    /// Opens the journals of the configuration and starts.
    ///
    /// # Errors
    /// When a journal cannot be opened or the configuration does not fit.
    pub async fn start(config: Config) -> anyhow::Result<Arc<Self>> {
        let journals = open_all(&config).await?;
        Self::with_journals(config, journals).await
    }

    /// Starts on journals that are open already.
    ///
    /// # Errors
    /// When a journal cannot be reached or the configuration does not fit.
    pub async fn with_journals(config: Config, journals: Journals) -> anyhow::Result<Arc<Self>> {
        let builder = builder(&config, journals);
        let engine = builder.start().await.context("starting the engine")?;
        let live = live::Hub::start(&engine).await;
        let live = live.context("following the engine's feeds")?;
        let app = Self {
            tokens: Tokens::new(&config.auth)?,
            passwords: Passwords::new(&config.auth)?,
            engine,
            live,
            under_way: Arc::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            config,
        };
        Ok(Arc::new(app))
    }

    /// Everything that is served, behind the front.
    pub fn router(self: &Arc<Self>) -> Router {
        let is_traced = self.config.telemetry.otlp_endpoint.is_some();
        http::front::front(http::router(self), &self.config.gateway, is_traced)
    }
}

/// Waits until every database takes connections, in all as long as the configuration says.
///
/// # Errors
/// When one does not, or refuses this program.
pub async fn reach(config: &Config) -> anyhow::Result<()> {
    let storage = &config.storage;
    let deadline = Instant::now() + storage.wait;
    for context in CONTEXTS {
        let rest = deadline.saturating_duration_since(Instant::now());
        storage::reach(storage.url(context), rest)
            .await
            .with_context(|| format!("reaching the database of the context {context:?}"))?;
    }
    Ok(())
}

/// Checks what the journals of the configuration hold, beside whatever server is using them.
///
/// # Errors
/// When a journal cannot be opened or read at all.
pub async fn verify(config: &Config) -> anyhow::Result<Vec<(&'static str, Findings)>> {
    let journals = open_all(config).await?;
    Ok(builder(config, journals).verify().await?)
}

fn builder(config: &Config, journals: Journals) -> Builder {
    let builder = Engine::builder(config.engine.clone()).policies(policies::ALL);
    let mut builder = kinds::ALL
        .iter()
        .fold(builder, |builder, kind| (kind.register)(builder));
    for (name, journal) in journals {
        builder = builder.context(name, journal);
    }
    builder
}

async fn open_all(config: &Config) -> anyhow::Result<Journals> {
    let mut journals = Vec::new();
    for context in CONTEXTS {
        journals.push((context, open(config, context).await?));
    }
    Ok(journals)
}

/// Opens the journal of a context.
///
/// # Errors
/// When the database cannot be reached, used by this program, or brought up to date.
pub async fn open(config: &Config, context: &'static str) -> anyhow::Result<Arc<dyn Journal>> {
    let storage = &config.storage;
    storage::open(
        storage.url(context),
        context,
        storage.shards.get(),
        storage.readers.get(),
    )
    .await
    .with_context(|| format!("opening the journal of the context {context:?}"))
}
