//! A session over a WebSocket: who it is, what it asks, and how it ends.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Error;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use tokio::sync::watch;
use uuid::Uuid;

use super::hub::Beat;
use super::message::{Message, Said};
use super::session::Session;
use super::tenure::{End, Tenure};
use super::topic::{PUBLIC, Topic};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::problem::Problem;

/// The longest message taken: a cursor of the company's topic has some 3,000 characters.
pub const MESSAGE_BYTES: usize = 16 * 1024;
/// How long a connection may take to say who it is.
const AUTH: Duration = Duration::from_secs(5);
/// Messages that a client may send at once, and how many a second.
const SAID_MAX: f64 = 128.0;
const SAID_PER_SECOND: f64 = 20.0;

/// Who comes in.
pub enum Greeting {
    /// Somebody who says so in the first message.
    Stranger,
    /// Somebody known.
    Known(Caller),
    /// Anybody, to watch one shipment.
    Public {
        /// The shipment's company.
        tenant: Uuid,
        /// The shipment.
        shipment: Uuid,
        /// The cursor to go on from.
        from: Option<String>,
    },
}

/// How a connection ends: the close code and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Close(u16, &'static str);

impl Close {
    const DONE: Self = Self(1000, "");
    const PROTOCOL: Self = Self(1002, "protocol error");
    const NOT_TEXT: Self = Self(1003, "messages are text");
    /// The peer is gone; nobody is told.
    const GONE: Self = Self(1006, "");
    const TOO_OFTEN: Self = Self(1008, "too many messages");
    const TOO_LARGE: Self = Self(1009, "message too large");
    const NO_AUTH: Self = Self(4002, "say who you are first");
    const TOO_SLOW: Self = Self(4008, "too slow, resume from your cursor");
}

impl From<End> for Close {
    fn from(end: End) -> Self {
        let code = match end {
            End::Expired | End::Revoked => 4001,
            End::GoingAway => 1001,
        };
        Self(code, end.code())
    }
}

/// Serves a WebSocket until it ends.
pub async fn serve(app: Arc<App>, socket: WebSocket, greeting: Greeting) {
    let viewers = metrics::gauge!("quenty_live_viewers", "transport" => "websocket");
    viewers.increment(1);
    let write_timeout = app.config.gateway.write_timeout;
    let mut line = Line {
        socket,
        // The connection itself is cut when it takes nothing for the whole time-out: a goodbye
        // must come before that.
        patience: write_timeout.mul_f64(2.0 / 3.0),
        goodbye: write_timeout.mul_f64(1.0 / 3.0),
    };
    // In a box of its own, as other rare and large steps are: the future of a connection is as large
    // as its largest step, and there are thousands that only wait.
    let close = match Box::pin(welcome(&app, &mut line, greeting)).await {
        Ok((session, caller)) => {
            let mut connection = Connection {
                beats: app.live.beats(),
                line: &mut line,
                session,
                asked: None,
                allowance: Allowance::new(),
            };
            connection.run(Tenure::new(app, caller)).await
        }
        Err(close) => close,
    };
    metrics::counter!("quenty_live_closes_total", "code" => close.0.to_string()).increment(1);
    line.close(close).await;
    viewers.decrement(1);
}

/// Finds out who comes in.
async fn welcome(
    app: &Arc<App>,
    line: &mut Line,
    greeting: Greeting,
) -> Result<(Session, Option<Caller>), Close> {
    let caller = match greeting {
        Greeting::Known(caller) => caller,
        Greeting::Stranger => match identify(app, line).await? {
            Ok(caller) => caller,
            Err(problem) => {
                line.send(Message::error(&problem, None)).await?;
                return Err(Close(4001, problem.code()));
            }
        },
        Greeting::Public {
            tenant,
            shipment: id,
            from,
        } => {
            let mut session = Session::new(Arc::clone(app), None);
            let kind = &PUBLIC;
            let topic = Topic::Entity { kind, tenant, id };
            if let Err(problem) = session.watch(topic, from.as_deref()).await {
                session.say(Message::error(&problem, Some("tracking")));
            }
            return Ok((session, None));
        }
    };
    let session = Session::new(Arc::clone(app), Some(caller.tenant));
    Ok((session, Some(caller)))
}

async fn identify(app: &App, line: &mut Line) -> Result<Result<Caller, Problem>, Close> {
    let deadline = Instant::now() + AUTH;
    let first = tokio::time::timeout_at(deadline.into(), line.socket.recv()).await;
    let text = match first {
        Ok(Some(Ok(Frame::Text(text)))) if text.len() <= MESSAGE_BYTES => text,
        Ok(None | Some(Err(_))) => return Err(Close::GONE),
        _ => return Err(Close::NO_AUTH),
    };
    let Ok(Said::Auth { token, company }) = serde_json::from_str(&text) else {
        return Err(Close::NO_AUTH);
    };
    Ok(app.authenticate(&token, company.as_deref(), deadline).await)
}

