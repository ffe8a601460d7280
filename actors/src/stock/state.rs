//! What a stock item is, as the sum of its events.

use chrono::{DateTime, Utc};
use engine::{Claim, Context, Entity, Index};
use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::Command;
use super::decide;
use super::event::{Entry, Event};
use super::rejection::Rejection;
use super::settled::Settled;
use crate::ids::{LocationId, MovementId, OrderId, ProductId, ShipmentId, StockId};

/// How many movements are remembered to recognise a repeat.
const RECENT_MAX: usize = 256;

/// A stock item. Cloning is cheap whatever the number of reservations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    /// What is stocked and where; `None` before the first command.
    pub item: Option<Item>,
    /// How much is there.
    pub on_hand: i64,
    /// How much of it, or of what is still to come, is kept for orders.
    pub reserved: i64,
    /// How much of `reserved` is for orders that accept to wait for goods.
    pub backordered: i64,
    /// From which available quantity down the item counts as low.
    pub reorder_point: Option<i64>,
    /// The live reservations.
    pub reservations: OrdMap<OrderId, Reservation>,
    /// The orders that are never to be reserved for again.
    pub settled: Settled,
    /// The last movements, to recognise a repeat. The request keys of the engine already do so;
    /// this is the second line, and may be short.
    pub recent: Vector<MovementId>,
}

/// What is stocked and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The product.
    pub product: ProductId,
    /// The location.
    pub location: LocationId,
}

/// What is kept for one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// How much in all, issued goods included.
    pub quantity: i64,
    /// How much of it has left.
    pub issued: i64,
    /// Whether the order accepts to wait for goods.
    pub backorder: bool,
    /// Until when the order waited for the last answer: of what it asks, the latest holds.
    pub reserve_by: DateTime<Utc>,
    /// The shipments in which it left.
    pub shipments: Vec<ShipmentId>,
}

impl Reservation {
    /// How much is still there for the order.
    #[must_use]
    pub fn open(&self) -> i64 {
        self.quantity.saturating_sub(self.issued)
    }
}

/// What lists show of a stock item: the balance without the single reservations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What is stocked and where; `None` before the first command.
    pub item: Option<Item>,
    /// How much is there.
    pub on_hand: i64,
    /// How much of it, or of what is still to come, is kept for orders.
    pub reserved: i64,
    /// `on_hand - reserved`.
    pub available: i64,
    /// From which available quantity down the item counts as low.
    pub reorder_point: Option<i64>,
    /// Whether it is low.
    pub is_low: bool,
    /// The number of live reservations.
    pub reservations: usize,
}

