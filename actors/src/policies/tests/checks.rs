//! What must hold in the world: at any moment, and once everything is delivered.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::world::World;
use crate::ids::{OrderId, StockId};
use crate::order::{Consignment, Event as OrderEvent, Line, State, Status};
use crate::shipment::{self, Shipment};
use crate::stock::{self, Entry};

/// Quantities per order and stock item.
type Sums = BTreeMap<(OrderId, Uuid), i64>;

impl World {
    /// At any moment: the balance is the ledger, and nothing is promised twice.
    pub(super) fn check_promises(&self) {
        for (id, stock) in &self.stocks.states {
            let entries = || self.ledger(*id);
            assert_eq!(stock.on_hand, entries().map(|it| it.on_hand).sum::<i64>());
            assert_eq!(stock.reserved, entries().map(|it| it.reserved).sum::<i64>());
            let strayed = self
                .events_of(*id)
                .any(|it| matches!(it, stock::Event::Strayed { .. }));
            assert!(strayed || stock.available() >= 0, "oversold: {stock:?}");
            assert!(stock.reserved >= 0);
        }
    }

    /// Once everything is delivered: the three kinds tell the same story.
    pub(super) fn check_agreement(&self) {
        self.check_promises();
        for (id, order) in self.live_orders() {
            assert!(
                order.awaited().is_none() && order.status != Status::Cancelling,
                "{id} waits for ever: {order:?}"
            );
            for consignment in &order.shipments {
                let shipment = &self.shipments.states[&consignment.id.into()];
                check_shipment(consignment, shipment);
            }
        }
        assert_eq!(
            self.kept_by_stock(),
            self.wanted_by_orders(),
            "reservations"
        );
        assert_eq!(self.issued(), self.shipped(), "goods that left");
        assert_eq!(self.taken_back(), self.given_back(), "goods that came back");
        self.check_transfers();
    }

    fn live_orders(&self) -> impl Iterator<Item = (OrderId, &State)> {
        let orders = self.orders.states.iter();
        orders.filter_map(|(id, order)| Some(((*id).into(), order.0.as_ref()?)))
    }

    fn events_of(&self, stock: Uuid) -> impl Iterator<Item = &stock::Event> {
        let events = self.stocks.events.iter();
        events
            .filter(move |(id, _)| *id == stock)
            .map(|(_, event)| event)
    }

    fn ledger(&self, stock: Uuid) -> impl Iterator<Item = Entry> {
        self.events_of(stock).filter_map(stock::Event::ledger)
    }

    fn kept_by_stock(&self) -> Sums {
        let stocks = self.stocks.states.iter();
        let kept = stocks.flat_map(|(id, stock)| {
            let reservations = stock.reservations.iter();
            reservations.map(|(order, reservation)| ((*order, *id), reservation.open()))
        });
        sums(kept)
    }

    fn wanted_by_orders(&self) -> Sums {
        let wanted = self.live_orders().flat_map(|(id, order)| {
            let lines = order.lines.iter();
            lines.map(move |line| ((id, stock_of(line)), order.reserved(line).into()))
        });
        sums(wanted)
    }

    fn issued(&self) -> Sums {
        let sold = self
            .stocks
            .events
            .iter()
            .filter_map(|(id, event)| match event {
                stock::Event::Sold { order, ledger, .. }
                | stock::Event::Strayed { order, ledger, .. } => {
                    Some(((*order, *id), -ledger.on_hand))
                }
                _ => None,
            });
        sums(sold)
    }

    /// By the lines' counters, and by what strayed, which they do not count.
    fn shipped(&self) -> Sums {
        let counted = self.live_orders().flat_map(|(id, order)| {
            let lines = order.lines.iter();
            lines.map(move |line| ((id, stock_of(line)), line.shipped.into()))
        });
        let strayed = self.live_orders().flat_map(|(id, order)| {
            let strays = order.shipments.iter().filter(|it| it.is_stray);
            strays.flat_map(|it| &it.lines).map(move |portion| {
                let line = &order.lines[portion.line as usize - 1];
                ((id, stock_of(line)), portion.quantity.get().into())
            })
        });
        sums(counted.chain(strayed))
    }

    fn taken_back(&self) -> Sums {
        let returned = self
            .stocks
            .events
            .iter()
            .filter_map(|(id, event)| match event {
                stock::Event::Returned { order, ledger, .. } => {
                    Some(((*order, *id), ledger.on_hand))
                }
                _ => None,
            });
        sums(returned)
    }

    fn given_back(&self) -> Sums {
        let returns = self
            .orders
            .events
            .iter()
            .filter_map(|(id, event)| match event {
                OrderEvent::GoodsReturned(returned) => Some((OrderId::from(*id), returned)),
                _ => None,
            });
        sums(returns.flat_map(|(order, returned)| {
            returned.restocks.iter().map(move |restock| {
                let goods = restock.goods;
                let stock = StockId::of(goods.product, goods.location);
                ((order, stock.into()), goods.quantity)
            })
        }))
    }

    fn check_transfers(&self) {
        let sum = |pick: fn(&stock::Event) -> bool| -> i64 {
            let events = self.stocks.events.iter().filter(|(_, event)| pick(event));
            events
                .filter_map(|(_, event)| Some(event.ledger()?.on_hand))
                .sum()
        };
        let out = sum(|event| matches!(event, stock::Event::TransferredOut { .. }));
        let arrived = sum(|event| matches!(event, stock::Event::TransferredIn { .. }));
        assert_eq!(out + arrived, 0, "goods between locations");
    }
}

/// An order knows of its shipment exactly what the shipment knows of itself.
fn check_shipment(consignment: &Consignment, made: &Shipment) {
    assert!(made.exists());
    assert_eq!(
        consignment.has_left || consignment.is_stray,
        made.has_left()
    );
    let is_cancelled = made.status == Some(shipment::Status::Cancelled);
    assert!(!is_cancelled || consignment.is_decided());
    assert!(!consignment.is_cancelled || made.is_called_off || is_cancelled_by_carrier(made));
    let seen = |status| made.scans.iter().any(|scan| scan.status == status);
    if consignment.has_left {
        assert_eq!(consignment.is_delivered, seen(shipment::Status::Delivered));
        assert_eq!(consignment.is_returned, seen(shipment::Status::Returned));
        assert_eq!(consignment.is_lost, seen(shipment::Status::Lost));
    }
}

fn is_cancelled_by_carrier(made: &Shipment) -> bool {
    let mut scans = made.scans.iter();
    scans.any(|scan| scan.status == shipment::Status::Cancelled)
}

fn stock_of(line: &Line) -> Uuid {
    StockId::of(line.terms.product, line.terms.location).into()
}

/// Sums that are not nothing.
fn sums(quantities: impl Iterator<Item = ((OrderId, Uuid), i64)>) -> Sums {
    let mut sums = Sums::new();
    for (key, quantity) in quantities {
        *sums.entry(key).or_default() += quantity;
    }
    sums.retain(|_, quantity| *quantity != 0);
    sums
}
