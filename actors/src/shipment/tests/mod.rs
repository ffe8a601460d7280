//! Shipments: given / when / then.

mod number;
mod properties;

use chrono::{DateTime, TimeDelta, Utc};
use engine::Entity;
use uuid::Uuid;

use super::*;
use crate::ids::OrderId;
use crate::testing::{ENTITY, Given, context, given, start, stored};
use crate::values::{Address, List};

fn address(name: &str) -> Address {
    serde_json::from_value(serde_json::json!({
        "name": name, "lines": ["Rua Um 1"], "city": "Timóteo", "region": "MG",
        "postal_code": "35180-000", "country": "BR",
    }))
    .unwrap()
}

fn order() -> OrderId {
    Uuid::from_u128(0xA0).into()
}

fn blueprint() -> Create {
    Create {
        order: Some(order()),
        lines: serde_json::from_value(serde_json::json!([
            {"line": 1, "sku": "TEA-1", "quantity": 2, "description": "Green tea"}
        ]))
        .unwrap(),
        parcels: serde_json::from_value(serde_json::json!([
            {"weight_g": 700, "dimensions": {"length_mm": 300, "width_mm": 200, "height_mm": 100}}
        ]))
        .unwrap(),
        consignee: address("Ana Lima"),
        sender: Some(address("Casa do Chá")),
        carrier: Carrier::Dhl,
        service: Some("express".parse().unwrap()),
        numbering: Numbering::Own,
        estimated_delivery: Some(start() + TimeDelta::days(3)),
        reference: None,
        metadata: Default::default(),
    }
}

fn create(numbering: Numbering) -> Command {
    Command::Create(Box::new(Create {
        numbering,
        ..blueprint()
    }))
}

fn made() -> Given<Shipment> {
    given([]).when(create(Numbering::Own)).happened()
}

fn seen(status: Status, minutes: i64) -> CarrierEvent {
    CarrierEvent {
        code: status.name().parse().unwrap(),
        status,
        place: None,
        coordinates: None,
        description: None,
        occurred_at: start() + TimeDelta::minutes(minutes),
        reason: None,
        estimated_delivery: None,
    }
}

fn record(events: impl IntoIterator<Item = CarrierEvent>) -> Command {
    Command::Record(List::new(events.into_iter().collect()).unwrap())
}

/// The status after one scan after the other, each in a command of its own.
fn status_after(scans: impl IntoIterator<Item = (Status, i64)>) -> Status {
    let shipment = scans
        .into_iter()
        .fold(made(), |shipment, (status, minutes)| {
            shipment.when(record([seen(status, minutes)])).happened()
        });
    shipment.state().status.unwrap()
}

fn number(text: &str) -> TrackingNumber {
    text.parse().unwrap()
}

fn cancel() -> Command {
    Command::Cancel { reason: None }
}

fn cancel_for_order() -> Command {
    Command::CancelForOrder { order: order() }
}

#[test]
fn is_made_once() {
    made().when(create(Numbering::Own)).then([]);
    let other = Create {
        order: None,
        ..blueprint()
    };
    made()
        .when(Command::Create(Box::new(other)))
        .refused(Rejection::AlreadyExists);
}

#[test]
fn what_is_not_there_refuses() {
    for command in [
        record([seen(Status::InTransit, 0)]),
        cancel(),
        Command::Number(number("ANOTHER-1")),
        Command::ForgoNumber(number("ANOTHER-1")),
    ] {
        given::<Shipment>([])
            .when(command.clone())
            .refused(Rejection::NotFound);
        given::<Shipment>([Event::CancelForestalled { order: None }])
            .when(command)
            .refused(Rejection::NotFound);
    }
}

#[test]
fn follows_its_carrier() {
    let journey = [
        Status::Booked,
        Status::PickedUp,
        Status::InTransit,
        Status::OutForDelivery,
        Status::DeliveryAttempted,
        Status::AvailableForPickup,
        Status::Delivered,
    ];
    let mut shipment = made();
    for (minutes, status) in (0..).zip(journey) {
        shipment = shipment.when(record([seen(status, minutes)])).happened();
        assert_eq!(shipment.state().status, Some(status));
    }
}

#[test]
fn a_scan_sent_twice_has_no_effect() {
    let scan = seen(Status::InTransit, 5);
    made()
        .when(record([scan.clone(), scan.clone()]))
        .happened()
        .when(record([scan]))
        .then([]);
}

#[test]
fn a_late_scan_is_filed_in_its_place_and_changes_nothing() {
    let shipment = made()
        .when(record([seen(Status::OutForDelivery, 9)]))
        .happened()
        .when(record([seen(Status::InTransit, 5)]))
        .happened();
    let shipment = shipment.state();
    assert_eq!(shipment.status, Some(Status::OutForDelivery));
    let filed: Vec<_> = shipment.scans.iter().map(|scan| scan.status).collect();
    assert_eq!(filed, [Status::InTransit, Status::OutForDelivery]);
}

