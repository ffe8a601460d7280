//! A company's events of all contexts in one feed, a page at a time.

use engine::feed::Positions;
use engine::journal::{Read, TenantPage};
use engine::{Engine, Shard};
use uuid::Uuid;

use super::cursor::Vector;
use crate::app::CONTEXTS;

/// How many positions of each shard are looked at first. A page takes a few events of every shard,
/// so looking far reads many times more than it shows.
const FIRST_SPAN: u32 = 2;
/// How many at most for one page: what lies there may all belong to other companies.
const SPAN: u32 = 1_000;

/// Some of a company's events.
#[derive(Debug)]
pub struct Page {
    /// The events, each with the index of its context; those of one shard in order.
    pub events: Vec<(usize, Read)>,
    /// How far the feed has been read with them.
    pub after: Vector,
    /// Whether that is as far as it went when it was read.
    pub is_end: bool,
}

/// The events that follow a position, at most `limit`. There may be none although the feed goes
/// on: then a stretch of it belonged to others.
///
/// # Errors
/// When a journal cannot be read.
pub async fn page(
    engine: &Engine,
    tenant: Uuid,
    from: &Vector,
    limit: u32,
) -> Result<Page, engine::Error> {
    let mut page = Page {
        events: Vec::new(),
        after: from.clone(),
        is_end: true,
    };
    for (turn, context) in turns(from).enumerate() {
        let left = limit.saturating_sub(page.events.len().try_into().unwrap_or(limit));
        let share = left.div_ceil((CONTEXTS.len() - turn).try_into().unwrap_or(1));
        let (name, positions) = (CONTEXTS[context], &from.0[context]);
        let (read, is_cut) = look(engine, name, tenant, positions, share).await?;
        // Not whether anything was passed: others' events are, all the time.
        page.is_end &= read.events.len() < share as usize && !is_cut;
        for (shard, position) in read.looked_at.into_iter().filter(|it| it.1 > 0) {
            page.after.advance(context, shard, position);
        }
        let events = read.events.into_iter().map(|event| (context, event));
        page.events.extend(events);
    }
    Ok(page)
}

/// A company's events of one context that follow a position, at most `limit`, and whether a shard
/// may go on beyond what was looked at. Looks further only as long as there is too little.
///
/// # Errors
/// When the journal cannot be read.
pub async fn look(
    engine: &Engine,
    context: &str,
    tenant: Uuid,
    from: &Positions,
    limit: u32,
) -> Result<(TenantPage, bool), engine::Error> {
    let mut span = FIRST_SPAN;
    loop {
        let page = engine
            .tenant_feed(context, tenant, from, span, limit)
            .await?;
        let is_cut = is_cut(from, &page.looked_at, span);
        if page.events.len() >= limit as usize || !is_cut || span == SPAN {
            return Ok((page, is_cut));
        }
        span = (span * 8).min(SPAN);
    }
}

fn is_cut(from: &Positions, looked_at: &[(Shard, u64)], span: u32) -> bool {
    looked_at.iter().any(|(shard, position)| {
        let start = from.get(shard).copied().unwrap_or(0);
        position - start >= u64::from(span)
    })
}

/// The contexts, each in its turn the first, so that a small page does not serve the first one for
/// ever: how far the feed has been read says whose turn it is.
fn turns(from: &Vector) -> impl Iterator<Item = usize> + use<> {
    let read: u64 = from
        .0
        .iter()
        .flat_map(|it| it.values())
        .fold(0, |sum, seq| sum.wrapping_add(*seq));
    let first = usize::try_from(read % CONTEXTS.len() as u64).unwrap_or(0);
    (first..first + CONTEXTS.len()).map(|turn| turn % CONTEXTS.len())
}
