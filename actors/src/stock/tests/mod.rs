//! What a stock item decides, example by example.

mod again;
mod clock;
mod limits;

use chrono::{DateTime, TimeDelta, Utc};
use engine::Entity;
use uuid::Uuid;

use super::*;
use crate::ids::{LocationId, MovementId, OrderId, ProductId, ShipmentId};
use crate::testing::{given, start};

fn product() -> ProductId {
    Uuid::from_u128(1).into()
}

pub(super) fn location(number: u128) -> LocationId {
    Uuid::from_u128(number).into()
}

pub(super) fn order(number: u128) -> OrderId {
    Uuid::from_u128(number).into()
}

pub(super) fn movement(number: u128) -> MovementId {
    Uuid::from_u128(number).into()
}

pub(super) fn shipment(number: u128) -> ShipmentId {
    Uuid::from_u128(number).into()
}

pub(super) fn reserve_by() -> DateTime<Utc> {
    start() + TimeDelta::seconds(60)
}

pub(super) fn to(action: Action) -> Command {
    Command {
        product: product(),
        location: location(2),
        action,
    }
}

fn enter(kind: MoveKind, quantity: i64) -> Command {
    to(Action::Move {
        movement: movement(99),
        kind,
        quantity,
        remarks: a_reason(),
    })
}

pub(super) fn a_reason() -> Remarks {
    Remarks {
        note: Some(Note::new("a reason").unwrap()),
        ..Remarks::default()
    }
}

fn reserve(number: u128, quantity: i64) -> Command {
    to(Action::Reserve {
        order: order(number),
        quantity,
        backorder: false,
        reserve_by: reserve_by(),
    })
}

fn backorder(number: u128, quantity: i64) -> Command {
    to(Action::Reserve {
        order: order(number),
        quantity,
        backorder: true,
        reserve_by: reserve_by(),
    })
}

fn release(number: u128, keep: i64) -> Command {
    to(Action::Release {
        order: order(number),
        keep,
        reserve_by: reserve_by(),
    })
}

fn issue(number: u128, parcel: u128, quantity: i64) -> Command {
    to(Action::Issue {
        order: order(number),
        shipment: shipment(parcel),
        quantity,
    })
}

fn opened() -> Event {
    Event::Opened {
        product: product(),
        location: location(2),
    }
}

fn moved(kind: EntryKind, on_hand: i64) -> Event {
    Event::Moved {
        movement: movement(on_hand.unsigned_abs().into()),
        remarks: Remarks::default(),
        ledger: entry(kind, on_hand, 0),
    }
}

fn entry(kind: EntryKind, on_hand: i64, reserved: i64) -> Entry {
    Entry {
        kind,
        on_hand,
        reserved,
    }
}

fn reserved(number: u128, quantity: i64, backorder: bool) -> Event {
    Event::Reserved {
        order: order(number),
        quantity,
        backorder,
        reserve_by: reserve_by(),
        at: start(),
        ledger: entry(EntryKind::Reservation, 0, quantity),
    }
}

fn refused(number: u128, quantity: i64, available: i64, reason: RefusalReason) -> Event {
    Event::Refused {
        order: order(number),
        quantity,
        available,
        reason,
        reserve_by: reserve_by(),
        at: start(),
    }
}

fn released(number: u128, keep: i64, quantity: i64) -> Event {
    Event::Released {
        order: order(number),
        keep,
        reserve_by: reserve_by(),
        ledger: entry(EntryKind::Release, 0, -quantity),
    }
}

fn sold(number: u128, parcel: u128, quantity: i64) -> Event {
    Event::Sold {
        order: order(number),
        shipment: shipment(parcel),
        ledger: entry(EntryKind::Sale, -quantity, -quantity),
    }
}

fn barred(number: u128) -> Event {
    Event::Barred {
        order: order(number),
        reserve_by: reserve_by(),
        at: start(),
    }
}

fn with(on_hand: i64) -> Vec<Event> {
    vec![opened(), moved(EntryKind::Receipt, on_hand)]
}

#[test]
fn a_movement_with_a_reference_marks_it() {
    let reference = Some("count-7".parse().unwrap());
    let remarks = Remarks {
        reference,
        ..a_reason()
    };
    let event = Event::Moved {
        movement: movement(9),
        remarks,
        ledger: entry(EntryKind::Receipt, 5, 0),
    };
    let marks = <Stock as engine::Entity>::marks(&event);
    assert_eq!(marks[0].key, "reference:count-7");
    assert_eq!(marks[0].rejection, Rejection::ReferenceTaken);
    assert!(<Stock as engine::Entity>::marks(&moved(EntryKind::Receipt, 5)).is_empty());
}