#[test]
fn between_depots_the_latest_scan_holds() {
    use Status::{DeliveryAttempted, InTransit, OutForDelivery, PickedUp};
    assert_eq!(
        status_after([(OutForDelivery, 1), (DeliveryAttempted, 2), (InTransit, 3)]),
        InTransit
    );
    // A clock that is behind does not put the parcel back at the sender's door.
    assert_eq!(status_after([(InTransit, 1), (PickedUp, 2)]), InTransit);
}

#[test]
fn the_way_back_holds_through_transit() {
    use Status::{Delivered, DeliveryAttempted, InTransit, Returned, Returning};
    assert_eq!(
        status_after([(DeliveryAttempted, 1), (Returning, 2), (InTransit, 3)]),
        Returning
    );
    assert_eq!(status_after([(Returning, 1), (Returned, 2)]), Returned);
    assert_eq!(status_after([(Delivered, 1), (Returning, 2)]), Delivered);
    assert_eq!(status_after([(Delivered, 1), (Returned, 2)]), Returned);
}

#[test]
fn what_is_lost_may_be_found_but_only_at_the_end() {
    use Status::{Delivered, InTransit, Lost, Returning};
    assert_eq!(status_after([(Lost, 1), (InTransit, 2)]), Lost);
    assert_eq!(status_after([(Returning, 1), (Lost, 2)]), Lost);
    assert_eq!(status_after([(Lost, 1), (Delivered, 2)]), Delivered);
    assert_eq!(status_after([(Delivered, 1), (Lost, 2)]), Delivered);
}

#[test]
fn is_cancelled_until_it_has_left() {
    made()
        .when(cancel())
        .then([Event::Cancelled {
            order: Some(order()),
            reason: None,
        }])
        .when(cancel())
        .then([])
        .when(cancel_for_order())
        .then([]);
    // What goes wrong at the sender's door does not mean that it has left.
    made()
        .when(record([seen(Status::Exception, 1)]))
        .happened()
        .when(cancel())
        .then([Event::Cancelled {
            order: Some(order()),
            reason: None,
        }]);
    for status in [Status::PickedUp, Status::Delivered, Status::Lost] {
        made()
            .when(record([seen(status, 1)]))
            .happened()
            .when(cancel())
            .refused(Rejection::TooLateToCancel { status });
    }
    made()
        .when(record([
            seen(Status::PickedUp, 1),
            seen(Status::Exception, 2),
        ]))
        .happened()
        .when(cancel())
        .refused(Rejection::TooLateToCancel {
            status: Status::Exception,
        });
}

#[test]
fn what_we_called_off_stays_so_whatever_is_scanned() {
    let shipment = made()
        .when(cancel())
        .happened()
        .when(record([
            seen(Status::PickedUp, 1),
            seen(Status::Delivered, 2),
        ]))
        .happened();
    assert_eq!(shipment.state().status, Some(Status::Cancelled));
    assert_eq!(shipment.state().scans.len(), 2);
}

#[test]
fn an_order_cancelled_too_late_is_noted_once() {
    made()
        .when(record([seen(Status::InTransit, 1)]))
        .happened()
        .when(cancel_for_order())
        .then([Event::CancelMissed {}])
        .when(cancel_for_order())
        .then([]);
}

#[test]
fn cancelling_may_overtake_making() {
    let shipment = given::<Shipment>([])
        .when(cancel_for_order())
        .then([Event::CancelForestalled {
            order: Some(order()),
        }])
        .when(cancel_for_order())
        .then([]);
    assert!(!shipment.state().exists());
    assert_eq!(shipment.state().tracking(), None);
    let shipment = shipment.when(create(Numbering::Own)).happened();
    assert_eq!(shipment.state().status, Some(Status::Cancelled));
}

#[test]
fn implausible_times_are_refused() {
    let day = 24 * 60;
    made()
        .when(record([seen(Status::InTransit, day)]))
        .happened();
    made()
        .when(record([
            seen(Status::InTransit, 0),
            seen(Status::InTransit, day + 1),
        ]))
        .refused(Rejection::InTheFuture { scan: 1 });
    let ancient = |text: &str| CarrierEvent {
        occurred_at: text.parse().unwrap(),
        ..seen(Status::InTransit, 0)
    };
    made()
        .when(record([ancient("2000-01-01T00:00:00Z")]))
        .happened();
    made()
        .when(record([ancient("1999-12-31T23:59:59.999Z")]))
        .refused(Rejection::TooLongAgo { scan: 0 });
    made()
        .when(record([seen(Status::Created, 0)]))
        .refused(Rejection::NotAScan { scan: 0 });
    let estimate = CarrierEvent {
        estimated_delivery: Some(DateTime::<Utc>::MAX_UTC),
        ..seen(Status::InTransit, 0)
    };
    made()
        .when(record([estimate]))
        .refused(Rejection::EstimateOutOfRange { scan: Some(0) });
}

