//! A world of orders, stock items and shipments that only the policies connect, in which every
//! command may be late, overtaken or repeated.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::{Context, Entity, NewEvent, Recorded, Shard};
use uuid::Uuid;

use super::steps::{location, product};
use crate::ids::{OrderId, ShipmentId, StockId};
use crate::order::{self, Order};
use crate::policies::ALL;
use crate::shipment::{self, Shipment};
use crate::stock::{self, Stock};
use crate::testing::{TENANT, start};

/// A command on its way.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    Order(OrderId, order::Command),
    Stock(StockId, stock::Command),
    Shipment(ShipmentId, shipment::Command),
}

/// Entities of one kind with all that happened to them.
pub(super) struct Kind<E: Entity> {
    pub(super) states: BTreeMap<Uuid, E>,
    pub(super) events: Vec<(Uuid, E::Event)>,
}

pub(super) struct World {
    pub(super) orders: Kind<Order>,
    pub(super) stocks: Kind<Stock>,
    pub(super) shipments: Kind<Shipment>,
    pub(super) on_their_way: Vec<Sent>,
    pub(super) delivered: Vec<Sent>,
    pub(super) now: DateTime<Utc>,
    ids: u128,
}

impl<E: Entity> Kind<E>
where
    E::Event: PartialEq,
{
    fn new() -> Self {
        Self {
            states: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn send(
        &mut self,
        id: Uuid,
        command: &E::Command,
        now: DateTime<Utc>,
    ) -> Result<Vec<Recorded>, E::Rejection> {
        let state = self.states.entry(id).or_default();
        let version = self
            .events
            .iter()
            .filter(|(entity, _)| *entity == id)
            .count() as u64;
        let context = Context {
            entity: id,
            version,
            tenant: TENANT,
            now,
            clock: now,
            principal: "test".into(),
            request_id: "test".into(),
        };
        let decided = state.decide(command, &context)?;
        let mut recorded = Vec::new();
        for event in decided {
            *state = std::mem::take(state).evolve(&event);
            recorded.push(record::<E>(
                id,
                version + 1 + recorded.len() as u64,
                &event,
                now,
            ));
            self.events.push((id, event));
        }
        Ok(recorded)
    }
}

pub(super) fn record<E: Entity>(
    entity: Uuid,
    version: u64,
    event: &E::Event,
    at: DateTime<Utc>,
) -> Recorded {
    let written = NewEvent::encode(event).unwrap();
    Recorded {
        shard: Shard(0),
        seq: 1,
        kind: E::KIND.into(),
        entity,
        version,
        tenant: TENANT,
        at,
        name: written.name.into(),
        schema: written.schema,
        data: written.data.into(),
        personal: written.personal.map(Arc::from),
        principal: "test".into(),
        request_id: "test".into(),
        cause: None,
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            orders: Kind::new(),
            stocks: Kind::new(),
            shipments: Kind::new(),
            on_their_way: Vec::new(),
            delivered: Vec::new(),
            now: start(),
            ids: 0x1000,
        }
    }

    pub(super) fn status(&self, order: usize) -> order::Status {
        let order = self.orders.states.values().nth(order).unwrap();
        order.0.as_ref().unwrap().status
    }

    pub(super) fn on_hand(&self, product_number: u8, location_number: u8) -> i64 {
        self.stock(product_number, location_number).on_hand
    }

    pub(super) fn reserved(&self, product_number: u8, location_number: u8) -> i64 {
        self.stock(product_number, location_number).reserved
    }

    fn stock(&self, product_number: u8, location_number: u8) -> &Stock {
        let id = StockId::of(product(product_number), location(location_number));
        &self.stocks.states[&Uuid::from(id)]
    }

    /// Delivers everything that is on its way, and fires the timers that are still set.
    pub(super) fn settle(&mut self, choices: &[u16]) {
        loop {
            self.deliver_all(choices);
            let mut orders = self.orders.states.iter();
            let waiting = orders.find(|(_, order)| !order.timers().is_empty());
            let Some((&id, _)) = waiting else { return };
            self.fire(id.into());
        }
    }

    pub(super) fn deliver_all(&mut self, choices: &[u16]) {
        let mut choices = choices.iter().copied().cycle();
        while !self.on_their_way.is_empty() {
            let choice = usize::from(choices.next().unwrap_or(0));
            self.deliver(choice % self.on_their_way.len());
        }
    }

    pub(super) fn fresh(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub(super) fn deliver_all_again(&mut self) {
        for sent in self.delivered.clone() {
            self.handle(sent);
        }
        self.settle(&[]);
    }

    pub(super) fn deliver(&mut self, place: usize) {
        let sent = self.on_their_way.swap_remove(place);
        self.delivered.push(sent.clone());
        self.handle(sent);
    }

    /// A command of a policy is never refused.
    pub(super) fn handle(&mut self, sent: Sent) {
        match sent {
            Sent::Order(id, command) => self.ask(id, command).unwrap(),
            Sent::Stock(id, command) => {
                let events = self.stocks.send(id.into(), &command, self.now).unwrap();
                self.react(events);
            }
            Sent::Shipment(id, command) => {
                let events = self.shipments.send(id.into(), &command, self.now).unwrap();
                self.react(events);
            }
        }
    }

    pub(super) fn react(&mut self, events: Vec<Recorded>) {
        for event in events {
            for policy in ALL {
                for outgoing in (policy.react)(&event).unwrap() {
                    self.on_their_way.push(sent(outgoing));
                }
            }
        }
    }

    pub(super) fn ask(&mut self, id: OrderId, command: order::Command) -> Option<()> {
        let before = self
            .orders
            .states
            .get(&id.into())
            .cloned()
            .unwrap_or_default();
        let events = self.orders.send(id.into(), &command, self.now).ok()?;
        let fresh = self.orders.events.len() - events.len();
        check_transitions(
            before,
            self.orders.events[fresh..].iter().map(|(_, event)| event),
        );
        self.react(events);
        Some(())
    }

    /// Fires an order's timers, as early as clocks may differ: whenever it likes.
    pub(super) fn fire(&mut self, id: OrderId) {
        for timer in self.orders.states[&id.into()].timers() {
            self.ask(id, timer.command).unwrap();
        }
    }
}

fn sent(outgoing: engine::Outgoing) -> Sent {
    let (id, command) = (outgoing.entity, outgoing.command);
    match outgoing.kind {
        Order::KIND => Sent::Order(id.into(), *command.downcast().unwrap()),
        Stock::KIND => Sent::Stock(id.into(), *command.downcast().unwrap()),
        Shipment::KIND => Sent::Shipment(id.into(), *command.downcast().unwrap()),
        kind => panic!("nobody is of the kind {kind}"),
    }
}

fn check_transitions<'a>(mut order: Order, events: impl Iterator<Item = &'a order::Event>) {
    for event in events {
        let before = order.0.as_ref().map(|state| state.status);
        order = order.evolve(event);
        let after = order.0.as_ref().unwrap().status;
        assert!(
            before.is_none_or(|before| before == after || before.allows(after)),
            "{before:?} became {after:?} by {event:?}"
        );
    }
}