#[test]
fn the_first_command_opens_the_item() {
    let receipt = Event::Moved {
        movement: movement(99),
        remarks: a_reason(),
        ledger: entry(EntryKind::Receipt, 5, 0),
    };
    let item = given::<Stock>([])
        .when(enter(MoveKind::Receipt, 5))
        .then([opened(), receipt]);
    assert_eq!(item.state().available(), 5);
    given::<Stock>([])
        .when(reserve(1, 1))
        .then([opened(), refused(1, 1, 0, RefusalReason::InsufficientStock)]);
    given::<Stock>([]).when(issue(1, 1, 1)).then([]);
}

#[test]
fn commands_for_another_item_are_refused() {
    let stray = Command {
        location: location(3),
        ..reserve(1, 1)
    };
    given::<Stock>([opened()])
        .when(stray)
        .refused(Rejection::WrongItem);
}

#[test]
fn of_many_reservations_for_k_units_exactly_k_succeed() {
    let mut stock = with(7).iter().fold(Stock::default(), Stock::evolve);
    let mut successes = 0;
    for number in 1..=100 {
        let events = stock
            .decide(&reserve(number, 1), &crate::testing::context(2, 0))
            .unwrap();
        successes += usize::from(matches!(events[..], [Event::Reserved { .. }]));
        stock = events.iter().fold(stock, Stock::evolve);
    }
    assert_eq!((successes, stock.available(), stock.reserved), (7, 0, 7));
}

#[test]
fn a_reservation_is_made_whole_or_not_at_all() {
    given::<Stock>(with(5)).when(reserve(1, 6)).then([refused(
        1,
        6,
        5,
        RefusalReason::InsufficientStock,
    )]);
    given::<Stock>(with(5))
        .when(reserve(1, 5))
        .then([reserved(1, 5, false)]);
}

#[test]
fn a_repeated_reserve_has_no_effect_whatever_came_between() {
    let insufficient = refused(1, 6, 5, RefusalReason::InsufficientStock);
    for past in [
        vec![reserved(1, 2, false)],
        vec![reserved(1, 2, false), released(1, 0, 2)],
        vec![reserved(1, 2, false), sold(1, 1, 2)],
        vec![barred(1)],
        vec![insufficient, moved(EntryKind::Receipt, 9)],
    ] {
        let past = [with(5), past].concat();
        given::<Stock>(past).when(reserve(1, 2)).then([]);
    }
}

#[test]
fn releasing_twice_releases_once() {
    let past = [with(5), vec![reserved(1, 3, false)]].concat();
    let item = given::<Stock>(past)
        .when(release(1, 0))
        .then([released(1, 0, 3)]);
    let item = item.when(release(1, 0)).then([]);
    assert_eq!((item.state().reserved, item.state().available()), (0, 5));
}

#[test]
fn releasing_what_is_unknown_bars_the_order() {
    given::<Stock>(with(5))
        .when(release(1, 0))
        .then([barred(1)])
        .when(release(1, 0))
        .then([])
        .when(reserve(1, 1))
        .then([]);
}

#[test]
fn release_and_issue_commute() {
    let past = || [with(5), vec![reserved(1, 5, false)]].concat();
    let release_first = given::<Stock>(past())
        .when(release(1, 3))
        .then([released(1, 3, 2)])
        .when(issue(1, 1, 3))
        .then([sold(1, 1, 3)]);
    let issue_first = given::<Stock>(past())
        .when(issue(1, 1, 3))
        .then([sold(1, 1, 3)])
        .when(release(1, 3))
        .then([released(1, 3, 2)]);
    assert_eq!(release_first.state(), issue_first.state());
    assert_eq!(issue_first.state().on_hand, 2);
    assert_eq!(issue_first.state().reserved, 0);
    assert!(issue_first.state().reservations.is_empty());
}

#[test]
fn a_shipment_is_issued_once_and_no_more_than_reserved() {
    let past = [with(9), vec![reserved(1, 5, false)]].concat();
    given::<Stock>(past)
        .when(issue(1, 1, 2))
        .then([sold(1, 1, 2)])
        .when(issue(1, 1, 2))
        .then([])
        .when(issue(1, 2, 4))
        .then([sold(1, 2, 3)])
        .when(issue(1, 3, 1))
        .then([]);
}

