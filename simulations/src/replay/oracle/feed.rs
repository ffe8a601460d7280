//! The company's feed has no gaps and no repeats, and adds up to what there is.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::Versions;
use crate::api::{Event, Page};
use crate::replay::report::Check;
use crate::replay::world::World;

pub(super) async fn examine(world: &World, versions: &Versions) -> Result<[Check; 3]> {
    let mut feed = Feed::new();
    let mut cursor = None;
    loop {
        let after = cursor.clone().map(|cursor| ("after", cursor));
        let page: Page<Event> = world.client.page("/events", &[], after).await?;
        for event in &page.data {
            feed.read(event);
        }
        if is_end(&page, cursor.as_deref()) {
            return Ok(feed.end(versions));
        }
        cursor = page.next_cursor;
    }
}

/// An empty page may come before the end; at the end, it leads nowhere but to itself.
fn is_end(page: &Page<Event>, asked: Option<&str>) -> bool {
    let next = page.next_cursor.as_deref();
    next.is_none() || (page.data.is_empty() && next == asked)
}

/// What was read of a feed.
struct Feed {
    order: Check,
    entities: Check,
    /// The last number of every shard of every context.
    numbers: HashMap<(String, u32), u64>,
    /// The last version of every entity.
    versions: Versions,
    ids: HashSet<String>,
}

impl Feed {
    fn new() -> Self {
        Self {
            order: Check::new("events of the feed, rising in their shard, each once"),
            entities: Check::new("events of the feed that follow on their entity's last"),
            numbers: HashMap::new(),
            versions: HashMap::new(),
            ids: HashSet::new(),
        }
    }

    /// Other companies share the shards, so their numbers rise, but not by one.
    fn read(&mut self, event: &Event) {
        let Event {
            id,
            resource,
            version,
            context,
            shard,
            seq,
        } = event;
        let last = self.numbers.insert((context.clone(), *shard), *seq);
        let is_new = self.ids.insert(id.clone());
        self.order
            .that(is_new && last.is_none_or(|last| last < *seq), || {
                format!("{id}: {seq} followed on {last:?} in {context}/{shard}")
            });
        let last = self
            .versions
            .insert(resource.clone(), *version)
            .unwrap_or_default();
        self.entities.that(last + 1 == *version, || {
            format!("{id}: version {version} of {resource} followed on {last}")
        });
    }

    fn end(self, versions: &Versions) -> [Check; 3] {
        let mut whole = Check::new("resources whose events are all in the feed");
        for (id, version) in versions {
            let found = self.versions.get(id).copied().unwrap_or_default();
            whole.same(
                &format!("the last version of {id} in the feed"),
                found,
                *version,
            );
        }
        let is_listed = |id: &String| versions.contains_key(id);
        let found: u64 = self
            .versions
            .iter()
            .filter_map(|(id, version)| is_listed(id).then_some(version))
            .sum();
        whole.same("the sum of the versions", found, versions.values().sum());
        [self.order, self.entities, whole]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, resource: &str, version: u64, seq: u64) -> Event {
        Event {
            id: id.to_owned(),
            resource: resource.to_owned(),
            version,
            context: "order".to_owned(),
            shard: 7,
            seq,
        }
    }

    fn faults(events: &[Event], versions: &[(&str, u64)]) -> [usize; 3] {
        let mut feed = Feed::new();
        for event in events {
            feed.read(event);
        }
        let versions = versions
            .iter()
            .map(|(id, version)| ((*id).to_owned(), *version))
            .collect();
        feed.end(&versions).map(|check| check.faults().len())
    }

    #[test]
    fn only_an_empty_page_that_leads_to_itself_is_the_end() {
        let page = |data, next: Option<&str>| Page {
            data,
            next_cursor: next.map(str::to_owned),
        };
        let full = || vec![event("a", "ord_1", 1, 1)];
        assert!(!is_end(&page(full(), Some("x")), None));
        assert!(!is_end(&page(Vec::new(), Some("x")), None));
        assert!(!is_end(&page(Vec::new(), Some("y")), Some("x")));
        assert!(is_end(&page(Vec::new(), Some("y")), Some("y")));
        // Without a cursor there is no way on.
        assert!(is_end(&page(full(), None), Some("y")));
    }

    #[test]
    fn a_whole_feed_passes() {
        let events = [
            event("a", "ord_1", 1, 1),
            event("b", "stk_1", 1, 2),
            event("c", "ord_1", 2, 9),
        ];
        assert_eq!(faults(&events, &[("ord_1", 2), ("stk_1", 1)]), [0, 0, 0]);
    }

    #[test]
    fn gaps_repeats_and_disorder_are_found() {
        let repeated = [event("a", "ord_1", 1, 1), event("a", "ord_1", 1, 1)];
        assert_eq!(faults(&repeated, &[("ord_1", 1)]), [1, 1, 0]);
        let backwards = [event("a", "ord_1", 1, 2), event("b", "ord_2", 1, 1)];
        assert_eq!(faults(&backwards, &[]), [1, 0, 0]);
        let gap = [event("a", "ord_1", 1, 1), event("c", "ord_1", 3, 3)];
        assert_eq!(faults(&gap, &[("ord_1", 3)]), [0, 1, 0]);
        // One resource ends early, so the sum is short as well.
        let short = [event("a", "ord_1", 1, 1)];
        assert_eq!(faults(&short, &[("ord_1", 2)]), [0, 0, 2]);
    }
}
