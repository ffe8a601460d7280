//! Which orders are never to be reserved for again, in bounded room.

use chrono::{DateTime, Utc};
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::ids::OrderId;

/// How many settled orders are remembered; see [`Settled`].
const SETTLED_MAX: usize = 50_000;

/// The orders that have had their answer and are not to be reserved for by what they asked before.
///
/// A `Reserve` that comes late or twice must not reserve for an order that has ended. Remembering
/// every order for ever would make the state grow without bound, so each is remembered only up to
/// the moment until which the order waits for its answer (`reserve_by`, minutes after it was
/// placed): afterwards the order has ended, and a `Reserve` is refused for being late. No clock is
/// trusted with that: forgetting a mark raises `forgotten` to its moment, and a `Reserve` with a
/// moment up to `forgotten` is refused whatever the time. So either the mark is there, or the
/// `Reserve` is refused, even when clocks jump.
///
/// The price: if a clock runs ahead for longer than orders wait, and orders settle and are
/// forgotten meanwhile, then once it is right again the item refuses new orders as late until it
/// has come to where the clock had been. By its moment alone such an order cannot be told from one
/// that was forgotten, and a refusal can be repaired, goods kept for nobody cannot. Beyond `SETTLED_MAX` marks, those that end first
/// are forgotten early, which can only refuse an order that was very slow to ask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    marks: OrdSet<(DateTime<Utc>, OrderId)>,
    /// The same marks by order: its latest moment stands for all before.
    latest: OrdMap<OrderId, DateTime<Utc>>,
    forgotten: DateTime<Utc>,
}

impl Settled {
    /// Whether the order is known to be settled as to what it asked with this moment.
    #[must_use]
    pub fn contains(&self, order: OrderId, reserve_by: DateTime<Utc>) -> bool {
        self.latest
            .get(&order)
            .is_some_and(|latest| reserve_by <= *latest)
    }

    /// Whether orders with this moment may have been forgotten.
    #[must_use]
    pub fn is_forgotten(&self, reserve_by: DateTime<Utc>) -> bool {
        reserve_by <= self.forgotten
    }

    /// How many orders are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether no order is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(super) fn add(&mut self, order: OrderId, reserve_by: DateTime<Utc>) {
        if !self.is_forgotten(reserve_by) && !self.contains(order, reserve_by) {
            if let Some(earlier) = self.latest.insert(order, reserve_by) {
                self.marks.remove(&(earlier, order));
            }
            self.marks.insert((reserve_by, order));
        }
        while self.marks.len() > SETTLED_MAX {
            self.forget_first();
        }
    }

    pub(super) fn forget_before(&mut self, now: DateTime<Utc>) {
        while self
            .marks
            .get_min()
            .is_some_and(|(moment, _)| *moment < now)
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((moment, order)) = self.marks.remove_min() {
            self.latest.remove(&order);
            self.forgotten = self.forgotten.max(moment);
        }
    }
}
