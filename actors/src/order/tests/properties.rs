//! What holds for orders whatever is asked and told, in whatever order.

use std::cell::RefCell;

use engine::Entity;
use proptest::prelude::*;

use super::*;
use crate::testing::{context, run};

fn milestone() -> impl Strategy<Value = Milestone> {
    prop::sample::select(vec![
        Milestone::Left,
        Milestone::Delivered,
        Milestone::Returned,
        Milestone::Lost,
        Milestone::Cancelled,
    ])
}

fn from_saga() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (1..4_u128).prop_map(reserved),
        2 => (1..4_u128, 0..4_i64).prop_map(|(number, later)| Command::StockReserved {
            stock: stock(number),
            reserve_by: reserve_by() + TimeDelta::milliseconds(later),
        }),
        1 => (1..4_u128).prop_map(refused),
        4 => (1..4_u128, milestone()).prop_map(|(number, milestone)| moved(number, milestone)),
        1 => Just(Command::StopWaiting),
    ]
}

fn wanted() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((0..4_u32, 1..4_u32), 1..3)
}

fn from_client() -> impl Strategy<Value = Command> {
    let lines = || prop::collection::vec((1..3_u128, 1..4_u32), 1..4);
    let new_lines = |lines: Vec<(u128, u32)>| -> Vec<NewLine> {
        lines
            .into_iter()
            .map(|(number, quantity)| new_line(number, quantity))
            .collect()
    };
    prop_oneof![
        2 => (lines(), any::<bool>()).prop_map(move |(lines, is_draft)| {
            let create = Create { is_draft, ..blueprint(new_lines(lines)) };
            Command::Create(Box::new(create))
        }),
        1 => lines().prop_map(move |lines| Command::Update(Box::new(Patch {
            lines: Some(List::new(new_lines(lines)).unwrap()),
            ..Patch::default()
        }))),
        2 => Just(Command::Place),
        1 => Just(cancel()),
        3 => Just(Command::Pick),
        3 => Just(Command::Pack),
        3 => (1..4_u128, prop::option::of(wanted()))
            .prop_map(|(number, wanted)| ship(number, wanted.as_deref())),
        2 => (wanted(), any::<bool>()).prop_map(|(wanted, restock)| {
            Command::Return(Box::new(Return { lines: portions(&wanted), restock, reason: None }))
        }),
    ]
}

fn check(line: &Line) {
    assert!(
        line.assigned + line.cancelled <= line.terms.quantity.get(),
        "{line:?}"
    );
    assert!(line.shipped <= line.assigned, "{line:?}");
    assert!(
        line.delivered + line.undelivered <= line.shipped,
        "{line:?}"
    );
    assert!(line.returned <= line.shipped, "{line:?}");
}

proptest! {
    #[test]
    fn any_commands_keep_the_counters_in_their_bounds(
        commands in prop::collection::vec((0..3_u32, prop_oneof![from_client(), from_saga()]), 0..80)
    ) {
        run::<Order>(commands, |order, _| {
            if let Some(state) = &order.0 {
                state.lines.iter().for_each(check);
                let total = Money::sum(state.currency, state.lines.iter().map(|it| it.terms.total));
                assert_eq!(total.unwrap(), state.totals.total);
            }
        });
    }

    /// Whoever waits until an order is settled sees what its history tells.
    #[test]
    fn orders_are_settled_by_the_last_event_of_a_decision(
        commands in prop::collection::vec((0..3_u32, prop_oneof![from_client(), from_saga()]), 0..80)
    ) {
        let is_settled = |order: &Order| order.0.as_ref().is_none_or(State::is_settled);
        let before = RefCell::new((Order::default(), 0));
        run::<Order>(commands, |after, events| {
            let (start, count) = before.replace((after.clone(), events.len()));
            let Some((_, passed_through)) = events[count..].split_last() else {
                return;
            };
            if !is_settled(&start) {
                passed_through.iter().fold(start, |order, event| {
                    let order = order.evolve(event);
                    assert!(!is_settled(&order), "{event:?}");
                    order
                });
            }
        });
    }

    #[test]
    fn what_sagas_send_is_never_refused(
        commands in prop::collection::vec((0..3_u32, prop_oneof![from_client(), from_saga()]), 0..60),
        last in from_saga(),
    ) {
        let (order, events) = run::<Order>(commands, |_, _| {});
        let decided = order.decide(&last, &context(events.len() as u64, 0));
        prop_assert!(order.0.is_none() || decided.is_ok());
    }

    /// In whatever order shipments tell, and how often, as long as nobody else takes their lines.
    #[test]
    fn milestones_commute(
        (straight, shuffled) in prop::collection::vec((1..3_u128, milestone()), 0..9)
            .prop_flat_map(|told| {
                let sent = [told.clone(), told.clone()].concat();
                (Just(told), Just(sent).prop_shuffle())
            })
    ) {
        let end = |told: Vec<(u128, Milestone)>| {
            told.into_iter().fold(booked(), |order, (number, milestone)| {
                order.when(moved(number, milestone)).happened()
            })
        };
        let (straight, shuffled) = (end(straight), end(shuffled));
        prop_assert_eq!(straight.state(), shuffled.state());
    }
}
