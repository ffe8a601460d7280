//! What a stock item does at its limits.

use engine::{Entity, Rejection as _};

use super::*;

#[test]
fn quantities_beyond_the_limits_are_refused_with_a_pointer() {
    for quantity in [0, -1, QUANTITY_MAX + 1, i64::MAX, i64::MIN] {
        for command in [
            enter(MoveKind::Receipt, quantity),
            enter(MoveKind::Issue, quantity),
            to(Action::TransferOut {
                movement: movement(7),
                to: location(3),
                quantity,
                remarks: Remarks::default(),
            }),
        ] {
            given::<Stock>(with(5))
                .when(command)
                .refused(Rejection::QuantityOutOfRange);
        }
    }
    for quantity in [0, QUANTITY_MAX + 1, -QUANTITY_MAX - 1, i64::MAX, i64::MIN] {
        given::<Stock>(with(5))
            .when(enter(MoveKind::Adjustment, quantity))
            .refused(Rejection::AdjustmentOutOfRange);
    }
    given::<Stock>(with(5))
        .when(enter(MoveKind::Receipt, QUANTITY_MAX))
        .refused(Rejection::BalanceOutOfRange);
    for point in [-1, QUANTITY_MAX + 1, i64::MIN] {
        given::<Stock>(with(5))
            .when(to(Action::SetReorderPoint {
                reorder_point: Some(point),
            }))
            .refused(Rejection::ReorderPointOutOfRange);
    }
    assert_eq!(
        Rejection::QuantityOutOfRange.pointer().as_deref(),
        Some("/quantity")
    );
}

#[test]
fn policies_are_never_refused_whatever_they_send() {
    for quantity in [i64::MIN, -1, 0, 1, QUANTITY_MAX, i64::MAX] {
        for action in [
            reserve(1, quantity).action,
            backorder(2, quantity).action,
            release(3, quantity).action,
            issue(4, 1, quantity).action,
            Action::Return {
                order: order(5),
                movement: movement(5),
                quantity,
            },
            Action::TransferIn {
                movement: movement(6),
                from: location(3),
                quantity,
            },
        ] {
            let past = [with(5), vec![reserved(3, 1, false), reserved(4, 2, true)]].concat();
            given::<Stock>(past).when(to(action)).happened();
        }
    }
}

#[test]
fn the_marks_are_bounded() {
    let mut stock = Stock::default().evolve(&opened());
    for number in 0..50_010_u32 {
        stock = stock.evolve(&Event::Barred {
            order: order(number.into()),
            reserve_by: reserve_by() + TimeDelta::milliseconds(number.into()),
            at: start(),
        });
    }
    assert_eq!(stock.settled.len(), 50_000);
    given_state(&stock, reserve(0, 1), RefusalReason::TooLate);
}

fn given_state(stock: &Stock, command: Command, expected: RefusalReason) {
    let events = stock
        .decide(&command, &crate::testing::context(1, 0))
        .unwrap();
    assert!(
        matches!(events[..], [Event::Refused { reason, .. }] if reason == expected),
        "{events:?}"
    );
}