#[test]
fn backorders_may_exceed_what_is_there() {
    let item = given::<Stock>(with(2))
        .when(backorder(1, 5))
        .then([reserved(1, 5, true)]);
    assert_eq!((item.state().available(), item.state().spare()), (-3, 2));
    // Nothing is free to be sent elsewhere, but what a count finds missing is gone.
    let none = Rejection::InsufficientStock { available: -3 };
    given::<Stock>([with(2), vec![reserved(1, 5, true)]].concat())
        .when(enter(MoveKind::Issue, 1))
        .refused(none);
    item.when(enter(MoveKind::Adjustment, -2)).happened();
}

#[test]
fn nothing_promised_can_be_taken_away() {
    let past = || [with(5), vec![reserved(1, 3, false)]].concat();
    for command in [
        enter(MoveKind::Issue, 3),
        enter(MoveKind::Adjustment, -3),
        to(Action::TransferOut {
            movement: movement(7),
            to: location(3),
            quantity: 3,
            remarks: Remarks::default(),
        }),
    ] {
        given::<Stock>(past())
            .when(command)
            .refused(Rejection::InsufficientStock { available: 2 });
    }
}

#[test]
fn a_transfer_leaves_here_and_arrives_there_once() {
    let action = Action::TransferOut {
        movement: movement(7),
        to: location(3),
        quantity: 3,
        remarks: Remarks::default(),
    };
    given::<Stock>(with(5))
        .when(to(action.clone()))
        .then([Event::TransferredOut {
            movement: movement(7),
            product: product(),
            from: location(2),
            to: location(3),
            quantity: 3,
            remarks: Remarks::default(),
            ledger: entry(EntryKind::TransferOut, -3, 0),
        }])
        .when(to(action))
        .then([]);
    let arrival = Action::TransferIn {
        movement: movement(7),
        from: location(3),
        quantity: 3,
    };
    given::<Stock>([opened()])
        .when(to(arrival.clone()))
        .then([Event::TransferredIn {
            movement: movement(7),
            from: location(3),
            ledger: entry(EntryKind::TransferIn, 3, 0),
        }])
        .when(to(arrival))
        .then([]);
    given::<Stock>(with(5))
        .when(to(Action::TransferOut {
            movement: movement(7),
            to: location(2),
            quantity: 3,
            remarks: Remarks::default(),
        }))
        .refused(Rejection::SameLocation);
}

#[test]
fn an_adjustment_needs_a_reason() {
    given::<Stock>(with(5))
        .when(to(Action::Move {
            movement: movement(9),
            kind: MoveKind::Adjustment,
            quantity: -1,
            remarks: Remarks::default(),
        }))
        .refused(Rejection::ReasonMissing);
}

#[test]
fn low_means_at_or_under_the_reorder_point() {
    let point = |reorder_point| to(Action::SetReorderPoint { reorder_point });
    let item = given::<Stock>(with(5))
        .when(point(Some(3)))
        .then([Event::ReorderPointSet {
            reorder_point: Some(3),
        }]);
    assert!(!item.state().index().flagged);
    let item = item.when(reserve(1, 2)).happened();
    assert!(item.state().index().flagged);
    let item = item.when(point(Some(3))).then([]);
    let item = item.when(point(None)).happened();
    assert!(!item.state().is_low());
}

#[test]
fn the_summary_reads_as_what_it_is() {
    let past = [with(5), vec![reserved(1, 3, false)]].concat();
    let stock = past.iter().fold(Stock::default(), Stock::evolve);
    let summary: Summary = serde_json::from_value(stock.summary().unwrap()).unwrap();
    assert_eq!(summary, stock.balance());
    assert_eq!((summary.available, summary.reservations), (2, 1));
}

#[test]
fn what_strays_is_gone_whatever_was_promised_of_it() {
    let stray = to(Action::IssueStray {
        order: order(1),
        shipment: shipment(7),
        quantity: 4,
    });
    let stock = given::<Stock>([
        opened(),
        moved(EntryKind::Receipt, 5),
        reserved(2, 3, false),
    ])
    .when(stray.clone())
    .then([Event::Strayed {
        order: order(1),
        shipment: shipment(7),
        ledger: entry(EntryKind::Sale, -4, 0),
    }]);
    assert_eq!(stock.state().available(), -2);
    stock.when(stray).then([]);
}
