//! What holds for a stock item after any sequence of commands.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::tests::{a_reason, location, movement, order, reserve_by, shipment, to};
use super::*;
use crate::ids::OrderId;
use crate::testing::run;

fn any_quantity() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => -3..12_i64,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, QUANTITY_MAX, QUANTITY_MAX + 1]),
    ]
}

fn any_action(with_backorders: bool) -> impl Strategy<Value = Action> {
    let kinds = vec![MoveKind::Receipt, MoveKind::Issue, MoveKind::Adjustment];
    let orders = || (1..6_u128).prop_map(order);
    let movements = || any::<u8>().prop_map(|number| movement(number.into()));
    prop_oneof![
        (movements(), prop::sample::select(kinds), any_quantity()).prop_map(
            |(movement, kind, quantity)| Action::Move {
                movement,
                kind,
                quantity,
                remarks: a_reason(),
            }
        ),
        (movements(), 2..4_u128, any_quantity()).prop_map(|(movement, to, quantity)| {
            Action::TransferOut {
                movement,
                to: location(to),
                quantity,
                remarks: Remarks::default(),
            }
        }),
        (movements(), 0..9_i64).prop_map(|(movement, quantity)| Action::TransferIn {
            movement,
            from: location(3),
            quantity,
        }),
        (orders(), any_quantity(), any::<bool>(), any_moment()).prop_map(
            move |(order, quantity, backorder, reserve_by)| Action::Reserve {
                order,
                quantity,
                backorder: backorder && with_backorders,
                reserve_by,
            }
        ),
        (orders(), -1..9_i64, any_moment()).prop_map(|(order, keep, reserve_by)| {
            Action::Release {
                order,
                keep,
                reserve_by,
            }
        }),
        (orders(), 1..4_u128, any_quantity()).prop_map(|(order, parcel, quantity)| {
            Action::Issue {
                order,
                shipment: shipment(parcel),
                quantity,
            }
        }),
        (orders(), movements(), 0..9_i64).prop_map(|(order, movement, quantity)| Action::Return {
            order,
            movement,
            quantity,
        }),
        prop::option::of(any_quantity())
            .prop_map(|reorder_point| Action::SetReorderPoint { reorder_point }),
    ]
}

fn any_moment() -> impl Strategy<Value = DateTime<Utc>> {
    (0..3_i64).prop_map(|later| reserve_by() + TimeDelta::seconds(later))
}

fn any_stray() -> impl Strategy<Value = Action> {
    (1..6_u128, 1..4_u128, 0..9_i64).prop_map(|(number, parcel, quantity)| Action::IssueStray {
        order: order(number),
        shipment: shipment(parcel),
        quantity,
    })
}

fn any_history(with_backorders: bool) -> impl Strategy<Value = Vec<(u32, Command)>> {
    // What strays breaks promises without backorders too.
    let action = prop_oneof![
        12 => any_action(with_backorders),
        u32::from(with_backorders) => any_stray(),
    ];
    let step = (0..8_u32, action.prop_map(to));
    prop::collection::vec(step, 0..60)
}

fn check_balance(stock: &Stock, events: &[Event]) {
    let entries = || events.iter().filter_map(Event::ledger);
    let on_hand: i64 = entries().map(|entry| entry.on_hand).sum();
    let reserved: i64 = entries().map(|entry| entry.reserved).sum();
    let open: i64 = stock.reservations.values().map(Reservation::open).sum();
    let waiting = stock.reservations.values().filter(|one| one.backorder);
    assert_eq!(stock.on_hand, on_hand, "on hand is the sum of the ledger");
    assert_eq!(
        stock.reserved, reserved,
        "reserved is the sum of the ledger"
    );
    assert_eq!(stock.reserved, open, "reserved is the sum of what is open");
    assert_eq!(
        stock.backordered,
        waiting.map(Reservation::open).sum::<i64>()
    );
    assert!(stock.reservations.values().all(|one| one.open() > 0));
}

fn reservations(events: &[Event]) -> Vec<(OrderId, DateTime<Utc>)> {
    let orders = events.iter().filter_map(|event| match event {
        Event::Reserved {
            order, reserve_by, ..
        } => Some((*order, *reserve_by)),
        _ => None,
    });
    orders.collect()
}

proptest! {
    #[test]
    fn the_balance_is_the_sum_of_the_ledger(history in any_history(true)) {
        let (_, events) = run::<Stock>(history, check_balance);
        let asked = reservations(&events);
        let unique: BTreeSet<_> = asked.iter().collect();
        prop_assert_eq!(unique.len(), asked.len(), "one request was granted twice");
    }

    #[test]
    fn without_backorders_nothing_is_promised_that_is_not_there(history in any_history(false)) {
        run::<Stock>(history, |stock, events| {
            check_balance(stock, events);
            assert!(stock.available() >= 0, "{stock:?}");
            assert!(stock.on_hand >= stock.reserved && stock.reserved >= 0);
        });
    }
}