impl Stock {
    /// What can still be promised. Negative only when orders accept to wait.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.on_hand.saturating_sub(self.reserved)
    }

    /// What can disappear without breaking a promise to an order that does not accept to wait.
    #[must_use]
    pub fn spare(&self) -> i64 {
        self.available().saturating_add(self.backordered)
    }

    /// Whether the available quantity has come down to the reorder point.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.reorder_point
            .is_some_and(|point| self.available() <= point)
    }

    /// The balance without the single reservations.
    #[must_use]
    pub fn balance(&self) -> Summary {
        Summary {
            item: self.item,
            on_hand: self.on_hand,
            reserved: self.reserved,
            available: self.available(),
            reorder_point: self.reorder_point,
            is_low: self.is_low(),
            reservations: self.reservations.len(),
        }
    }

    fn apply(&mut self, entry: Entry) {
        self.on_hand = self.on_hand.saturating_add(entry.on_hand);
        self.reserved = self.reserved.saturating_add(entry.reserved);
    }

    fn remember(&mut self, movement: MovementId) {
        self.recent.push_back(movement);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    fn keep(&mut self, order: OrderId, quantity: i64, backorder: bool, reserve_by: DateTime<Utc>) {
        let known = self.reservations.remove(&order);
        if let Some(known) = known.as_ref().filter(|known| known.backorder) {
            self.backordered = self.backordered.saturating_sub(known.open());
        }
        let reservation = Reservation {
            quantity,
            issued: known.as_ref().map_or(0, |known| known.issued),
            backorder,
            reserve_by,
            shipments: known.map_or_else(Vec::new, |known| known.shipments),
        };
        if backorder {
            self.backordered = self.backordered.saturating_add(reservation.open());
        }
        self.reservations.insert(order, reservation);
    }

    /// Nothing that the order asked up to this moment has an effect any more.
    fn bar(&mut self, order: OrderId, reserve_by: DateTime<Utc>) {
        match self.reservations.get_mut(&order) {
            Some(known) => known.reserve_by = known.reserve_by.max(reserve_by),
            None => self.settled.add(order, reserve_by),
        }
    }

    fn change_reservation(
        &mut self,
        order: OrderId,
        entry: Entry,
        change: impl FnOnce(&mut Reservation),
    ) {
        let Some(mut reservation) = self.reservations.remove(&order) else {
            return;
        };
        change(&mut reservation);
        if reservation.backorder {
            self.backordered = self.backordered.saturating_add(entry.reserved);
        }
        if reservation.open() > 0 {
            self.reservations.insert(order, reservation);
        } else {
            self.settled.add(order, reservation.reserve_by);
        }
    }
}

/// A shipment that strays is a movement of its own at each stock item.
pub(super) fn movement_of(shipment: ShipmentId) -> MovementId {
    Uuid::from(shipment).into()
}

impl Entity for Stock {
    const KIND: &'static str = "stock";
    const CONTEXT: &'static str = "order";
    const SCHEMA: u32 = 1;

    type Id = StockId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        decide::decide(self, command, context)
    }

    fn evolve(mut self, event: &Event) -> Self {
        if let Some(entry) = event.ledger() {
            self.apply(entry);
        }
        match event {
            Event::Opened { product, location } => {
                self.item = Some(Item {
                    product: *product,
                    location: *location,
                });
            }
            Event::Moved { movement, .. }
            | Event::TransferredOut { movement, .. }
            | Event::TransferredIn { movement, .. }
            | Event::Returned { movement, .. } => self.remember(*movement),
            Event::Strayed { shipment, .. } => self.remember(movement_of(*shipment)),
            Event::Reserved {
                order,
                quantity,
                backorder,
                reserve_by,
                at,
                ..
            } => {
                self.keep(*order, *quantity, *backorder, *reserve_by);
                self.settled.forget_before(*at);
            }
            Event::Refused {
                order,
                reserve_by,
                at,
                ..
            }
            | Event::Barred {
                order,
                reserve_by,
                at,
            } => {
                self.bar(*order, *reserve_by);
                self.settled.forget_before(*at);
            }
            Event::Released {
                order,
                keep,
                reserve_by,
                ledger,
            } => self.change_reservation(*order, *ledger, |reservation| {
                reservation.reserve_by = reservation.reserve_by.max(*reserve_by);
                reservation.quantity = (*keep).max(reservation.issued);
            }),
            Event::Sold {
                order,
                shipment,
                ledger,
            } => self.change_reservation(*order, *ledger, |reservation| {
                reservation.issued = reservation.issued.saturating_sub(ledger.reserved);
                reservation.shipments.push(*shipment);
            }),
            Event::ReorderPointSet { reorder_point } => self.reorder_point = *reorder_point,
        }
        self
    }

    fn index(&self) -> Index {
        Index {
            status: "open",
            parent: self.item.map(|item| item.product.into()),
            site: self.item.map(|item| item.location.into()),
            flagged: self.is_low(),
            ..Index::default()
        }
    }

    fn marks(event: &Event) -> Vec<Claim<Rejection>> {
        event.mark().into_iter().collect()
    }

    fn summary(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.balance()).ok()
    }
}
