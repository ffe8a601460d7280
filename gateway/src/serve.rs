//! `quenty serve`: start, serve, and end in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::{App, CONTEXTS, open, reach};
use crate::config::Config;
use crate::{bootstrap, server, telemetry};

/// What the engine has at least to end in good order.
const LEAST_STOP: Duration = Duration::from_secs(1);
/// Connections that the system keeps until they are accepted. With the library's 128 it forgets some
/// of those that come at once, and their clients go on believing that they are connected. It keeps
/// no more than it is set to, however many are asked for (`net.core.somaxconn`, usually 4,096).
const BACKLOG: u32 = 4_096;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start; the message says what is in the way.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let metrics = telemetry::metrics()?;
    // Before the port is taken: clients that come too early are refused, and not left waiting.
    reach(&config).await?;
    // Before the journals are opened: on Postgres that takes them over, and a start that then fails
    // for want of a free port would have displaced a running server for nothing.
    let listener = bind(config.gateway.listen)?;
    let metrics_listener = match config.telemetry.metrics_listen {
        Some(place) => Some(bind(place)?),
        None => None,
    };
    let app = App::start(config).await?;
    bootstrap::first_superuser(&app, bootstrap::FirstSuperuser::from_environment()).await?;
    let address = listener.local_addr()?;
    let ended = CancellationToken::new();
    let mut side = vec![tokio::spawn(telemetry::tidy_metrics(metrics.clone()))];
    if let Some(listener) = metrics_listener {
        tracing::info!("metrics at http://{}/metrics", listener.local_addr()?);
        let router = telemetry::metrics_router(metrics);
        let (config, ended) = (app.config.gateway.clone(), ended.clone());
        side.push(tokio::spawn(async move {
            server::run(listener, router, &config, ended).await;
        }));
    }
    let stopping = tokio::spawn(stop_on_signal(Arc::clone(&app))?);
    let (router, shutdown) = (app.router(), app.shutdown.clone());
    eprintln!("quenty serves http://{address} (docs at http://{address}/docs)");
    let stopped = tokio::spawn(moment_of(app.shutdown.clone()));
    server::run(listener, router, &app.config.gateway, shutdown).await;
    // One time-out for all of the end: whoever stops the program gave it that long.
    let end = stopped.await? + app.config.gateway.drain_timeout;
    app.tasks.close();
    if tokio::time::timeout_at(end, app.tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!("requests are cut off: they did not end in time");
    }
    let rest = end.saturating_duration_since(Instant::now());
    app.engine.stop(rest.max(LEAST_STOP)).await;
    ended.cancel();
    stopping.abort();
    for task in side {
        task.abort();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Brings the databases up to date.
///
/// # Errors
/// When one cannot be reached or is newer than this program.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    reach(config).await?;
    for context in CONTEXTS {
        open(config, context).await?;
        println!("{context}: up to date");
    }
    Ok(())
}

async fn moment_of(event: CancellationToken) -> Instant {
    event.cancelled().await;
    Instant::now()
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).with_context(|| format!("listening on {address}"))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // So that a start soon after an end is not refused its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Waits for the signal; then readiness fails, and after the delay connections end.
fn stop_on_signal(app: Arc<App>) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        app.stopping.cancel();
        tokio::time::sleep(app.config.gateway.drain_delay).await;
        app.shutdown.cancel();
    })
}
