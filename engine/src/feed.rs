//! The feed: committed events from any position, then live, without gap or repeat per shard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::envelope::{Recorded, Shard};
use crate::error::Error;
use crate::journal::{self, Damaged, Journal, Read};

/// Events read from the journal at a time.
const PAGE: u32 = 500;

/// Positions in the feeds of shards; a shard that is not in it is at its beginning.
pub type Positions = BTreeMap<Shard, u64>;

/// Where committed batches are announced to whoever follows.
pub(crate) struct Feed {
    tail: broadcast::Sender<Arc<Vec<Arc<Recorded>>>>,
    journal: Arc<dyn Journal>,
}

impl Feed {
    pub(crate) fn new(journal: Arc<dyn Journal>, batches: usize) -> Self {
        Self {
            tail: broadcast::Sender::new(batches.max(1)),
            journal,
        }
    }

    /// Announces events that are durable, in the order of their shards' positions.
    pub(crate) fn publish(&self, events: Vec<Arc<Recorded>>) {
        if !events.is_empty() {
            // Nobody following is no failure: events are read from the journal later.
            let _ = self.tail.send(Arc::new(events));
        }
    }

    /// Tells followers to look into the journal: there may be events that were not announced.
    pub(crate) fn look(&self) {
        let _ = self.tail.send(Arc::default());
    }

    /// Follows from the given positions; from now on if there are none.
    pub(crate) async fn follow(&self, from: Option<Positions>) -> Result<Reader, Error> {
        // Subscribed before the heads are read, so that nothing falls in between.
        let tail = self.tail.subscribe();
        let heads: Positions = self.journal.heads().await?.into_iter().collect();
        let mut reader = Reader {
            journal: Arc::clone(&self.journal),
            tail,
            positions: from.unwrap_or_else(|| heads.clone()),
            behind: VecDeque::new(),
            must_look: false,
        };
        reader.mark_behind(&heads);
        Ok(reader)
    }
}

/// Reads a context's events: those of one shard in order, each once.
pub struct Reader {
    journal: Arc<dyn Journal>,
    tail: broadcast::Receiver<Arc<Vec<Arc<Recorded>>>>,
    positions: Positions,
    /// Shards of which the journal has more than was read.
    behind: VecDeque<Shard>,
    /// Whether events may have been missed, in whatever shard.
    must_look: bool,
}

impl Reader {
    /// The next events; waits until there are some. One that is damaged is told of and passed over.
    /// Cancelling it loses nothing.
    ///
    /// # Errors
    /// When the journal cannot be read; the next call goes on from the same place.
    pub async fn next(&mut self) -> Result<Vec<Read<Arc<Recorded>>>, Error> {
        loop {
            if self.must_look {
                self.look().await?;
            }
            let events = match self.behind.front().copied() {
                Some(shard) => self.read_journal(shard).await?,
                None => self.read_tail().await,
            };
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// How far each shard has been read.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    async fn read_journal(&mut self, shard: Shard) -> Result<Vec<Read<Arc<Recorded>>>, Error> {
        let position = self.position(shard);
        match stretch(self.journal.as_ref(), shard, position, PAGE).await? {
            Stretch::Events(events) => {
                match events.last() {
                    Some(last) => _ = self.positions.insert(shard, last.seq),
                    None => _ = self.behind.pop_front(),
                }
                Ok(events
                    .into_iter()
                    .map(|event| Ok(Arc::new(event)))
                    .collect())
            }
            Stretch::Damaged(damaged) => {
                let Damaged { seq, what, .. } = &damaged;
                tracing::error!(shard = shard.0, seq, what, "passed over");
                self.positions.insert(shard, *seq);
                Ok(vec![Err(damaged)])
            }
        }
    }

    async fn read_tail(&mut self) -> Vec<Read<Arc<Recorded>>> {
        match self.tail.recv().await {
            Ok(batch) if !batch.is_empty() => {
                let events = batch.iter().filter(|event| self.advance(event));
                return events.cloned().map(Ok).collect();
            }
            // Remembered before anything is awaited, since that may fail or be cancelled.
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => self.must_look = true,
            // The engine is stopping: nothing will ever come.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
        Vec::new()
    }

    async fn look(&mut self) -> Result<(), Error> {
        let heads = self.journal.heads().await?.into_iter().collect();
        self.mark_behind(&heads);
        self.must_look = false;
        Ok(())
    }

    /// Whether the event is the next of its shard; if something is missing before it, the shard is
    /// marked to be read from the journal.
    fn advance(&mut self, event: &Recorded) -> bool {
        let position = self.position(event.shard);
        if event.seq == position + 1 {
            self.positions.insert(event.shard, event.seq);
            return true;
        }
        if event.seq > position && !self.behind.contains(&event.shard) {
            self.behind.push_back(event.shard);
        }
        false
    }

    fn mark_behind(&mut self, heads: &Positions) {
        for (&shard, &head) in heads {
            if head > self.position(shard) && !self.behind.contains(&shard) {
                self.behind.push_back(shard);
            }
        }
    }

    fn position(&self, shard: Shard) -> u64 {
        self.positions.get(&shard).copied().unwrap_or(0)
    }
}

/// What comes next in a shard's feed.
pub(crate) enum Stretch {
    Events(Vec<Recorded>),
    /// The very next event cannot be read.
    Damaged(Damaged),
}

/// Reads on after a position: event by event where there is damage, which is not to hold back what
/// comes before and after it.
pub(crate) async fn stretch(
    journal: &dyn Journal,
    shard: Shard,
    after: u64,
    limit: u32,
) -> Result<Stretch, journal::Error> {
    match whole(journal, shard, after, limit).await {
        Err(journal::Error::Damaged(_)) => {}
        page => return page.map(Stretch::Events),
    }
    match whole(journal, shard, after, 1).await {
        Err(journal::Error::Damaged(what)) => {
            // Beyond its end there is nothing that is part of it, whatever is there.
            let heads = journal.heads().await?;
            let is_there = heads.iter().any(|&(it, head)| it == shard && head > after);
            let seq = after + 1;
            Ok(if is_there {
                Stretch::Damaged(Damaged { shard, seq, what })
            } else {
                Stretch::Events(Vec::new())
            })
        }
        page => page.map(Stretch::Events),
    }
}

/// Events after a position as far as they have no gap: one that is missing is damaged.
async fn whole(
    journal: &dyn Journal,
    shard: Shard,
    after: u64,
    limit: u32,
) -> Result<Vec<Recorded>, journal::Error> {
    let mut events = journal.feed(shard, after, limit).await?;
    let mut due = (1..).map(|number| after.saturating_add(number));
    let gap = events
        .iter()
        .zip(&mut due)
        .position(|(event, due)| event.seq != due);
    if gap == Some(0) {
        let what = format!("there is no event at {}/{}", shard.0, after + 1);
        return Err(journal::Error::Damaged(what));
    }
    events.truncate(gap.unwrap_or(events.len()));
    Ok(events)
}
