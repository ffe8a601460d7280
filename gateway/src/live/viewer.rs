//! One topic as one connection watches it: what it has, what comes next, and when it lags.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::journal::place;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::channel::Entry;
use super::cursor::Vector;
use super::feed;
use super::hub::{Hub, Seat};
use super::message::{self, Message};
use super::position::Position;
use super::topic::{self, Kind, Topic};
use crate::app::CONTEXTS;
use crate::http::events;
use crate::problem::Problem;

/// Messages made at a time.
const BATCH: u32 = 64;
/// How long an entity's state may take to be read.
const READ: Duration = Duration::from_secs(5);
/// A viewer that fell further behind than the channel reaches may take so long to catch up from
/// the journal; then it is told how things stand instead.
const PATIENCE: Duration = Duration::from_secs(5);

/// One topic as one connection watches it.
pub(super) struct Viewer {
    topic: Topic,
    label: String,
    seat: Seat,
    position: Position,
    /// The number of the channel's event that comes next.
    next: u64,
    /// Whether events may be missing in the channel that the journal has.
    is_behind: bool,
    /// Since when it has not had everything; none while it catches up of its own wish, which may
    /// take as long as the client likes.
    since: Option<Instant>,
    /// Events read from the journal since it fell out of the channel.
    read: u64,
}

impl Viewer {
    /// Takes a place at a topic; also the message that says so.
    ///
    /// # Errors
    /// 404 when there is no such entity in the company; 422 when the cursor is not one of the
    /// topic's.
    pub(super) async fn join(
        hub: &Hub,
        engine: &Engine,
        topic: Topic,
        from: Option<&str>,
        news: Arc<Notify>,
    ) -> Result<(Self, Message), Problem> {
        let label = topic.label();
        // Before anything is read, so that nothing falls in between.
        let seat = hub.join(&topic, news);
        let next = seat.channel.count();
        let (position, snapshot) = match &topic {
            Topic::Entity { kind, tenant, id } => {
                let seen = (kind.get)(engine, *tenant, *id, (Instant::now() + READ).into()).await?;
                let seen = seen.ok_or_else(Problem::not_found)?;
                match from {
                    Some(from) => (Position::of_entity(from, seen.version)?, None),
                    None => (Position::Version(seen.version), Some(seen.snapshot)),
                }
            }
            Topic::Company { tenant } => {
                let heads = Vector::heads(engine).await?;
                match from {
                    Some(from) => (Position::of_company(*tenant, from, &heads)?, None),
                    None => (Position::Own(*tenant, heads), None),
                }
            }
        };
        let viewer = Self {
            is_behind: from.is_some(),
            since: from.is_none().then(Instant::now),
            topic,
            label,
            seat,
            position,
            next,
            read: 0,
        };
        let cursor = viewer.position.cursor();
        let message = Message::subscribed(&viewer.label, &cursor, snapshot.as_ref());
        Ok((viewer, message))
    }

    /// The topic's name.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Notes that the connection had taken everything there was.
    pub(super) fn keep_abreast(&mut self) {
        if !self.is_behind {
            self.since = Some(Instant::now());
        }
    }

    /// What comes next; `None` if there is nothing now. An empty answer means that it goes on.
    /// Cancelling it loses nothing.
    ///
    /// # Errors
    /// When the journal cannot be read; the next call goes on from the same place.
    pub(super) async fn more(
        &mut self,
        engine: &Engine,
    ) -> Result<Option<Vec<Message>>, engine::Error> {
        if !self.is_behind {
            match self.seat.channel.starting_at(self.next, BATCH as usize) {
                Some(entries) if entries.is_empty() => return Ok(None),
                Some(entries) => return Ok(Some(self.take(&entries))),
                None => self.is_behind = true,
            }
        }
        let is_slow = self.since.is_some_and(|since| since.elapsed() > PATIENCE);
        // Boxed, since most viewers only wait: see `socket::serve`.
        if is_slow && let Some(message) = Box::pin(self.conflate(engine)).await? {
            return Ok(Some(vec![message]));
        }
        Box::pin(self.read(engine)).await.map(Some)
    }

    /// From the channel, until one is missing there.
    fn take(&mut self, entries: &[Arc<Entry>]) -> Vec<Message> {
        let mut messages = Vec::with_capacity(entries.len());
        for entry in entries {
            if self.position.misses_one_before(entry) {
                self.is_behind = true;
                break;
            }
            messages.extend(self.position.accept(&self.label, entry));
            self.next += 1;
        }
        messages
    }

