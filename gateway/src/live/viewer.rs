//! One topic as one connection watches it: what it has, what comes next, and when it lags.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::channel::Entry;
use super::cursor::Vector;
use super::feed;
use super::hub::{Hub, Seat};
use super::message::{self, Message};
use super::topic::{self, Kind, Topic};
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

/// What a viewer has.
enum Position {
    /// An entity's events up to a version.
    Version(u64),
    /// A company's events up to these positions; the hub may not have come so far.
    Own(Vector),
    /// A company's events as far as the hub had come, as it wrote it.
    Shared(Arc<str>),
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
                    Some(from) => (Position::Version(version(from, seen.version)?), None),
                    None => (Position::Version(seen.version), Some(seen.snapshot)),
                }
            }
            Topic::Company { tenant } => {
                let heads = Vector::heads(engine).await?;
                match from {
                    Some(from) => (Position::Own(vector(*tenant, from, &heads)?), None),
                    None => (Position::Own(heads), None),
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
        let cursor = viewer.cursor();
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
            match self.take() {
                Some(messages) => return Ok(messages),
                None => self.is_behind = true,
            }
        }
        let is_slow = self.since.is_some_and(|since| since.elapsed() > PATIENCE);
        if is_slow && let Some(message) = self.conflate(engine).await? {
            return Ok(Some(vec![message]));
        }
        self.read(engine).await.map(Some)
    }

    /// From the channel: `Some(None)` if there is nothing, `None` if what comes next is gone there.
    fn take(&mut self) -> Option<Option<Vec<Message>>> {
        let entries = self.seat.channel.from(self.next, BATCH as usize)?;
        if entries.is_empty() {
            return Some(None);
        }
        let mut messages = Vec::with_capacity(entries.len());
        for entry in &entries {
            if self.misses_one_before(entry) {
                self.is_behind = true;
                break;
            }
            messages.extend(self.accept(entry));
            self.next += 1;
        }
        Some(Some(messages))
    }

    fn misses_one_before(&self, entry: &Entry) -> bool {
        matches!(self.position, Position::Version(version) if entry.version > version + 1)
    }

    /// Moves past an event of the channel: its message, if it is news.
    fn accept(&mut self, entry: &Arc<Entry>) -> Option<Message> {
        match &mut self.position {
            Position::Version(version) if entry.version <= *version => return None,
            Position::Version(version) => *version = entry.version,
            Position::Own(own) if own.includes(entry.context, entry.shard, entry.seq) => {
                return None;
            }
            Position::Own(_) => return self.accept_ahead(entry),
            Position::Shared(cursor) => *cursor = Arc::clone(&entry.cursor),
        }
        let text = entry.text.clone()?;
        Some(Message::event(Arc::clone(&entry.cursor), text))
    }

    /// A viewer that read the journal itself may have events of which the hub's cursor does not
    /// know yet: resuming from that would repeat them.
    fn accept_ahead(&mut self, entry: &Arc<Entry>) -> Option<Message> {
        let (Topic::Company { tenant }, Position::Own(own)) = (&self.topic, &mut self.position)
        else {
            return None;
        };
        let hub = Vector::decode(*tenant, &entry.cursor)?;
        let text = entry.text.clone()?;
        if hub.covers(own) {
            self.position = Position::Shared(Arc::clone(&entry.cursor));
            return Some(Message::event(Arc::clone(&entry.cursor), text));
        }
        own.join(&hub);
        let cursor = own.encode(*tenant);
        let event = message::event_in(&text)?;
        let text = message::event(&self.label, &cursor, &event);
        Some(Message::event(cursor.into(), text))
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
            self.next = count;
            self.is_behind = false;
            self.since = Some(Instant::now());
            self.read = 0;
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
        let mut position = self.vector(tenant);
        let page = feed::page(engine, tenant, &position, BATCH).await?;
        let mut messages = Vec::with_capacity(page.events.len());
        let last = page.events.len().saturating_sub(1);
        for (index, (context, event)) in page.events.iter().enumerate() {
            position.advance(*context, event.shard, event.seq);
            if index == last {
                // With its last event a page says how far it looked in all shards.
                position.clone_from(&page.after);
            }
            let cursor: Arc<str> = position.encode(tenant).into();
            let text = topic::text(&self.topic, &cursor, event);
            messages.extend(text.map(|text| Message::event(cursor, text)));
        }
        self.position = Position::Own(page.after);
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
                let mut vector = self.vector(*tenant);
                vector.join(&Vector::decode(*tenant, &last.cursor).unwrap_or_default());
                let skipped = (count - self.next).saturating_sub(self.read);
                (Position::Own(vector), skipped, None)
            }
            _ => return Ok(None),
        };
        metrics::counter!("quenty_live_lagged_total").increment(1);
        self.position = position;
        self.next = count;
        self.is_behind = false;
        self.since = Some(Instant::now());
        self.read = 0;
        let cursor = self.cursor();
        Ok(Some(Message::lagged(
            &self.label,
            skipped,
            &cursor,
            snapshot.as_ref(),
        )))
    }

    fn vector(&self, tenant: Uuid) -> Vector {
        match &self.position {
            Position::Own(vector) => vector.clone(),
            Position::Shared(cursor) => Vector::decode(tenant, cursor).unwrap_or_default(),
            Position::Version(_) => Vector::default(),
        }
    }

    fn cursor(&self) -> String {
        match (&self.position, &self.topic) {
            (Position::Version(version), _) => version.to_string(),
            (Position::Own(vector), Topic::Company { tenant } | Topic::Entity { tenant, .. }) => {
                vector.encode(*tenant)
            }
            (Position::Shared(cursor), _) => cursor.to_string(),
        }
    }
}

fn version(cursor: &str, newest: u64) -> Result<u64, Problem> {
    let version = cursor.parse().ok().filter(|version| *version <= newest);
    version.ok_or_else(no_cursor)
}

fn vector(tenant: Uuid, cursor: &str, newest: &Vector) -> Result<Vector, Problem> {
    let vector = Vector::decode(tenant, cursor).filter(|vector| newest.covers(vector));
    vector.ok_or_else(no_cursor)
}

/// 422: a cursor of something else, or of a time that has not come: data was restored since.
pub(super) fn no_cursor() -> Problem {
    Problem::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "invalid-cursor",
        "this is not a cursor of this topic; begin again without one",
    )
}
