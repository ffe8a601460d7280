//! The most that a fan-out can do: one loop that writes the same bytes to socket after socket.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::Shop;

/// Sockets that were connected and only wait to be written to.
pub(crate) struct Sockets {
    /// Where to connect.
    pub(crate) address: SocketAddr,
    accepted: Arc<Mutex<Vec<TcpStream>>>,
}

/// How often to write the body to every socket.
#[derive(Deserialize)]
pub(crate) struct Times {
    times: usize,
}

impl Sockets {
    /// Accepts connections for as long as the program runs.
    pub(crate) fn listen(at: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(at).context("listening for raw sockets")?;
        let sockets = Self {
            address: listener.local_addr()?,
            accepted: Arc::default(),
        };
        let accepted = Arc::clone(&sockets.accepted);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stream.set_nodelay(true).is_ok()
                    && let Ok(mut accepted) = accepted.lock()
                {
                    accepted.push(stream);
                }
            }
        });
        Ok(sockets)
    }
}

/// Writes the body, once to every socket, then again, as a fan-out of event after event does. Says
/// how many seconds that took.
pub(crate) async fn write(
    State(shop): State<Arc<Shop>>,
    Query(Times { times }): Query<Times>,
    frame: Bytes,
) -> Result<String, StatusCode> {
    let sockets = Arc::clone(&shop.raw.accepted);
    let writing = tokio::task::spawn_blocking(move || write_all(&sockets, &frame, times));
    match writing.await {
        Ok(Some(seconds)) => Ok(seconds.to_string()),
        _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn write_all(sockets: &Mutex<Vec<TcpStream>>, frame: &[u8], times: usize) -> Option<f64> {
    let sockets = sockets.lock().ok()?;
    let started = Instant::now();
    for _ in 0..times {
        for mut socket in sockets.iter() {
            socket.write_all(frame).ok()?;
        }
    }
    Some(started.elapsed().as_secs_f64())
}
