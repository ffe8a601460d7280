//! Reserving an order's goods.

use engine::{Entity, Rejection as _};

use super::*;

fn demand(number: u128, quantity: i64) -> Demand {
    Demand {
        product: product(number),
        location: location(),
        quantity,
        backorder: false,
        answer: None,
    }
}

#[test]
fn lines_are_summed_per_stock_item() {
    let order = draft(lines()).when(Command::Place).then([Event::Placed {
        demands: vec![demand(1, 5), demand(2, 4)],
        reserve_by: reserve_by(),
        at: start(),
    }]);
    order.when(Command::Place).then([]);
}

#[test]
fn an_order_waits_for_goods_only_if_all_lines_may() {
    let patient = |quantity| NewLine {
        backorderable: true,
        ..new_line(1, quantity)
    };
    let order = draft([patient(1), patient(2)])
        .when(Command::Place)
        .happened();
    assert!(state(&order).demands[0].backorder);
    let order = draft([patient(1), new_line(1, 2)])
        .when(Command::Place)
        .happened();
    assert!(!state(&order).demands[0].backorder);
}

#[test]
fn is_confirmed_by_the_last_answer() {
    let order = placed()
        .when(reserved(2))
        .then([Event::StockReserved { stock: stock(2) }])
        .when(reserved(2))
        .then([]);
    assert_eq!(counters(&order, 1), [2, 0, 0, 0, 0, 0]);
    assert_eq!(counters(&order, 2), [4, 4, 0, 0, 0, 0]);
    let order = order.when(reserved(1)).then([
        Event::StockReserved { stock: stock(1) },
        Event::Confirmed { at: start() },
    ]);
    assert_eq!(counters(&order, 1), [2, 2, 0, 0, 0, 0]);
    assert!(order.state().timers().is_empty());
    order.when(Command::StopWaiting).then([]);
}

#[test]
fn is_rejected_once_all_have_answered_and_releases_what_it_got() {
    let refusal = Event::StockRefused {
        stock: stock(1),
        reason: RefusalReason::InsufficientStock,
        available: 1,
    };
    let order = placed()
        .when(refused(1))
        .then([refusal])
        .when(reserved(2))
        .then([
            Event::StockReserved { stock: stock(2) },
            Event::Rejected {
                reason: RejectReason::StockRefused,
                releases: vec![release(2, 0)],
                at: start(),
            },
        ]);
    let refusals: Vec<_> = state(&order).refusals.iter().map(Demand::stock).collect();
    assert_eq!(refusals, [stock(1)]);
    assert_eq!(counters(&order, 2), [4, 0, 0, 0, 0, 0]);
}

#[test]
fn waits_by_the_clock_even_after_one_that_ran_ahead() {
    let order = draft(lines()).ahead_of_clock_by_seconds(3_600);
    let order = order.when(Command::Place).happened();
    assert_eq!(state(&order).reserve_by, Some(reserve_by()));
    let placed_at = state(&order).placed_at;
    assert_eq!(placed_at, Some(start() + TimeDelta::seconds(3_600)));
}

#[test]
fn is_rejected_when_answers_do_not_come() {
    let order = placed().when(reserved(1)).happened();
    let [timer] = order.state().timers().try_into().unwrap();
    assert_eq!(timer.at, reserve_by());
    order
        .when(timer.command)
        .then([Event::Rejected {
            reason: RejectReason::NoAnswer,
            releases: vec![release(1, 0), release(2, 0)],
            at: start(),
        }])
        .when(reserved(2))
        .then([]);
}

#[test]
fn an_illegal_step_names_the_legal_ones() {
    let rejection = Rejection::IllegalTransition {
        from: Status::Placed,
        to: Status::Picking,
    };
    assert_eq!(
        rejection.allowed().unwrap(),
        ["confirmed", "rejected", "cancelled"]
    );
    assert_eq!(rejection.code(), "illegal-transition");
    placed().when(Command::Pick).refused(rejection);
}
