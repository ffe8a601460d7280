//! What a viewer saw of a shipment, and from where it goes on.

use serde_json::{Value, json};

use crate::api::{Event, Resource};

/// Where a viewer comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// At the first event.
    Beginning,
    /// With a snapshot of how it stands.
    Snapshot,
}

/// A shipment that is watched.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// The shipment's id.
    pub shipment: String,
    /// The version after which the viewer came in, once it is known.
    pub from: Option<u64>,
    /// The ids of the events that it saw since, in order.
    pub seen: Vec<String>,
    /// What was wrong with what it was sent.
    pub faults: Vec<String>,
    until: Option<u64>,
    is_resuming: bool,
}

/// What a viewer has to do about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// It saw another event.
    Saw,
    /// Nothing.
    Nothing,
    /// It has to subscribe again where it left off.
    Resume,
}

impl Watch {
    /// A shipment that is watched from now on.
    #[must_use]
    pub(super) fn new(shipment: String, entry: Entry) -> Self {
        Self {
            shipment,
            from: (entry == Entry::Beginning).then_some(0),
            seen: Vec::new(),
            faults: Vec::new(),
            until: None,
            is_resuming: true,
        }
    }

    /// The live topic of a shipment.
    #[must_use]
    pub(super) fn topic(&self) -> String {
        format!("shipment:{}", self.shipment)
    }

    /// The last version seen.
    #[must_use]
    pub(super) fn cursor(&self) -> Option<u64> {
        self.from.map(|from| from + self.seen.len() as u64)
    }

    /// The message that begins the watch, or goes on with it where it was left off.
    pub(super) fn subscribe(&mut self) -> Value {
        self.is_resuming = true;
        let from = self.cursor().map(|cursor| cursor.to_string());
        json!({ "type": "subscribe", "topic": self.topic(), "from": from })
    }

    /// Nothing will happen after this version.
    pub(super) fn end_at(&mut self, version: u64) {
        self.until = Some(version);
    }

    /// Whether all was seen.
    #[must_use]
    pub(super) fn is_done(&self) -> bool {
        matches!((self.until, self.cursor()), (Some(until), Some(cursor)) if cursor >= until)
    }

    /// The server confirms.
    pub(super) fn subscribed(&mut self, cursor: &str, snapshot: Option<&Resource>) {
        self.is_resuming = false;
        if self.from.is_some() {
            return;
        }
        self.from = cursor.parse().ok();
        let shown = snapshot.map(|snapshot| snapshot.version);
        if self.from.is_none() || shown != self.from {
            let fault = format!("subscribed at cursor {cursor} with a snapshot of {shown:?}");
            self.faults.push(fault);
        }
    }

    /// The server tells of an event. Until it has confirmed where it begins, what it sends belongs
    /// to a subscription that was given up.
    pub(super) fn event(&mut self, cursor: &str, event: &Event) -> Reaction {
        let (false, Some(seen)) = (self.is_resuming, self.cursor()) else {
            return Reaction::Nothing;
        };
        if cursor != event.version.to_string() || event.resource != self.shipment {
            let Event {
                resource, version, ..
            } = event;
            let fault = format!("cursor {cursor} came with version {version} of {resource}");
            self.faults.push(fault);
        }
        if event.version == seen + 1 {
            self.seen.push(event.id.clone());
            return Reaction::Saw;
        }
        let fault = format!("version {} followed on {seen}", event.version);
        self.faults.push(fault);
        Reaction::Resume
    }

    /// The server left events out and says so: no fault, they can be had from the cursor.
    pub(super) fn lagged(&mut self) -> Reaction {
        Reaction::Resume
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(version: u64) -> Event {
        Event {
            id: format!("evt_{version}"),
            resource: "shp_1".to_owned(),
            version,
            context: "shipping".to_owned(),
            shard: 0,
            seq: version,
        }
    }

    fn watch(entry: Entry) -> Watch {
        Watch::new("shp_1".to_owned(), entry)
    }

    fn see(watch: &mut Watch, version: u64) -> Reaction {
        watch.event(&version.to_string(), &event(version))
    }

    #[test]
    fn from_the_beginning_every_event_is_due() {
        let mut watch = watch(Entry::Beginning);
        assert_eq!(watch.subscribe()["from"], "0");
        watch.subscribed("0", None);
        watch.end_at(2);
        assert_eq!(see(&mut watch, 1), Reaction::Saw);
        assert!(!watch.is_done());
        assert_eq!(see(&mut watch, 2), Reaction::Saw);
        assert!(watch.is_done());
        assert_eq!(watch.seen, ["evt_1", "evt_2"]);
        assert!(watch.faults.is_empty());
    }

    #[test]
    fn from_a_snapshot_what_follows_it_is_due_and_the_cursor_moves_on() {
        let mut watch = watch(Entry::Snapshot);
        assert_eq!(watch.subscribe()["from"], Value::Null);
        let snapshot = Resource {
            id: "shp_1".to_owned(),
            version: 3,
        };
        watch.subscribed("3", Some(&snapshot));
        assert_eq!(see(&mut watch, 4), Reaction::Saw);
        assert_eq!(watch.subscribe()["from"], "4");
        assert!(watch.faults.is_empty());
    }

    #[test]
    fn gaps_and_repeats_are_faults() {
        let mut watch = watch(Entry::Beginning);
        watch.subscribed("0", None);
        assert_eq!(see(&mut watch, 2), Reaction::Resume);
        assert_eq!(see(&mut watch, 1), Reaction::Saw);
        assert_eq!(see(&mut watch, 1), Reaction::Resume);
        assert_eq!(
            watch.faults,
            ["version 2 followed on 0", "version 1 followed on 1"]
        );
    }

    #[test]
    fn what_comes_before_a_resumption_is_confirmed_is_passed_over() {
        let mut watch = watch(Entry::Beginning);
        watch.subscribed("0", None);
        assert_eq!(watch.lagged(), Reaction::Resume);
        assert_eq!(watch.subscribe()["from"], "0");
        assert_eq!(see(&mut watch, 5), Reaction::Nothing);
        watch.subscribed("0", None);
        assert_eq!(see(&mut watch, 1), Reaction::Saw);
        assert!(watch.faults.is_empty());
    }
}
