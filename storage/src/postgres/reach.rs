//! Waiting for a Postgres that is not there yet, as when it is started together with this program.

use std::time::Duration;

use engine::journal::Error;
use sqlx::Connection as _;
use sqlx::postgres::PgConnectOptions;
use tokio::time::Instant;

use crate::connections::connect;
use crate::error;

/// The first pause between two attempts; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often the log tells what is waited for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Connects, and for some time again and again as long as the server is not there yet.
pub(super) async fn reach(options: &PgConnectOptions, wait: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + wait;
    let mut pause = PAUSE;
    let mut told: Option<Instant> = None;
    loop {
        let failed = match connect(options).await {
            Ok(connection) => {
                // It was only to be seen that there is one.
                let _ = connection.close().await;
                return Ok(());
            }
            Err(failed) => failed,
        };
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() || !is_on_its_way(&failed, options) {
            return Err(error::of(&failed));
        }
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            // Host and port, and never the URL: that has the password.
            let (host, port) = (options.get_host(), options.get_port());
            tracing::warn!(host, port, error = %failed, "waiting for Postgres");
            told = Some(Instant::now());
        }
        tokio::time::sleep(pause.min(rest)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether a server that could not be connected to may be there in a moment, without anybody
/// changing anything.
fn is_on_its_way(failed: &sqlx::Error, options: &PgConnectOptions) -> bool {
    use std::io::ErrorKind;
    match failed {
        // A name that is not known yet has no kind of its own, so this names what is not meant.
        sqlx::Error::Io(failed) => match failed.kind() {
            ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::InvalidData => false,
            // The socket of the server, or else a certificate.
            ErrorKind::NotFound => {
                options.get_socket().is_some() || options.get_host().starts_with('/')
            }
            _ => true,
        },
        // Starting up or shutting down, and too many clients.
        sqlx::Error::Database(failed) => {
            matches!(failed.code().as_deref(), Some("57P03" | "53300"))
        }
        _ => false,
    }
}
