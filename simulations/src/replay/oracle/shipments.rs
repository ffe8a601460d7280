//! Every shipment has a history without gaps, and its viewer saw all of it, once and in order.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{CONCURRENCY, Versions};
use crate::api::{Event, Resource};
use crate::replay::drive::Driven;
use crate::replay::report::Check;
use crate::replay::watch::Watch;
use crate::replay::world::World;

/// The ids of a shipment's events, by the shipment's id.
type Histories = HashMap<String, Vec<String>>;

pub(super) async fn examine(
    world: &World,
    driven: &[Driven],
    watched: Option<&[Watch]>,
    versions: &mut Versions,
) -> Result<Vec<Check>> {
    let listed: Vec<Resource> = world.client.list("/shipments", &[]).await?;
    let made: HashSet<_> = driven
        .iter()
        .filter_map(|one| one.shipment.as_ref())
        .collect();
    let mut count = Check::new("number of shipments");
    count.same("the number of shipments", listed.len(), made.len());
    for shipment in &listed {
        let is_known = made.contains(&shipment.id);
        count.that(is_known, || format!("nobody made shipment {}", shipment.id));
    }
    let (check, histories) = histories(world, &listed).await?;
    versions.extend(listed.into_iter().map(|one| (one.id, one.version)));
    let seen = watched.map(|watched| sightings(watched, &histories));
    Ok([count, check].into_iter().chain(seen).collect())
}

async fn histories(world: &World, shipments: &[Resource]) -> Result<(Check, Histories)> {
    let all: Vec<_> = stream::iter(shipments)
        .map(|shipment| async move { anyhow::Ok((shipment, history(world, shipment).await?)) })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut check = Check::new("histories of shipments without gaps");
    let mut histories = Histories::new();
    for (shipment, events) in all {
        let found: Vec<_> = events.iter().map(|event| event.version).collect();
        let of = format!("the history of {}", shipment.id);
        check.same(&of, found, (1..=shipment.version).collect());
        let ids = events.into_iter().map(|event| event.id).collect();
        histories.insert(shipment.id.clone(), ids);
    }
    Ok((check, histories))
}

/// A shipment of a run has a handful of events: one page holds them all.
async fn history(world: &World, shipment: &Resource) -> Result<Vec<Event>> {
    let path = format!("/shipments/{}/history", shipment.id);
    Ok(world.client.page(&path, &[], None).await?.data)
}

fn sightings(watched: &[Watch], histories: &Histories) -> Check {
    let mut check = Check::new("shipments that a viewer saw whole, once and in order");
    check.same(
        "the number of shipments watched",
        watched.len(),
        histories.len(),
    );
    for watch in watched {
        let fault = misseen(watch, histories);
        check.that(fault.is_none(), || {
            format!(
                "the viewer of {}: {}",
                watch.shipment,
                fault.unwrap_or_default()
            )
        });
    }
    check
}

fn misseen(watch: &Watch, histories: &Histories) -> Option<String> {
    if let Some(fault) = watch.faults.first() {
        return Some(fault.clone());
    }
    let Some(from) = watch.from.and_then(|from| usize::try_from(from).ok()) else {
        return Some("never came in".to_owned());
    };
    let due = histories
        .get(&watch.shipment)
        .and_then(|ids| ids.get(from..));
    match due {
        Some(due) if due == watch.seen => None,
        due => Some(format!("saw {:?} after {from}, not {due:?}", watch.seen)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::watch::Entry;

    fn watch(seen: &[&str]) -> Watch {
        let mut watch = Watch::new("shp_1".to_owned(), Entry::Beginning);
        watch.seen = seen.iter().map(ToString::to_string).collect();
        watch
    }

    #[test]
    fn a_viewer_must_have_seen_exactly_the_history() {
        let ids = ["a", "b"].map(ToOwned::to_owned).to_vec();
        let histories = Histories::from([("shp_1".to_owned(), ids)]);
        assert_eq!(misseen(&watch(&["a", "b"]), &histories), None);
        assert!(misseen(&watch(&["a"]), &histories).is_some());
        assert!(misseen(&watch(&["b", "a"]), &histories).is_some());
        let mut late = watch(&["b"]);
        late.from = Some(1);
        assert_eq!(misseen(&late, &histories), None);
        late.from = Some(3);
        assert!(misseen(&late, &histories).is_some());
        late.from = None;
        assert!(misseen(&late, &histories).is_some());
    }
}
