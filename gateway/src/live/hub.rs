//! The hub: follows what is committed and puts it where it is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use engine::feed::Reader;
use engine::journal::{Read, place};
use engine::{Engine, Recorded};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::channel::{Channel, Entry};
use super::cursor::Vector;
use super::ticket::Tickets;
use super::topic::{self, Key, Topic};
use crate::app::CONTEXTS;

/// Batches of events that are read and wait to be fanned out.
const BATCHES: usize = 16;
/// How long to wait after a journal could not be read.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a connection is asked whether it is there, in seconds; and how long it has to answer.
const PING_S: usize = 25;
const PONG_S: usize = 8;

/// What the common clock tells a connection. One clock for all costs less than a timer for each,
/// and the connections take their turns, so that there is no moment at which all are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Time to ask.
    Ping,
    /// Time by which the answer must have come.
    Pong,
}

/// Where committed events meet those who watch.
pub struct Hub {
    /// Tickets of browsers, which cannot send a header with a WebSocket.
    pub tickets: Tickets,
    channels: Arc<DashMap<Key, Arc<Channel>>>,
    viewers: AtomicU64,
    beats: Arc<Vec<watch::Sender<Beat>>>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// A viewer's place at a channel, until dropped.
pub(super) struct Seat {
    pub(super) channel: Arc<Channel>,
    channels: Arc<DashMap<Key, Arc<Channel>>>,
    key: Key,
    viewer: u64,
}

impl Hub {
    /// Starts to follow the engine.
    ///
    /// # Errors
    /// When a journal cannot be read.
    pub async fn start(engine: &Engine) -> Result<Self, engine::Error> {
        let [customer, order, shipping] = CONTEXTS;
        let readers = [
            engine.follow(customer, None).await?,
            engine.follow(order, None).await?,
            engine.follow(shipping, None).await?,
        ];
        let channels = Arc::new(DashMap::new());
        let fan = Fan {
            channels: Arc::clone(&channels),
            position: Vector(readers.each_ref().map(|it| it.positions().clone())),
        };
        let beats = Arc::new(
            (0..PING_S)
                .map(|_| watch::Sender::new(Beat::Pong))
                .collect(),
        );
        let (batches, incoming) = mpsc::channel(BATCHES);
        let mut tasks = vec![
            tokio::spawn(fan.run(incoming)),
            tokio::spawn(keep_time(Arc::clone(&beats))),
        ];
        for (context, reader) in readers.into_iter().enumerate() {
            tasks.push(tokio::spawn(follow(context, reader, batches.clone())));
        }
        Ok(Self {
            tickets: Tickets::default(),
            channels,
            viewers: AtomicU64::new(0),
            beats,
            _tasks: tasks.into_iter().map(AbortOnDropHandle::new).collect(),
        })
    }

    /// Takes a place at a topic: from now on nothing of it is missed, and `news` tells of it.
    pub(super) fn join(&self, topic: &Topic, news: Arc<Notify>) -> Seat {
        let (key, viewer) = (topic.key(), self.viewers.fetch_add(1, Ordering::Relaxed));
        // The entry is locked until the viewer is in, so that nobody takes the channel away.
        let channel = self.channels.entry(key).or_default();
        channel.enter(viewer, news);
        Seat {
            channel: Arc::clone(&channel),
            channels: Arc::clone(&self.channels),
            key,
            viewer,
        }
    }

    /// How many topics are watched.
    #[cfg(test)]
    pub(super) fn topics(&self) -> usize {
        self.channels.len()
    }

    /// The common clock, as one more connection is to hear it.
    pub(super) fn beats(&self) -> watch::Receiver<Beat> {
        let turn = self.viewers.fetch_add(1, Ordering::Relaxed);
        let slot = usize::try_from(turn % PING_S as u64).unwrap_or(0);
        self.beats[slot].subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let viewer = self.viewer;
        self.channels
            .remove_if(&self.key, |_, channel| channel.leave(viewer));
    }
}

/// Events of a context, by its place in [`CONTEXTS`].
pub(super) type Batch = (usize, Vec<Read<Arc<Recorded>>>);

/// The one task that fans events out: one for all contexts, since a company's cursor counts the
/// events of all of them, and must not count any that is not yet in the channel.
struct Fan {
    channels: Arc<DashMap<Key, Arc<Channel>>>,
    position: Vector,
}

impl Fan {
    async fn run(mut self, mut incoming: mpsc::Receiver<Batch>) {
        while let Some((context, events)) = incoming.recv().await {
            for event in events {
                let (shard, seq) = place(&event);
                self.position.advance(context, shard, seq);
                // Nobody knows to whom a damaged one belongs; the reader has logged it.
                if let Ok(event) = event {
                    self.publish(context, &event);
                }
            }
        }
    }

    fn publish(&self, context: usize, event: &Recorded) {
        for topic in topic::of(event) {
            let channel = self.channels.get(&topic.key()).map(|it| Arc::clone(&it));
            if let Some(channel) = channel {
                let cursor = self.cursor(&topic, event);
                let text = topic::text(&topic, &cursor, event);
                channel.push(Entry::new(context, event, cursor.into(), text));
            }
        }
    }

    fn cursor(&self, topic: &Topic, event: &Recorded) -> String {
        match topic {
            Topic::Entity { .. } => event.version.to_string(),
            Topic::Company { tenant } => self.position.encode(*tenant),
        }
    }
}

/// Reads one context for the fan. A task for each, so that none waits for the journal of another,
/// and none drops a reading under way because another had something first.
pub(super) async fn follow(context: usize, mut reader: Reader, batches: mpsc::Sender<Batch>) {
    loop {
        match reader.next().await {
            Ok(events) => {
                if batches.send((context, events)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let context = CONTEXTS[context];
                tracing::warn!(%error, context, "live events wait: the journal cannot be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn keep_time(beats: Arc<Vec<watch::Sender<Beat>>>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 0_usize.. {
        seconds.tick().await;
        let tell = |slot: usize, beat| beats[slot % PING_S].send_replace(beat);
        tell(second, Beat::Ping);
        tell(second + PING_S - PONG_S, Beat::Pong);
    }
}