#[test]
fn scans_are_bounded_and_a_batch_is_filed_whole_or_not_at_all() {
    let batch = |range: std::ops::Range<i64>| record(range.map(|at| seen(Status::InTransit, -at)));
    let full = (0..10).fold(made(), |shipment, batch_number| {
        shipment
            .when(batch(batch_number * 100..batch_number * 100 + 100))
            .happened()
    });
    assert_eq!(full.state().scans.len(), SCANS_AT_MOST);
    let full = full.when(batch(950..1_000)).then([]);
    full.when(batch(999..1_001))
        .refused(Rejection::TooManyScans);
}

#[test]
fn the_estimate_follows_the_latest_scan_that_has_one() {
    let estimate = |minutes: i64, days: i64| CarrierEvent {
        estimated_delivery: Some(start() + TimeDelta::days(days)),
        ..seen(Status::InTransit, minutes)
    };
    let shipment = made();
    assert_eq!(
        shipment.state().estimated_delivery(),
        Some(start() + TimeDelta::days(3))
    );
    let shipment = shipment
        .when(record([
            estimate(9, 5),
            estimate(2, 4),
            seen(Status::InTransit, 20),
        ]))
        .happened();
    assert_eq!(
        shipment.state().estimated_delivery(),
        Some(start() + TimeDelta::days(5))
    );
}

#[test]
fn the_public_sees_no_person() {
    let scan = CarrierEvent {
        description: Some("Signed by Ana Lima".parse().unwrap()),
        coordinates: Some(Coordinates::new(-19.58, -42.64).unwrap()),
        place: serde_json::from_str(r#"{"city": "Timóteo", "country": "BR"}"#).unwrap(),
        ..seen(Status::Delivered, 1)
    };
    let shipment = made().when(record([scan])).happened();
    let tracking = serde_json::to_string(&shipment.state().tracking()).unwrap();
    assert!(tracking.contains("delivered") && tracking.contains("Timóteo"));
    for secret in ["Ana", "Rua", "42.64", "Casa", "35180"] {
        assert!(!tracking.contains(secret), "{secret} in {tracking}");
    }
}

#[test]
fn copes_with_erased_persons() {
    let scan = CarrierEvent {
        description: Some("Signed by Ana Lima".parse().unwrap()),
        ..seen(Status::Delivered, 1)
    };
    let mut events = Shipment::default()
        .decide(&create(Numbering::Own), &context(0, 0))
        .unwrap();
    let state = given::<Shipment>(events.clone());
    events.extend(
        state
            .state()
            .decide(&record([scan]), &context(1, 0))
            .unwrap(),
    );
    for event in &mut events {
        match event {
            Event::Created(created) => created.personal = None,
            Event::ScanRecorded(scan) => scan.personal = None,
            other => panic!("{other:?}"),
        }
        stored::<Shipment>(event);
    }
    let erased = given::<Shipment>(events);
    assert_eq!(erased.state().status, Some(Status::Delivered));
    let json = serde_json::to_string(erased.state()).unwrap();
    assert!(!json.contains("Ana"), "{json}");
}

#[test]
fn an_order_is_told_each_thing_once() {
    use Status::{Booked, Cancelled, Delivered, InTransit, PickedUp, Returned};
    let told = |scans: &[Status]| -> Vec<Status> {
        let mut shipment = made();
        let mut told = Vec::new();
        for (minutes, status) in (1..).zip(scans) {
            let command = record([seen(*status, minutes)]);
            let version = u64::try_from(minutes).unwrap();
            let decided = shipment
                .state()
                .decide(&command, &context(version, 0))
                .unwrap();
            told.extend(decided.iter().filter_map(|event| match event {
                Event::ScanRecorded(scan) => scan.news.map(|_| scan.scanned),
                _ => None,
            }));
            shipment = shipment.when(command).happened();
        }
        told
    };
    assert_eq!(
        told(&[Booked, PickedUp, InTransit, Delivered, Delivered]),
        [PickedUp, Delivered]
    );
    assert_eq!(told(&[Delivered, PickedUp]), [Delivered]);
    assert_eq!(
        told(&[Cancelled, Cancelled, InTransit, Returned]),
        [Cancelled, InTransit, Returned]
    );
}