    /// From the journal; at its end the channel goes on.
    async fn read(&mut self, engine: &Engine) -> Result<Vec<Message>, engine::Error> {
        // What is in the channel by now is in the journal that is read next.
        let count = self.seat.channel.count();
        let (messages, is_end) = match self.topic {
            Topic::Entity { kind, tenant, id } => {
                self.read_history(engine, kind, tenant, id).await?
            }
            Topic::Company { tenant } => self.read_feed(engine, tenant).await?,
        };
        self.read += messages.len() as u64;
        if is_end {
            self.go_on_live(count);
        }
        Ok(messages)
    }

    async fn read_history(
        &mut self,
        engine: &Engine,
        kind: &Kind,
        tenant: Uuid,
        id: Uuid,
    ) -> Result<(Vec<Message>, bool), engine::Error> {
        let Position::Version(after) = self.position else {
            return Ok((Vec::new(), true));
        };
        let events = (kind.history)(engine, tenant, id, after, BATCH).await?;
        let last = events.last().map_or(after, |event| event.version);
        let messages = events.iter().filter_map(|event| {
            let cursor: Arc<str> = event.version.to_string().into();
            let text = topic::text(&self.topic, &cursor, event)?;
            Some(Message::event(cursor, text))
        });
        let messages = messages.collect();
        self.position = Position::Version(last);
        Ok((messages, events.len() < BATCH as usize))
    }

    async fn read_feed(
        &mut self,
        engine: &Engine,
        tenant: Uuid,
    ) -> Result<(Vec<Message>, bool), engine::Error> {
        let mut position = self.position.vector();
        let page = feed::page(engine, tenant, &position, BATCH).await?;
        let mut messages = Vec::with_capacity(page.events.len());
        let last = page.events.len().saturating_sub(1);
        for (index, (context, event)) in page.events.iter().enumerate() {
            let (shard, seq) = place(event);
            position.advance(*context, shard, seq);
            if index == last {
                // With its last event a page says how far it looked in all shards.
                position.clone_from(&page.after);
            }
            let cursor: Arc<str> = position.encode(tenant).into();
            let text = match event {
                Ok(event) => topic::text(&self.topic, &cursor, event),
                Err(damaged) => {
                    let damaged = events::raw_damaged(CONTEXTS[*context], damaged);
                    damaged.map(|it| message::event(&self.label, &cursor, &it))
                }
            };
            messages.extend(text.map(|text| Message::event(cursor, text)));
        }
        self.position = Position::Own(tenant, page.after);
        Ok((messages, page.is_end))
    }

    /// Leaves out what the connection was too slow for: how things stand now, and how many events
    /// that skips. `None` if nothing was missed after all.
    async fn conflate(&mut self, engine: &Engine) -> Result<Option<Message>, engine::Error> {
        let (count, last) = self.seat.channel.last();
        let (position, skipped, snapshot) = match (&self.topic, &self.position, last) {
            (Topic::Entity { kind, tenant, id }, Position::Version(version), _) => {
                let seen = (kind.get)(engine, *tenant, *id, (Instant::now() + READ).into()).await?;
                let Some(seen) = seen.filter(|seen| seen.version > *version) else {
                    return Ok(None);
                };
                let skipped = seen.version - version;
                (
                    Position::Version(seen.version),
                    skipped,
                    Some(seen.snapshot),
                )
            }
            (Topic::Company { tenant }, _, Some(last)) => {
                let mut vector = self.position.vector();
                vector.join(&Vector::decode(*tenant, &last.cursor).unwrap_or_default());
                let skipped = (count - self.next).saturating_sub(self.read);
                (Position::Own(*tenant, vector), skipped, None)
            }
            _ => return Ok(None),
        };
        metrics::counter!("quenty_live_lagged_total").increment(1);
        self.position = position;
        self.go_on_live(count);
        let cursor = self.position.cursor();
        Ok(Some(Message::lagged(
            &self.label,
            skipped,
            &cursor,
            snapshot.as_ref(),
        )))
    }

    /// Everything before that number in the channel is dealt with.
    fn go_on_live(&mut self, next: u64) {
        self.next = next;
        self.is_behind = false;
        self.since = Some(Instant::now());
        self.read = 0;
    }
}
