//! A topic that somebody watches: its recent events, and whom to wake when there are more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use engine::{Recorded, Shard};
use tokio::sync::Notify;

/// Events kept; who falls further behind reads the journal.
pub(super) const ENTRIES_MAX: usize = 256;
/// Bytes of them kept.
const BYTES_MAX: usize = 1 << 20;

/// An event in a channel.
#[derive(Debug)]
pub(super) struct Entry {
    /// Index of its context.
    pub context: usize,
    /// Its shard.
    pub shard: Shard,
    /// Its position in the shard.
    pub seq: u64,
    /// Its entity's version with it.
    pub version: u64,
    /// The cursor of whoever has read everything up to it.
    pub cursor: Arc<str>,
    /// The message, the same for all; none if the event is not for these viewers.
    pub text: Option<Utf8Bytes>,
}

/// A topic that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Channel {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    recent: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// How many events there have been; each has a number, the first one 0.
    count: u64,
    viewers: HashMap<u64, Arc<Notify>>,
}

impl Entry {
    /// An event, and what its viewers are sent.
    pub(super) fn new(
        context: usize,
        event: &Recorded,
        cursor: Arc<str>,
        text: Option<Utf8Bytes>,
    ) -> Self {
        Self {
            context,
            shard: event.shard,
            seq: event.seq,
            version: event.version,
            cursor,
            text,
        }
    }

    fn bytes(&self) -> usize {
        self.cursor.len() + self.text.as_ref().map_or(0, |text| text.len())
    }
}

impl Channel {
    /// Adds an event and wakes the viewers. Never waits for them.
    pub(super) fn push(&self, entry: Entry) {
        let mut state = self.state();
        state.bytes += entry.bytes();
        state.count += 1;
        state.recent.push_back(Arc::new(entry));
        while state.recent.len() > ENTRIES_MAX || state.bytes > BYTES_MAX {
            let Some(oldest) = state.recent.pop_front() else {
                break;
            };
            state.bytes -= oldest.bytes();
        }
        for viewer in state.viewers.values() {
            viewer.notify_one();
        }
    }

    /// How many events there have been.
    pub(super) fn count(&self) -> u64 {
        self.state().count
    }

    /// How many events there have been, and the last one if it is still here.
    pub(super) fn last(&self) -> (u64, Option<Arc<Entry>>) {
        let state = self.state();
        (state.count, state.recent.back().cloned())
    }

    /// The events from a number on, at most `limit`; `None` if some of them are gone.
    pub(super) fn starting_at(&self, number: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let state = self.state();
        let first = state.count - state.recent.len() as u64;
        let skip = usize::try_from(number.checked_sub(first)?).unwrap_or(usize::MAX);
        Some(
            state
                .recent
                .iter()
                .skip(skip)
                .take(limit)
                .cloned()
                .collect(),
        )
    }

    /// Adds a viewer, who is woken when there is news.
    pub(super) fn enter(&self, viewer: u64, news: Arc<Notify>) {
        self.state().viewers.insert(viewer, news);
    }

    /// Takes a viewer out; whether nobody is left.
    pub(super) fn leave(&self, viewer: u64) -> bool {
        let mut state = self.state();
        state.viewers.remove(&viewer);
        state.viewers.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
