//! What people and the machinery do in the world, step by step.

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::world::World;
use crate::ids::{LocationId, OrderId, ProductId};
use crate::order::{self, Portion};
use crate::shipment::{self, CarrierEvent, Status};
use crate::stock::{self, Action, MoveKind, Remarks};
use crate::testing::start;
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
    /// Other lines.
    Change {
        order: u8,
        lines: Vec<(u8, u8, u32)>,
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

impl World {
    /// Puts so many of each product at each location.
    pub(super) fn fill(&mut self, quantity: i64) {
        for (product, location) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            self.receive(product, location, quantity);
        }
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
            } => self.receive(product, location, quantity),
            Step::Transfer { product, quantity } => self.transfer(product, quantity),
            Step::Advance(order) => self.advance(order),
            Step::Cancel(order) => self.ask_one(order, order::Command::Cancel { reason: None }),
            Step::Change { order, lines } => self.change(order, &lines),
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
            Step::Deliver(number) => self.deliver_one(number.into()),
            Step::DeliverAll(number) => self.deliver_all(&[number]),
            Step::DeliverAgain(number) => self.deliver_again(number.into()),
        }
    }

    fn deliver_one(&mut self, number: usize) {
        if !self.on_their_way.is_empty() {
            self.deliver(number % self.on_their_way.len());
        }
    }

    fn deliver_again(&mut self, number: usize) {
        if !self.delivered.is_empty() {
            self.handle(self.delivered[number % self.delivered.len()].clone());
        }
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

    fn receive(&mut self, product: u8, location: u8, quantity: i64) {
        let movement = self.fresh().into();
        let action = Action::Move {
            movement,
            kind: MoveKind::Receipt,
            quantity,
            remarks: Remarks::default(),
        };
        self.enter(product, location, action);
    }

    fn transfer(&mut self, product: u8, quantity: i64) {
        let movement = self.fresh().into();
        let action = Action::TransferOut {
            movement,
            to: location(1),
            quantity,
            remarks: Remarks::default(),
        };
        self.enter(product, 0, action);
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

    fn change(&mut self, number: u8, lines: &[(u8, u8, u32)]) {
        let patch = order::Patch {
            lines: Some(new_lines(lines)),
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
        let shipment = self.fresh();
        let ship = order::Ship {
            shipment: shipment.into(),
            lines: portions,
            parcels: None,
            sender: None,
            carrier: Default::default(),
            service: None,
            tracking_number: Some(format!("WISH{}", shipment.simple()).parse().unwrap()),
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

fn portions(quantities: impl Iterator<Item = u32>) -> Option<List<Portion, 1, 200>> {
    let portions = (1..).zip(quantities).filter_map(|(line, quantity)| {
        let quantity = Quantity::new(quantity).ok()?;
        Some(Portion { line, quantity })
    });
    List::new(portions.collect()).ok()
}

fn new_lines(lines: &[(u8, u8, u32)]) -> List<order::NewLine, 1, 200> {
    let lines = lines
        .iter()
        .map(|(which, place, quantity)| new_line(product(*which), location(*place), *quantity));
    List::new(lines.collect()).unwrap()
}

fn create(lines: &[(u8, u8, u32)], is_draft: bool) -> order::Command {
    order::Command::Create(Box::new(order::Create {
        customer: Uuid::from_u128(0x30).into(),
        currency: "BRL".parse().unwrap(),
        lines: new_lines(lines),
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
