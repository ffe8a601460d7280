//! Goods that come back.

use uuid::Uuid;

use super::*;
use crate::ids::MovementId;
use crate::testing::ENTITY;

fn give_back(wanted: &[(u32, u32)], restock: bool) -> Command {
    Command::Return(Box::new(Return {
        lines: portions(wanted),
        restock,
        reason: None,
    }))
}

fn delivered() -> Given<Order> {
    booked()
        .when(moved(1, Milestone::Delivered))
        .happened()
        .when(moved(2, Milestone::Delivered))
        .happened()
}

#[test]
fn goods_go_back_into_stock_by_movements_that_follow_from_the_decision() {
    // 13 events so far: the movement is made of the version that is decided on.
    let mut name = 13_u64.to_be_bytes().to_vec();
    name.extend_from_slice(Uuid::from(stock(1)).as_bytes());
    let movement: MovementId = Uuid::new_v5(&ENTITY, &name).into();
    let order = delivered()
        .when(give_back(&[(1, 1), (3, 1)], true))
        .then([Event::GoodsReturned(Box::new(GoodsReturned {
            lines: portions(&[(1, 1), (3, 1)]).to_vec(),
            restocks: vec![Restock {
                goods: goods(1, 2),
                movement,
            }],
            reason: None,
        }))]);
    assert_eq!(state(&order).status, Status::PartiallyReturned);
    assert_eq!(counters(&order, 1), [2, 0, 2, 2, 1, 0]);
    let order = order
        .when(give_back(&[(1, 1), (2, 4), (3, 2)], false))
        .happened();
    assert_eq!(state(&order).status, Status::Returned);
}

#[test]
fn no_more_comes_back_than_arrived() {
    let order = booked().when(moved(1, Milestone::Delivered)).happened();
    order
        .when(give_back(&[(1, 2), (2, 1)], true))
        .refused(Rejection::QuantityTooLarge {
            entry: 1,
            available: 0,
        });
    booked()
        .when(give_back(&[(1, 1)], true))
        .refused(Rejection::IllegalTransition {
            from: Status::Packed,
            to: Status::Returned,
        });
}

#[test]
fn what_the_carrier_brought_back_may_be_taken_back() {
    let order = booked()
        .when(moved(1, Milestone::Returned))
        .happened()
        .when(give_back(&[(1, 2)], true))
        .happened();
    assert_eq!(counters(&order, 1), [2, 0, 2, 0, 2, 0]);
    // Heard of late, the delivery does not make more of it.
    let order = order.when(moved(1, Milestone::Delivered)).happened();
    order
        .when(give_back(&[(1, 1)], true))
        .refused(Rejection::QuantityTooLarge {
            entry: 0,
            available: 0,
        });
}
