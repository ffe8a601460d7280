//! Changing an order, and calling it off.

use engine::Entity;

use super::*;
use crate::values::Metadata;

fn change(lines: impl IntoIterator<Item = NewLine>) -> Command {
    Command::Update(Box::new(Patch {
        lines: Some(List::new(lines.into_iter().collect()).unwrap()),
        ..Patch::default()
    }))
}

/// What a confirmed order gives up with new lines.
fn given_up(lines: impl IntoIterator<Item = NewLine>) -> Vec<Release> {
    let context = crate::testing::context(9, 0);
    let decided = confirmed()
        .state()
        .decide(&change(lines), &context)
        .unwrap();
    match decided.as_slice() {
        [Event::LinesChanged { releases, .. }] => releases.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_patch_keeps_what_it_leaves_out() {
    let patch: Patch =
        serde_json::from_value(json!({"notes": "fragile", "reference": null})).unwrap();
    let order = draft(lines())
        .when(Command::Update(Box::new(patch.clone())))
        .happened();
    let personal = state(&order).personal.clone().unwrap();
    assert_eq!(personal.shipping_address, Some(address()));
    assert_eq!(personal.notes.as_ref().unwrap().as_str(), "fragile");
    assert_eq!(state(&order).details.reference, None);
    order.when(Command::Update(Box::new(patch))).then([]);
}

#[test]
fn lines_of_a_draft_change_freely() {
    let order = draft(lines()).when(change([new_line(3, 9)])).happened();
    assert_eq!(state(&order).lines.len(), 1);
    assert_eq!(state(&order).totals.total, brl("22.50"));
    order.when(change([new_line(3, 9)])).then([]);
}

#[test]
fn lines_wait_while_goods_are_being_reserved() {
    placed()
        .when(change([new_line(1, 1)]))
        .refused(Rejection::ReservationPending);
}

#[test]
fn confirmed_lines_that_need_no_more_change_at_once() {
    // Spread otherwise over lines, but the same goods.
    assert_eq!(given_up([new_line(1, 5), new_line(2, 4)]), []);
    assert_eq!(given_up([new_line(1, 4)]), [release(1, 4), release(2, 0)]);
    let less = confirmed().when(change([new_line(1, 4)])).happened();
    assert_eq!(counters(&less, 1), [4, 4, 0, 0, 0, 0]);
}

/// One product more, one less, one new. Time has not moved, but the moment has: it is later than
/// that of the first request.
fn proposed() -> Given<Order> {
    confirmed()
        .when(change([new_line(1, 6), new_line(2, 1), new_line(3, 1)]))
        .happened()
}

fn later() -> DateTime<Utc> {
    reserve_by() + TimeDelta::milliseconds(1)
}

fn at_last(release: Release) -> Release {
    Release {
        reserve_by: later(),
        ..release
    }
}

fn agreed(number: u128) -> Command {
    Command::StockReserved {
        stock: stock(number),
        reserve_by: later(),
    }
}

#[test]
fn confirmed_lines_that_need_more_wait_for_it() {
    let order = proposed();
    assert_eq!(state(&order).status, Status::Confirmed);
    assert_eq!(state(&order).lines.len(), 3, "the old ones");
    let asked: Vec<_> = state(&order)
        .proposal
        .iter()
        .flat_map(|it| &it.demands)
        .collect();
    assert_eq!(
        asked
            .iter()
            .map(|it| (it.quantity, it.answer))
            .collect::<Vec<_>>(),
        [(6, None), (1, Some(Answer::Reserved)), (1, None)]
    );
    assert_eq!(order.state().timers()[0].at, later());
    // An answer to the first request is not one to this.
    let order = order.when(reserved(1)).then([]);
    let order = order.when(agreed(1)).happened();
    let decided = order
        .state()
        .decide(&agreed(3), &crate::testing::context(9, 0))
        .unwrap();
    assert!(matches!(
        decided.as_slice(),
        [Event::StockReserved { .. }, Event::LinesChanged { releases, .. }]
            if *releases == [at_last(release(2, 1))]
    ));
    let order = order.when(agreed(3)).happened();
    assert_eq!(counters(&order, 1), [6, 6, 0, 0, 0, 0]);
    assert_eq!(state(&order).totals.total, brl("20.00"));
    order.when(Command::Pick).then([Event::PickingStarted {}]);
}

#[test]
fn the_old_lines_stay_when_more_cannot_be_had() {
    let refusal = Command::StockRefused {
        stock: stock(3),
        reserve_by: later(),
        reason: RefusalReason::InsufficientStock,
        available: 0,
    };
    // The one that refused may still hold what an earlier release has not reached.
    let kept = Event::LinesKept {
        releases: vec![at_last(release(1, 5)), at_last(release(3, 0))],
    };
    let order = proposed()
        .when(refusal)
        .happened()
        .when(agreed(1))
        .then([Event::StockReserved { stock: stock(1) }, kept]);
    assert_eq!(counters(&order, 1), [2, 2, 0, 0, 0, 0]);
    assert_eq!(state(&order).refusals[0].stock(), stock(3));
    proposed()
        .when(Command::StopWaiting)
        .then([Event::LinesKept {
            releases: vec![at_last(release(1, 5)), at_last(release(3, 0))],
        }]);
}

#[test]
fn nothing_else_happens_to_lines_while_more_is_asked_for() {
    for command in [change([new_line(1, 1)]), Command::Pick] {
        proposed()
            .when(command)
            .refused(Rejection::ReservationPending);
    }
    let all = [release(1, 0), release(2, 0), release(3, 0)];
    proposed()
        .when(cancel())
        .then([Event::Cancelled {
            reason: None,
            releases: all.map(at_last).to_vec(),
            at: start(),
        }])
        .when(agreed(1))
        .then([]);
}

#[test]
fn nothing_changes_once_picking_starts() {
    let patch = Patch {
        metadata: Some(Metadata::default()),
        ..Patch::default()
    };
    confirmed()
        .when(Command::Pick)
        .happened()
        .when(Command::Update(Box::new(patch)))
        .refused(Rejection::TooLateToChange {
            status: Status::Picking,
        });
}

#[test]
fn a_draft_is_called_off_without_anybody_noticing() {
    let cancelled = Event::Cancelled {
        reason: None,
        releases: vec![],
        at: start(),
    };
    draft(lines())
        .when(cancel())
        .then([cancelled])
        .when(cancel())
        .then([]);
}

#[test]
fn a_cancelled_order_releases_what_it_has_and_what_it_may_yet_get() {
    for order in [placed(), confirmed(), packed()] {
        let order = order.when(cancel()).then([Event::Cancelled {
            reason: None,
            releases: vec![release(1, 0), release(2, 0)],
            at: start(),
        }]);
        assert_eq!(counters(&order, 2), [4, 0, 0, 0, 0, 4]);
        assert!(state(&order).allowed_transitions().is_empty());
        // An answer that comes late is about what was released.
        order.when(reserved(1)).then([]);
    }
}

#[test]
fn a_cancelled_order_waits_for_its_shipments() {
    let order = booked().when(cancel()).then([Event::CancelRequested {
        reason: None,
        shipments: vec![shipment(1), shipment(2)],
    }]);
    order
        .when(Command::Pack)
        .refused(Rejection::IllegalTransition {
            from: Status::Cancelling,
            to: Status::Packed,
        });
    booked()
        .when(cancel())
        .happened()
        .when(moved(1, Milestone::Cancelled))
        .then([Event::ShipmentCancelled {
            shipment: shipment(1),
        }])
        .when(moved(2, Milestone::Cancelled))
        .then([
            Event::ShipmentCancelled {
                shipment: shipment(2),
            },
            Event::Cancelled {
                reason: None,
                releases: vec![release(1, 0), release(2, 0)],
                at: start(),
            },
        ]);
}

#[test]
fn what_has_left_goes_on_when_the_rest_is_called_off() {
    let order = booked()
        .when(cancel())
        .happened()
        .when(moved(2, Milestone::Cancelled))
        .happened()
        .when(moved(1, Milestone::Delivered))
        .then([
            Event::ShipmentLeft {
                shipment: shipment(1),
                goods: vec![goods(1, 2)],
            },
            Event::ShipmentDelivered {
                shipment: shipment(1),
            },
            Event::CancelFellShort {
                lines: portions(&[(2, 4), (3, 3)]).to_vec(),
                releases: vec![release(1, 2), release(2, 0)],
            },
        ]);
    assert_eq!(state(&order).status, Status::Delivered);
    assert_eq!(counters(&order, 1), [2, 0, 2, 2, 0, 0]);
    assert_eq!(counters(&order, 3), [3, 0, 0, 0, 0, 3]);
}

#[test]
fn is_not_called_off_once_a_parcel_has_left() {
    booked()
        .when(moved(1, Milestone::Left))
        .happened()
        .when(cancel())
        .refused(Rejection::IllegalTransition {
            from: Status::PartiallyShipped,
            to: Status::Cancelled,
        });
}
