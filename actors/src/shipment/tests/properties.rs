//! What holds for shipments whatever is scanned and asked, in whatever order.

use chrono::SubsecRound;
use engine::Entity;
use proptest::prelude::*;
use strum::IntoEnumIterator;

use super::*;
use crate::testing::{context, run};
use crate::values::Reference;

fn scan() -> impl Strategy<Value = CarrierEvent> {
    let statuses: Vec<_> = Status::iter().skip(1).collect();
    let places = vec!["BR", "PT", ""];
    (
        proptest::sample::select(statuses),
        0..6_i64,
        0..2_u8,
        proptest::sample::select(places),
    )
        .prop_map(|(status, minutes, code, country)| CarrierEvent {
            code: format!("{code}").parse().unwrap(),
            place: country.parse().ok().map(|country| Place {
                city: None,
                country,
            }),
            ..seen(status, minutes)
        })
}

/// Scans, and the same ones shuffled, some of them repeated, in batches of any size.
fn delivery() -> impl Strategy<Value = (Vec<CarrierEvent>, Vec<Vec<CarrierEvent>>)> {
    proptest::collection::vec(scan(), 1..20)
        .prop_flat_map(|scans| {
            let repeats = proptest::collection::vec(proptest::sample::select(scans.clone()), 0..8);
            (Just(scans), repeats, 1..5_usize)
        })
        .prop_flat_map(|(scans, repeats, size)| {
            let sent = [scans.clone(), repeats].concat();
            (Just(scans), Just(sent).prop_shuffle(), Just(size))
        })
        .prop_map(|(scans, sent, size)| (scans, sent.chunks(size).map(<[_]>::to_vec).collect()))
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_scans_ends_alike((scans, batches) in delivery()) {
        let straight = made().when(record(scans)).happened();
        let shuffled = batches
            .into_iter()
            .fold(made(), |shipment, batch| shipment.when(record(batch)).happened());
        prop_assert_eq!(straight.state(), shuffled.state());
    }

    #[test]
    fn a_final_status_never_regresses((_, batches) in delivery(), called_off: bool) {
        let mut shipment = made();
        if called_off {
            shipment = shipment.when(cancel()).happened();
        }
        for batch in batches {
            let before = shipment.state().status.unwrap();
            shipment = shipment.when(record(batch)).happened();
            let after = shipment.state().status.unwrap();
            prop_assert!(!called_off || after == Status::Cancelled);
            // Finals stand in the order of their evidence.
            prop_assert!(!before.is_final() || (after.is_final() && after >= before));
            prop_assert!(after == before || before.next().contains(&after.name()));
        }
    }

    #[test]
    fn any_commands_keep_the_invariants(
        commands in proptest::collection::vec((0..3_600_u32, command()), 0..30)
    ) {
        run::<Shipment>(commands, |shipment, _| {
            assert!(shipment.scans.iter().zip(shipment.scans.iter().skip(1))
                .all(|(earlier, later)| earlier.order(later).is_lt()));
            assert!(!shipment.exists() || shipment.tracking_number().is_some());
            if shipment.exists() && !shipment.is_called_off {
                let scanned = Status::after(shipment.scans.iter().map(AsRef::as_ref));
                assert_eq!(shipment.status, Some(scanned));
            }
            assert!(shipment.scans.iter().all(|scan| scan.occurred_at == scan.occurred_at.trunc_subsecs(3)));
        });
    }

    #[test]
    fn sagas_are_never_refused(
        commands in proptest::collection::vec((0..3_600_u32, command()), 0..20)
    ) {
        let (shipment, events) = run::<Shipment>(
            commands.into_iter().filter(|(_, command)| is_from_saga(command) || matches!(command, Command::Record(_))),
            |_, _| {},
        );
        let context = context(events.len() as u64, 0);
        prop_assert!(shipment.decide(&cancel_for_order(), &context).is_ok());
        prop_assert!(shipment.decide(&create(Numbering::Own), &context).is_ok());
        let numbering = Command::Number(number("WISHED-1"));
        prop_assert_eq!(shipment.decide(&numbering, &context).is_ok(), shipment.exists());
    }
}

fn is_from_saga(command: &Command) -> bool {
    match command {
        Command::Create(create) => !matches!(create.numbering, Numbering::Given(_)),
        Command::CancelForOrder { .. } => true,
        Command::Number(_) | Command::ForgoNumber(_) => false,
        Command::Record(_) | Command::Cancel { .. } => false,
    }
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => proptest::sample::select(vec![
            Numbering::Own,
            Numbering::Given(number("GIVEN-1")),
            Numbering::Wished(number("WISHED-1")),
        ])
        .prop_map(|numbering| Command::Create(Box::new(Create {
            reference: Some(Reference::new("ref").unwrap()),
            ..match create(numbering) {
                Command::Create(create) => *create,
                _ => unreachable!(),
            }
        }))),
        1 => Just(Command::Number(number("WISHED-1"))),
        1 => Just(Command::ForgoNumber(number("WISHED-1"))),
        8 => proptest::collection::vec(scan(), 1..4).prop_map(record),
        1 => Just(cancel()),
        1 => Just(cancel_for_order()),
    ]
}
