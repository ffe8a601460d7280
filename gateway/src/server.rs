//! The accept loop: HTTP/1 and HTTP/2 with a bound on every wait and on the number of connections.
//!
//! `axum::serve` bounds neither silent connections nor slow readers, so this is ours: each
//! connection is watched from outside, by whether a request is under way on it, and by nothing
//! that a client can keep alive by trickling bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::config::Gateway;
use crate::http::front;
use crate::problem::{MEDIA_TYPE, Problem};

/// How long a connection that was asked to end may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How often an HTTP/2 peer without traffic is asked whether it is still there, and how long it has.
const PING: Duration = Duration::from_secs(20);
/// How long to wait after `accept` failed, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The client's address; in every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A place among the connections; in every request's extensions. Who takes a connection over, as
/// a WebSocket does, keeps this as long as the connection lasts: it counts, and the server's end
/// waits for it.
#[derive(Clone, Debug)]
pub struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves until `shutdown`, then lets what is under way finish, for at most the drain timeout.
/// What has not ended by then is cut off.
pub async fn run(
    listener: TcpListener,
    router: Router,
    config: &Gateway,
    shutdown: CancellationToken,
) {
    let most = config.max_connections.get();
    let places = Arc::new(Semaphore::new(most as usize));
    let server = Arc::new(Server {
        router,
        builder: builder(config),
        config: config.clone(),
        shutdown: shutdown.clone(),
        cut: CancellationToken::new(),
    });
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(&server, &places, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // All places free means that all connections have ended, taken over ones included.
    let ended = places.acquire_many(most);
    if tokio::time::timeout(config.drain_timeout, ended)
        .await
        .is_err()
    {
        tracing::warn!("connections are cut off: they did not end in time");
    }
    server.cut.cancel();
}

fn admit(server: &Arc<Server>, places: &Arc<Semaphore>, stream: TcpStream, peer: SocketAddr) {
    match places.clone().try_acquire_owned() {
        Ok(permit) => {
            let place = Place {
                _permit: Arc::new(permit),
            };
            tokio::spawn(server.clone().serve(stream, peer, place));
        }
        Err(_) => {
            metrics::counter!("quenty_http_connections_refused_total").increment(1);
            // A fresh socket's buffer has room for this; whoever cannot take it gets nothing.
            let _ = stream.try_write(&full());
        }
    }
}

/// What is told to a connection beyond the cap, before it is closed.
fn full() -> Vec<u8> {
    let id = front::new_request_id();
    let problem = Problem::unavailable("overloaded", "there are too many connections");
    let mut answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-type: {MEDIA_TYPE}\r\n\
         x-request-id: {id}\r\nconnection: close\r\n\r\n"
    )
    .into_bytes();
    answer.extend(problem.render(Some(&id)));
    answer
}

fn builder(config: &Gateway) -> Builder<TokioExecutor> {
    // What is too large for us, but not for hyper, is told so by `front`; what is beyond this gets
    // hyper's own bare 431, so that nobody makes us keep more.
    let head = config.max_header_bytes.get().saturating_mul(2);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The watch below bounds this wait; hyper's timer would also end kept connections early.
        .header_read_timeout(None)
        .max_buf_size((head as usize).max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_header_list_size(head)
        .max_concurrent_streams(config.max_streams.get());
    builder
}

struct Server {
    router: Router,
    builder: Builder<TokioExecutor>,
    config: Gateway,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

impl Server {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let open = metrics::gauge!("quenty_http_connections");
        open.increment(1);
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.config.write_timeout));
        let requests = Requests::new();
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(place.clone());
            answer(self.router.clone(), request, requests.begin())
        });
        let io = TokioIo::new(Box::pin(stream));
        let mut connection = pin!(self.builder.serve_connection_with_upgrades(io, service));
        let mut ending: Option<Instant> = None;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, %peer, "a connection ended badly");
                    }
                    break;
                }
                () = self.cut.cancelled() => break,
                () = self.shutdown.cancelled(), if ending.is_none() => {}
                () = requests.silence(|state| self.patience(state, ending)) => {
                    if ending.is_some() {
                        break;
                    }
                }
            }
            ending = Some(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
        open.decrement(1);
    }

    /// Until when a connection without a request under way is kept.
    fn patience(&self, state: State, ending: Option<Instant>) -> Instant {
        match ending {
            Some(since) => since.max(state.since) + GOODBYE,
            None if state.any_yet => state.since + self.config.idle_timeout,
            None => state.since + self.config.header_timeout,
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    under_way: UnderWay,
) -> Result<Response, Infallible> {
    let response = router.oneshot(request.map(Body::new)).await?;
    // The request is under way until its last byte has left.
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &under_way;
            frame
        }))
    }))
}

/// The requests of one connection: how many are under way, and since when none is.
struct Requests {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    under_way: u32,
    any_yet: bool,
    since: Instant,
}

/// A request under way, until it is dropped.
struct UnderWay {
    state: watch::Sender<State>,
}

impl Requests {
    fn new() -> Self {
        let fresh = State {
            under_way: 0,
            any_yet: false,
            since: Instant::now(),
        };
        Self {
            state: watch::Sender::new(fresh),
        }
    }

    fn begin(&self) -> UnderWay {
        self.state.send_modify(|state| {
            state.under_way += 1;
            state.any_yet = true;
        });
        UnderWay {
            state: self.state.clone(),
        }
    }

    /// Returns once no request has been under way for as long as is allowed.
    async fn silence(&self, until: impl Fn(State) -> Instant) {
        let mut changes = self.state.subscribe();
        loop {
            let state = *changes.borrow_and_update();
            let silent = async {
                match state.under_way {
                    0 => tokio::time::sleep_until(until(state)).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                () = silent => return,
                // The sender is `self`, so this cannot fail while we are here.
                _ = changes.changed() => {}
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.under_way = state.under_way.saturating_sub(1);
            state.since = Instant::now();
        });
    }
}
