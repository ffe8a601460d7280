//! How a company's events are gathered from many shards into one page.

use std::collections::HashMap;

use crate::envelope::Shard;
use crate::journal::{self, Read, TenantPage};

/// For each shard asked, the positions to look at: after the first, up to the second.
///
/// The ends of the feeds must have been read before the events are, or an event that is recorded
/// in between would be counted as looked at.
#[must_use]
pub fn tenant_bounds(
    after: &[(Shard, u64)],
    heads: &HashMap<Shard, u64>,
    span: u32,
) -> Vec<(Shard, u64, u64)> {
    let bound = |&(shard, after): &(Shard, u64)| {
        let head = heads.get(&shard).copied().unwrap_or(0);
        let until = after.saturating_add(span.into()).min(head).max(after);
        (shard, after, until)
    };
    after.iter().map(bound).collect()
}

/// Makes a page of the company's events within the bounds, given in any order, of which each
/// shard's first `limit` are there at least.
///
/// The shards advance side by side, so that a busy one cannot keep the others waiting: events come
/// in order of their distance from where their shard was asked.
#[must_use]
pub fn cut_page(mut events: Vec<Read>, bounds: &[(Shard, u64, u64)], limit: u32) -> TenantPage {
    let starts: HashMap<Shard, u64> = bounds.iter().map(|it| (it.0, it.1)).collect();
    let place = |event: &Read| {
        let (shard, seq) = journal::place(event);
        let start = starts.get(&shard).copied().unwrap_or(0);
        (seq.saturating_sub(start), shard)
    };
    events.sort_unstable_by_key(place);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    events.truncate(limit);
    let is_full = events.len() >= limit;
    let last = events.last().map_or((0, Shard(0)), place);
    let looked = |&(shard, after, until): &(Shard, u64, u64)| {
        let passed = if shard <= last.1 {
            last.0
        } else {
            last.0.saturating_sub(1)
        };
        let upto = if is_full {
            until.min(after + passed)
        } else {
            until
        };
        (shard, upto)
    };
    TenantPage {
        looked_at: bounds.iter().map(looked).collect(),
        events,
    }
}
