//! A world of orders, stock items and shipments that only the policies connect, in which every
//! command may be late, overtaken or repeated.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use engine::{Context, Entity, NewEvent, Recorded, Shard};
use serde_json::json;
use uuid::Uuid;

use crate::ids::{LocationId, OrderId, ProductId, ShipmentId, StockId};
use crate::order::{self, Order, Portion};
use crate::policies::ALL;
use crate::shipment::{self, CarrierEvent, Shipment, Status};
use crate::stock::{self, Action, MoveKind, Stock};
use crate::testing::{TENANT, start};
use crate::values::{List, Quantity};

/// Something that somebody does, or that the machinery does on its own. Numbers choose among what
/// there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        lines: Vec<(u8, u8, u32)>,
        is_draft: bool,
    },
    Receive {
        product: u8,
        location: u8,
        quantity: i64,
    },
    Transfer {
        product: u8,
        quantity: i64,
    },
    /// Whatever is next for an order: place, pick, pack.
    Advance(u8),
    Cancel(u8),
    /// Leaves out lines.
    Reduce {
        order: u8,
        keep: u8,
    },
    /// So many of each line; 0 for all that is open.
    Ship {
        order: u8,
        quantity: u32,
    },
    Return {
        order: u8,
        restock: bool,
    },
    Scan {
        shipment: u8,
        status: Status,
        minute: i64,
    },
    CancelShipment(u8),
    FireTimer(u8),
    Deliver(u16),
    DeliverAll(u16),
    DeliverAgain(u16),
}

/// A command on its way.
#[derive(Clone, Debug)]
enum Sent {
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
    on_their_way: Vec<Sent>,
    delivered: Vec<Sent>,
    now: DateTime<Utc>,
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

