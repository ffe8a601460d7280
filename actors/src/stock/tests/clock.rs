//! Orders that come too late, and clocks that run ahead or go back.

use super::*;

#[test]
fn a_reserve_after_its_moment_is_refused() {
    let late = Event::Refused {
        order: order(1),
        quantity: 1,
        available: 5,
        reason: RefusalReason::TooLate,
        reserve_by: reserve_by(),
        at: start() + TimeDelta::seconds(61),
    };
    given::<Stock>(with(5))
        .after_seconds(61)
        .when(reserve(1, 1))
        .then([late]);
    given::<Stock>(with(5))
        .when(reserve(1, QUANTITY_MAX + 1))
        .then([refused(1, QUANTITY_MAX + 1, 5, RefusalReason::OutOfRange)]);
}

#[test]
fn a_clock_that_once_ran_ahead_makes_nobody_late() {
    given::<Stock>(with(5))
        .ahead_of_clock_by_seconds(3_600)
        .when(reserve(1, 1))
        .then([reserved(1, 1, false)]);
}

#[test]
fn a_forgotten_order_is_refused_even_if_the_clock_goes_back() {
    let passing = Event::Reserved {
        order: order(2),
        quantity: 1,
        backorder: false,
        reserve_by: reserve_by() + TimeDelta::hours(2),
        at: reserve_by() + TimeDelta::hours(1),
        ledger: entry(EntryKind::Reservation, 0, 1),
    };
    let past = [with(5), vec![barred(1), passing]].concat();
    let item = given::<Stock>(past);
    assert!(item.state().settled.is_empty(), "the mark is forgotten");
    item.when(reserve(1, 2))
        .then([refused(1, 2, 4, RefusalReason::TooLate)]);
}

#[test]
fn only_what_was_forgotten_while_the_clock_ran_ahead_makes_orders_late() {
    let ahead = start() + TimeDelta::hours(2);
    let settled = |seconds| Event::Barred {
        order: order(1),
        reserve_by: ahead + TimeDelta::seconds(60),
        at: ahead + TimeDelta::seconds(seconds),
    };
    let passing = |seconds| Event::Barred {
        order: order(2),
        reserve_by: ahead + TimeDelta::seconds(seconds + 60),
        at: ahead + TimeDelta::seconds(seconds),
    };
    // Nothing was forgotten before the clock was right again.
    let brief = [with(5), vec![settled(0), passing(30)]].concat();
    let reserved_now = reserved(3, 1, false);
    given::<Stock>(brief)
        .when(reserve(3, 1))
        .then([reserved_now]);
    let long = [with(5), vec![settled(0), passing(61)]].concat();
    let item = given::<Stock>(long);
    let item = item
        .when(reserve(3, 1))
        .then([refused(3, 1, 5, RefusalReason::TooLate)]);
    // Whoever asks when that moment has come is served.
    let mut later = reserve(4, 1);
    if let Action::Reserve { reserve_by, .. } = &mut later.action {
        *reserve_by = ahead + TimeDelta::seconds(61);
    }
    let item = item.after_seconds(2 * 3_600 + 1).when(later).happened();
    assert!(item.state().reservations.contains_key(&order(4)));
}
