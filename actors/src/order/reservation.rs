//! What an order asks of stock items, what they answer, and what it gives up.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::goods;
use super::line::{Terms, Totals};
use super::state::State;
use crate::ids::{LocationId, ProductId, StockId};
use crate::stock::RefusalReason;

/// What an order wants of one stock item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The product.
    pub product: ProductId,
    /// The location.
    pub location: LocationId,
    /// How much, summed over the lines.
    pub quantity: i64,
    /// Whether the order may wait for goods that are not there yet: all its lines must agree.
    pub backorder: bool,
    /// What the stock item said; `None` while it is being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// Lines that are to replace an order's own once more goods are kept for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The new lines.
    pub lines: Vec<Arc<Terms>>,
    /// What they cost.
    pub totals: Totals,
    /// What they want of each stock item; where that is no more than before, the answer is given.
    pub demands: Vec<Demand>,
    /// Until when the order waits for the other answers.
    pub reserve_by: DateTime<Utc>,
}

/// What a stock item said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// It keeps the goods.
    Reserved,
    /// It keeps nothing.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// How much was available.
        available: i64,
    },
}

/// What an order gives up at one stock item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The product.
    pub product: ProductId,
    /// The location.
    pub location: LocationId,
    /// How much of the whole reservation, shipped goods included, it still needs.
    pub keep: i64,
    /// Until when it waited for the reservation.
    pub reserve_by: DateTime<Utc>,
}

impl Demand {
    /// The stock item.
    #[must_use]
    pub fn stock(&self) -> StockId {
        StockId::of(self.product, self.location)
    }

    /// Whether the stock item said no.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.answer, Some(Answer::Refused { .. }))
    }

    pub(super) fn release(&self, keep: i64, reserve_by: DateTime<Utc>) -> Release {
        Release {
            product: self.product,
            location: self.location,
            keep,
            reserve_by,
        }
    }
}

/// What lines come to at each stock item.
pub(super) fn demands(lines: &[Arc<Terms>]) -> Vec<Demand> {
    let quantities = lines.iter().map(|terms| {
        let item = (terms.product, terms.location);
        (item, i64::from(terms.quantity.get()))
    });
    let demands = goods::sum(quantities).into_iter().map(|goods| Demand {
        product: goods.product,
        location: goods.location,
        quantity: goods.quantity,
        backorder: lines
            .iter()
            .filter(|terms| (terms.product, terms.location) == (goods.product, goods.location))
            .all(|terms| terms.backorderable),
        answer: None,
    });
    demands.collect()
}

/// What an order gives up of demands, keeping some of each.
pub(super) fn release_all<'a>(
    state: &State,
    demands: impl IntoIterator<Item = &'a Demand>,
    keep: impl Fn(&Demand) -> i64,
) -> Vec<Release> {
    let reserve_by = state.reserve_by.unwrap_or_default();
    let releases = demands
        .into_iter()
        .map(|demand| demand.release(keep(demand), reserve_by));
    releases.collect()
}