    fn send(
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

fn record<E: Entity>(entity: Uuid, version: u64, event: &E::Event, at: DateTime<Utc>) -> Recorded {
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

pub(super) fn product(number: u8) -> ProductId {
    Uuid::from_u128(0x10 + u128::from(number)).into()
}

pub(super) fn location(number: u8) -> LocationId {
    Uuid::from_u128(0x20 + u128::from(number)).into()
}

fn choose<T: Copy>(all: impl Iterator<Item = T>, number: usize) -> Option<T> {
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| all[number % all.len()])
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

    /// Puts so many of each product at each location.
    pub(super) fn fill(&mut self, quantity: i64) {
        for (product, location) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            self.take(Step::Receive {
                product,
                location,
                quantity,
            });
        }
    }

    pub(super) fn status(&self, order: usize) -> order::Status {
        let order = self.orders.states.values().nth(order).unwrap();
        order.0.as_ref().unwrap().status
    }

    pub(super) fn on_hand(&self, product_number: u8, location_number: u8) -> i64 {
        let id = StockId::of(product(product_number), location(location_number));
        self.stocks.states[&Uuid::from(id)].on_hand
    }

    pub(super) fn take(&mut self, step: Step) {
        self.now += TimeDelta::milliseconds(700);
        match step {
            // A few orders that get far say more than many that do not.
            Step::Create { .. } if self.orders.states.len() == 6 => {}
            Step::Create { lines, is_draft } => {
                let id = self.fresh().into();
                self.ask(id, create(&lines, is_draft));
            }
            Step::Receive {
                product,
                location,
                quantity,
            } => {
                let movement = self.fresh().into();
                self.enter(
                    product,
                    location,
                    Action::Move {
                        movement,
                        kind: MoveKind::Receipt,
                        quantity,
                        note: None,
                    },
                );
            }
            Step::Transfer { product, quantity } => {
                let movement = self.fresh().into();
                self.enter(
                    product,
                    0,
                    Action::TransferOut {
                        movement,
                        to: location(1),
                        quantity,
                        note: None,
                    },
                );
            }
            Step::Advance(order) => self.advance(order),
            Step::Cancel(order) => self.ask_one(order, order::Command::Cancel { reason: None }),
            Step::Reduce { order, keep } => self.reduce(order, keep),
            Step::Ship { order, quantity } => self.ship(order, quantity),
            Step::Return { order, restock } => self.give_back(order, restock),
            Step::Scan {
                shipment,
                status,
                minute,
            } => self.scan(shipment, status, minute),
            Step::CancelShipment(number) => {
                self.tell_shipment(number, shipment::Command::Cancel { reason: None });
            }
            Step::FireTimer(order) => self.fire_timer(order),
            Step::Deliver(number) => {
                if !self.on_their_way.is_empty() {
                    self.deliver(usize::from(number) % self.on_their_way.len());
                }
            }
            Step::DeliverAll(number) => self.deliver_all(&[number]),
            Step::DeliverAgain(number) => {
                if !self.delivered.is_empty() {
                    let number = usize::from(number) % self.delivered.len();
                    self.handle(self.delivered[number].clone());
                }
            }
        }
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

    fn deliver_all(&mut self, choices: &[u16]) {
        let mut choices = choices.iter().copied().cycle();
        while !self.on_their_way.is_empty() {
            let choice = usize::from(choices.next().unwrap_or(0));
            self.deliver(choice % self.on_their_way.len());
        }
    }

    pub(super) fn deliver_all_again(&mut self) {
        for sent in self.delivered.clone() {
            self.handle(sent);
        }
        self.settle(&[]);
    }

    fn deliver(&mut self, place: usize) {
        let sent = self.on_their_way.swap_remove(place);
        self.delivered.push(sent.clone());
        self.handle(sent);
    }

    /// A command of a policy is never refused.
    fn handle(&mut self, sent: Sent) {
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

    fn react(&mut self, events: Vec<Recorded>) {
        for event in events {
            for policy in ALL {
                for outgoing in (policy.react)(&event).unwrap() {
                    self.on_their_way.push(sent(outgoing));
                }
            }
        }
    }

    fn ask(&mut self, id: OrderId, command: order::Command) -> Option<()> {
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

    fn ask_one(&mut self, number: u8, command: order::Command) {
        if let Some(id) = self.order(number) {
            // Clients ask for what cannot be, too; being refused is an answer.
            let _ = self.ask(id, command);
        }
    }

    fn order(&self, number: u8) -> Option<OrderId> {
        choose(self.orders.states.keys(), number.into()).map(|id| (*id).into())
    }

    fn fresh(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn enter(&mut self, product_number: u8, location_number: u8, action: Action) {
        let command = stock::Command {
            product: product(product_number),
            location: location(location_number),
            action,
        };
        let id = command.addressee().into();
        if let Ok(events) = self.stocks.send(id, &command, self.now) {
            self.react(events);
        }
    }

    fn advance(&mut self, number: u8) {
        for command in [
            order::Command::Pack,
            order::Command::Pick,
            order::Command::Place,
        ] {
            self.ask_one(number, command);
        }
    }

    fn reduce(&mut self, number: u8, keep: u8) {
        let state = self
            .order(number)
            .and_then(|id| self.orders.states[&id.into()].0.clone());
        let lines = state.into_iter().flat_map(|state| state.lines);
        let lines: Vec<_> = lines
            .take(usize::from(keep % 3) + 1)
            .map(|line| new_line(line.terms.product, line.terms.location, 1))
            .collect();
        let patch = order::Patch {
            lines: List::new(lines).ok(),
            ..Default::default()
        };
        self.ask_one(number, order::Command::Update(Box::new(patch)));
    }

    fn ship(&mut self, number: u8, quantity: u32) {
        let Some(id) = self.order(number) else { return };
        let lines = self.orders.states[&id.into()]
            .0
            .iter()
            .flat_map(|state| &state.lines);
        let portions = portions(lines.map(|line| line.open().min(quantity)));
        let ship = order::Ship {
            shipment: self.fresh().into(),
            lines: portions,
            parcels: None,
            sender: None,
            carrier: shipment::Carrier::Generic,
            service: None,
            tracking_number: Some(format!("WISH{}", self.ids).parse().unwrap()),
            estimated_delivery: None,
        };
        let _ = self.ask(id, order::Command::Ship(Box::new(ship)));
    }

    fn give_back(&mut self, number: u8, restock: bool) {
        let Some(id) = self.order(number) else { return };
        let lines = self.orders.states[&id.into()]
            .0
            .iter()
            .flat_map(|state| &state.lines);
        if let Some(lines) = portions(lines.map(order::Line::returnable)) {
            let give_back = order::Return {
                lines,
                restock,
                reason: None,
            };
            let _ = self.ask(id, order::Command::Return(Box::new(give_back)));
        }
    }

    fn scan(&mut self, number: u8, status: Status, minute: i64) {
        let scan = CarrierEvent {
            code: status.name().parse().unwrap(),
            status,
            place: None,
            coordinates: None,
            description: None,
            occurred_at: start() + TimeDelta::minutes(minute),
            reason: None,
            estimated_delivery: None,
        };
        self.tell_shipment(
            number,
            shipment::Command::Record(List::new(vec![scan]).unwrap()),
        );
    }

    fn tell_shipment(&mut self, number: u8, command: shipment::Command) {
        if let Some(id) = choose(self.shipments.states.keys(), number.into()).copied()
            && let Ok(events) = self.shipments.send(id, &command, self.now)
        {
            self.react(events);
        }
    }

    fn fire_timer(&mut self, number: u8) {
        if let Some(id) = self.order(number) {
            self.fire(id);
        }
    }

    fn fire(&mut self, id: OrderId) {
        for timer in self.orders.states[&id.into()].timers() {
            self.now = self.now.max(timer.at);
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

fn portions(quantities: impl Iterator<Item = u32>) -> Option<List<Portion, 1, 200>> {
    let portions = (1..).zip(quantities).filter_map(|(line, quantity)| {
        let quantity = Quantity::new(quantity).ok()?;
        Some(Portion { line, quantity })
    });
    List::new(portions.collect()).ok()
}

fn create(lines: &[(u8, u8, u32)], is_draft: bool) -> order::Command {
    let lines = lines
        .iter()
        .map(|(product_number, location_number, quantity)| {
            new_line(
                product(*product_number),
                location(*location_number),
                *quantity,
            )
        })
        .collect();
    order::Command::Create(Box::new(order::Create {
        customer: Uuid::from_u128(0x30).into(),
        currency: "BRL".parse().unwrap(),
        lines: List::new(lines).unwrap(),
        is_draft,
        shipping_address: serde_json::from_value(
            json!({"lines": ["Rua Um 1"], "city": "Recife", "country": "BR"}),
        )
        .unwrap(),
        billing_address: None,
        notes: None,
        reference: None,
        metadata: Default::default(),
        estimated_delivery: None,
    }))
}

fn new_line(product: ProductId, location: LocationId, quantity: u32) -> order::NewLine {
    serde_json::from_value(json!({
        "product": product,
        "sku": "TEA-1",
        "name": "Green tea",
        "location": location,
        "quantity": quantity,
        "unit_price": {"amount": "1.00", "currency": "BRL"},
        "weight_g": 100,
        "backorderable": false,
    }))
    .unwrap()
}
