//! One connection's topics, whatever carries it: what its client is told, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Notify;
use uuid::Uuid;

use super::message::Message;
use super::topic::Topic;
use super::viewer::Viewer;
use crate::app::App;
use crate::problem::Problem;

/// Topics that one connection watches.
const TOPICS_MAX: usize = 100;
/// How long to wait after a journal could not be read.
const PAUSE: Duration = Duration::from_millis(500);

/// One connection's topics.
pub struct Session {
    app: Arc<App>,
    /// The company whose topics may be asked for; none for the public.
    tenant: Option<Uuid>,
    viewers: Vec<Viewer>,
    /// The viewer that was asked last.
    turn: usize,
    /// Told by every channel that a viewer sits at.
    news: Arc<Notify>,
    /// What is made but not yet taken: one viewer's batch at most, and an answer.
    ready: VecDeque<Message>,
}

impl Session {
    /// A connection without topics yet.
    #[must_use]
    pub fn new(app: Arc<App>, tenant: Option<Uuid>) -> Self {
        Self {
            app,
            tenant,
            viewers: Vec::new(),
            turn: 0,
            news: Arc::default(),
            ready: VecDeque::new(),
        }
    }

    /// Watches a topic that the client names.
    ///
    /// # Errors
    /// As [`Session::watch`]; 404 also when the name is none.
    pub async fn subscribe(&mut self, name: &str, from: Option<&str>) -> Result<(), Problem> {
        let tenant = self.tenant.ok_or_else(|| {
            Problem::forbidden("this connection watches the one shipment that it was opened for")
        })?;
        if tenant.is_nil() {
            return Err(Problem::bad_parameter(
                "company",
                "company-missing",
                "a superuser says which company to act in",
            ));
        }
        let topic = Topic::parse(name, tenant).ok_or_else(Problem::not_found)?;
        self.watch(topic, from).await
    }

    /// Watches a topic.
    ///
    /// # Errors
    /// 404 when there is no such thing in the company; 422 when the cursor is not the topic's; 409
    /// when it is watched already; 503 when it cannot be read, or too many are watched.
    pub async fn watch(&mut self, topic: Topic, from: Option<&str>) -> Result<(), Problem> {
        let label = topic.label();
        if self.viewers.iter().any(|viewer| viewer.label() == label) {
            return Err(conflict(
                "already-subscribed",
                "this topic is watched already",
            ));
        }
        if self.viewers.len() >= TOPICS_MAX {
            return Err(conflict(
                "too-many-topics",
                "a connection watches 100 topics at most; `company` is one that has everything",
            ));
        }
        let (live, engine, news) = (&self.app.live, &self.app.engine, Arc::clone(&self.news));
        let (viewer, message) = Viewer::join(live, engine, topic, from, news).await?;
        self.viewers.push(viewer);
        self.ready.push_back(message);
        Ok(())
    }

    /// Watches a topic no more.
    ///
    /// # Errors
    /// 404 when it was not watched.
    pub fn unsubscribe(&mut self, name: &str) -> Result<(), Problem> {
        let place = self.viewers.iter().position(|it| it.label() == name);
        let place = place.ok_or_else(Problem::not_found)?;
        self.viewers.remove(place);
        Ok(())
    }

    /// Puts an answer behind what is to be said already.
    pub(super) fn say(&mut self, message: Message) {
        self.ready.push_back(message);
    }

    /// Whether everything that was made has been taken. What a client says is heard only then, so
    /// that its answers do not pile up.
    pub(super) fn is_drained(&self) -> bool {
        self.ready.is_empty()
    }

    /// The next message; waits until there is one. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.ready.pop_front() {
                metrics::counter!("quenty_live_messages_total", "type" => message.name)
                    .increment(1);
                return message;
            }
            if !self.gather().await {
                self.news.notified().await;
                // It waited, so it had everything.
                self.viewers.iter_mut().for_each(Viewer::keep_abreast);
            }
        }
    }

    /// Lets the viewers, in turn, make what comes next; whether one of them had something to do.
    async fn gather(&mut self) -> bool {
        for _ in 0..self.viewers.len() {
            self.turn = (self.turn + 1) % self.viewers.len();
            let viewer = &mut self.viewers[self.turn];
            match viewer.more(&self.app.engine).await {
                Ok(None) => {}
                Ok(Some(messages)) => {
                    self.ready.extend(messages);
                    return true;
                }
                Err(error) => {
                    tracing::warn!(%error, topic = viewer.label(), "a live viewer has to wait");
                    tokio::time::sleep(PAUSE).await;
                    return true;
                }
            }
        }
        false
    }
}

fn conflict(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}