struct Connection<'a> {
    line: &'a mut Line,
    session: Session,
    beats: watch::Receiver<Beat>,
    /// Since when an answer to a ping is awaited.
    asked: Option<Instant>,
    allowance: Allowance,
}

impl Connection<'_> {
    async fn run(&mut self, tenure: Tenure) -> Close {
        let mut over = pin!(tenure.over());
        loop {
            let step = tokio::select! {
                end = &mut over => return end.into(),
                Ok(()) = self.beats.changed() => self.beat().await,
                frame = self.line.socket.recv(), if self.session.is_drained() => {
                    self.hear(frame).await
                }
                message = self.session.next() => self.tell(message).await,
            };
            if let Err(close) = step {
                return close;
            }
        }
    }

    /// Asks whether the peer is there, or ends what has not answered.
    async fn beat(&mut self) -> Result<(), Close> {
        let beat = *self.beats.borrow_and_update();
        match (beat, self.asked) {
            (Beat::Pong, Some(_)) => Err(Close::GONE),
            (Beat::Ping, None) => {
                self.asked = Some(Instant::now());
                self.line.frame(Frame::Ping(bytes::Bytes::new())).await
            }
            (Beat::Ping, Some(_)) | (Beat::Pong, None) => Ok(()),
        }
    }

    /// Sends a message. One that has to wait, and then goes through, shows as well as a pong that
    /// the peer is there: what it sent lies unread meanwhile, and our ping waits behind other data.
    /// One that goes at once shows nothing: the system takes some also for a peer that is gone.
    async fn tell(&mut self, message: Message) -> Result<(), Close> {
        let mut sending = pin!(self.line.send(message));
        if let Poll::Ready(sent) = futures::poll!(&mut sending) {
            return sent;
        }
        sending.await?;
        self.asked = None;
        Ok(())
    }

    async fn hear(&mut self, frame: Option<Result<Frame, Error>>) -> Result<(), Close> {
        if !self.allowance.take() {
            return Err(Close::TOO_OFTEN);
        }
        match frame {
            Some(Ok(Frame::Text(text))) if text.len() > MESSAGE_BYTES => Err(Close::TOO_LARGE),
            Some(Ok(Frame::Text(text))) => {
                Box::pin(self.act(&text)).await;
                Ok(())
            }
            Some(Ok(Frame::Binary(_))) => Err(Close::NOT_TEXT),
            Some(Ok(Frame::Pong(_))) => {
                self.asked = None;
                Ok(())
            }
            // Answered by the library.
            Some(Ok(Frame::Ping(_))) => Ok(()),
            Some(Ok(Frame::Close(_))) => Err(Close::DONE),
            Some(Err(error)) => {
                tracing::debug!(%error, "a live connection broke");
                Err(Close::PROTOCOL)
            }
            None => Err(Close::GONE),
        }
    }

    async fn act(&mut self, text: &str) {
        let Ok(said) = serde_json::from_str(text) else {
            let problem = refused("malformed", "this is no message that is understood here");
            return self.session.say(Message::error(&problem, None));
        };
        let (done, topic) = match said {
            Said::Ping {} => return self.session.say(Message::pong()),
            Said::Auth { .. } => {
                let problem = refused("already-authenticated", "who you are is known");
                return self.session.say(Message::error(&problem, None));
            }
            Said::Subscribe { topic, from } => {
                (self.session.subscribe(&topic, from.as_deref()).await, topic)
            }
            Said::Unsubscribe { topic } => (self.session.unsubscribe(&topic), topic),
        };
        if let Err(problem) = done {
            self.session.say(Message::error(&problem, Some(&topic)));
        }
    }
}

fn refused(code: &'static str, detail: &str) -> Problem {
    Problem::new(axum::http::StatusCode::BAD_REQUEST, code, detail)
}

/// The socket, with a bound on every wait for the peer to take something.
struct Line {
    socket: WebSocket,
    patience: Duration,
    goodbye: Duration,
}

impl Line {
    async fn send(&mut self, message: Message) -> Result<(), Close> {
        self.frame(Frame::Text(message.text)).await
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), Close> {
        match tokio::time::timeout(self.patience, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Close::GONE),
            Err(_) => Err(Close::TOO_SLOW),
        }
    }

    async fn close(&mut self, close: Close) {
        if close == Close::GONE {
            return;
        }
        let frame = Frame::Close(Some(CloseFrame {
            code: close.0,
            reason: close.1.into(),
        }));
        let goodbye = async {
            self.socket.send(frame).await?;
            // Until the peer has said goodbye too, or the system might throw ours away.
            while let Some(frame) = self.socket.recv().await {
                frame?;
            }
            Ok::<_, Error>(())
        };
        if !matches!(
            tokio::time::timeout(self.goodbye, goodbye).await,
            Ok(Ok(()))
        ) {
            tracing::debug!(code = close.0, "a live connection ended without goodbye");
        }
    }
}

/// How many messages a client may still send now.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self {
            left: SAID_MAX,
            at: Instant::now(),
        }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let earned = (now - self.at).as_secs_f64() * SAID_PER_SECOND;
        self.left = (self.left + earned).min(SAID_MAX) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}
