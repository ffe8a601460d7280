//! Orders that ask again: of what they ask, the latest holds.

use chrono::TimeDelta;

use super::*;

/// The same request or release, so many seconds later.
fn at(command: Command, seconds: i64) -> Command {
    let later = reserve_by() + TimeDelta::seconds(seconds);
    let action = match command.action {
        Action::Reserve {
            order,
            quantity,
            backorder,
            ..
        } => Action::Reserve {
            order,
            quantity,
            backorder,
            reserve_by: later,
        },
        Action::Release { order, keep, .. } => Action::Release {
            order,
            keep,
            reserve_by: later,
        },
        other => panic!("{other:?}"),
    };
    to(action)
}

#[test]
fn of_what_an_order_asks_the_latest_holds() {
    let asked = [
        reserve(1, 2),
        release(1, 1),
        at(reserve(1, 4), 1),
        at(release(1, 3), 1),
        at(reserve(1, 6), 2),
    ];
    // The last one is later than all others, whichever of them come before or after it.
    for last in 0..asked.len() {
        let mut sent = asked.to_vec();
        sent.rotate_left(last);
        let item = sent
            .into_iter()
            .fold(given::<Stock>(with(9)), |item, command| {
                item.when(command).happened()
            });
        assert_eq!(item.state().reserved, 6, "rotated by {last}");
    }
}

#[test]
fn who_is_refused_more_keeps_what_he_has() {
    let refused = Event::Refused {
        order: order(1),
        quantity: 6,
        available: 5,
        reason: RefusalReason::InsufficientStock,
        reserve_by: reserve_by() + TimeDelta::seconds(1),
        at: start(),
    };
    let item = given::<Stock>(with(5))
        .when(reserve(1, 2))
        .happened()
        .when(at(reserve(1, 6), 1))
        .then([refused])
        .when(enter(MoveKind::Receipt, 9))
        .happened()
        .when(at(reserve(1, 6), 1))
        .then([]);
    assert_eq!(item.state().reserved, 2);
    // Once it is released, nothing that it asked before brings it back.
    let gone = item.when(at(release(1, 0), 1)).happened();
    let gone = gone.when(at(reserve(1, 6), 1)).then([]);
    assert_eq!(gone.when(reserve(1, 2)).then([]).state().reserved, 0);
}

#[test]
fn a_release_that_frees_nothing_still_voids_what_was_asked_before() {
    let item = given::<Stock>(with(9))
        .when(reserve(1, 2))
        .happened()
        .when(at(release(1, 2), 1))
        .then([Event::Barred {
            order: order(1),
            reserve_by: reserve_by() + TimeDelta::seconds(1),
            at: start(),
        }]);
    item.when(at(release(1, 2), 1))
        .then([])
        .when(at(reserve(1, 4), 1))
        .then([]);
}
