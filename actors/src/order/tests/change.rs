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
fn confirmed_lines_may_give_up_goods_but_take_no_more() {
    // Spread otherwise over lines, but the same goods.
    assert_eq!(given_up([new_line(1, 5), new_line(2, 4)]), []);
    assert_eq!(given_up([new_line(1, 4)]), [release(1, 4), release(2, 0)]);
    let less = confirmed().when(change([new_line(1, 4)])).happened();
    assert_eq!(counters(&less, 1), [4, 4, 0, 0, 0, 0]);
    for more in [vec![new_line(1, 6)], vec![new_line(3, 1)]] {
        confirmed()
            .when(change(more))
            .refused(Rejection::MoreThanReserved);
    }
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
