//! The sagas as a whole, in a world where every command may be late, overtaken or repeated.

mod checks;
mod steps;
mod world;

use proptest::prelude::*;

use self::steps::Step;
use self::world::{Sent, World};
use super::ALL;
use crate::order::{self, Order};
use crate::shipment::Status;
use crate::testing::start;

#[test]
fn the_rules_have_names_of_their_own() {
    let mut names: Vec<_> = ALL.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}

fn step() -> impl Strategy<Value = Step> {
    let scans = vec![
        Status::Booked,
        Status::PickedUp,
        Status::InTransit,
        Status::Delivered,
        Status::Returned,
        Status::Lost,
        Status::Cancelled,
        Status::Exception,
    ];
    let lines = || prop::collection::vec((0..2_u8, 0..2_u8, 1..6_u32), 1..4);
    prop_oneof![
        2 => (lines(), prop::bool::weighted(0.2))
            .prop_map(|(lines, is_draft)| Step::Create { lines, is_draft }),
        1 => (0..2_u8, 0..2_u8, 1..6_i64).prop_map(|(product, location, quantity)| Step::Receive {
            product,
            location,
            quantity,
        }),
        1 => (0..2_u8, 1..6_i64)
            .prop_map(|(product, quantity)| Step::Transfer { product, quantity }),
        12 => any::<u8>().prop_map(Step::Advance),
        1 => any::<u8>().prop_map(Step::Cancel),
        4 => (any::<u8>(), lines()).prop_map(|(order, lines)| Step::Change { order, lines }),
        8 => (any::<u8>(), 0..3_u32).prop_map(|(order, quantity)| Step::Ship { order, quantity }),
        4 => (any::<u8>(), any::<bool>())
            .prop_map(|(order, restock)| Step::Return { order, restock }),
        10 => (any::<u8>(), prop::sample::select(scans), 0..9_i64)
            .prop_map(|(shipment, status, minute)| Step::Scan { shipment, status, minute }),
        1 => any::<u8>().prop_map(Step::CancelShipment),
        2 => any::<u8>().prop_map(Step::FireTimer),
        40 => any::<u16>().prop_map(Step::Deliver),
        2 => any::<u16>().prop_map(Step::DeliverAll),
        4 => any::<u16>().prop_map(Step::DeliverAgain),
    ]
}

proptest! {
    /// Whatever happens in whatever order, with every command delivered late or twice: once all
    /// is delivered, the orders, the stock and the shipments agree.
    #[test]
    fn orders_stock_and_shipments_agree_in_the_end(
        steps in prop::collection::vec(step(), 0..300),
        order_of_delivery in prop::collection::vec(any::<u16>(), 32),
    ) {
        let mut world = World::new();
        world.fill(12);
        for step in steps {
            world.take(step);
            world.check_promises();
        }
        world.settle(&order_of_delivery);
        world.check_agreement();
        world.deliver_all_again();
        world.check_agreement();
    }
}

#[test]
fn an_order_goes_all_the_way() {
    let mut world = World::new();
    world.fill(9);
    let all_of = |order| Step::Ship { order, quantity: 0 };
    for step in [
        Step::Create {
            lines: vec![(0, 0, 2), (0, 0, 3)],
            is_draft: false,
        },
        Step::DeliverAll(0),
        Step::Advance(0),
        Step::Advance(0),
        all_of(0),
        Step::DeliverAll(0),
        Step::Scan {
            shipment: 0,
            status: Status::Delivered,
            minute: 1,
        },
    ] {
        world.take(step);
    }
    world.settle(&[]);
    world.check_agreement();
    assert_eq!(world.status(0), order::Status::Delivered);
    assert_eq!(world.on_hand(0, 0), 4);
    world.take(Step::Return {
        order: 0,
        restock: true,
    });
    world.settle(&[]);
    world.check_agreement();
    assert_eq!(world.status(0), order::Status::Returned);
    assert_eq!(world.on_hand(0, 0), 9);
}

/// An order that has asked for its shipment.
fn shipping() -> World {
    let mut world = World::new();
    world.fill(9);
    for step in [
        Step::Create {
            lines: vec![(0, 0, 2)],
            is_draft: false,
        },
        Step::DeliverAll(0),
        Step::Advance(0),
        Step::Advance(0),
        Step::Ship {
            order: 0,
            quantity: 0,
        },
    ] {
        world.take(step);
    }
    world
}

#[test]
fn an_order_is_called_off_although_its_shipment_can_never_be_made() {
    let mut world = shipping();
    let held: Vec<_> = std::mem::take(&mut world.on_their_way);
    assert!(matches!(held[..], [Sent::Shipment(..)]), "{held:?}");
    world.take(Step::Cancel(0));
    world.settle(&[]);
    assert_eq!(world.status(0), order::Status::Cancelled);
    assert_eq!(world.reserved(0, 0), 0);
    // Should it be made after all, that changes nothing.
    world.on_their_way = held;
    world.settle(&[]);
    world.check_agreement();
}

/// Nobody knows where the goods of an erased customer go; somebody must be told.
#[test]
fn a_shipment_without_a_consignee_is_an_alarm() {
    let world = shipping();
    let (id, event) = world.orders.events.last().unwrap();
    let mut recorded = world::record::<Order>(*id, 1, event, start());
    assert_eq!(super::order::make_shipment(&recorded).unwrap().len(), 1);
    recorded.personal = None;
    assert!(super::order::make_shipment(&recorded).is_err());
}
