//! What the plan makes of the public data set: 8,135 orders with all their flaws.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use simulations::replay::data::{self, Status};
use simulations::replay::mapping::{Ending, Step, ending};
use simulations::replay::plan::{Plan, SPARE, STAND_IN};

/// The data's licence keeps it out of this repository.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/olist");
    let folder = env::var_os("QUENTY_OLIST").map_or(beside, PathBuf::from);
    let is_there = folder.join("olist_orders_dataset.csv").is_file();
    if !is_there {
        skip(
            "a test on the Olist data",
            "QUENTY_OLIST names no folder with it",
        );
    }
    is_there.then_some(folder)
}

/// Says that a test did not run, where whoever counts tests will look.
fn skip(what: &str, why: &str) {
    let line = format!("SKIPPED: {what} because {why}");
    let Ok(file) = std::env::var("QUENTY_TEST_SKIPS") else {
        return eprintln!("{line}");
    };
    let file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(file);
    writeln!(file.unwrap(), "{line}").unwrap();
}

fn plan(limit: Option<usize>) -> Option<Plan> {
    Some(Plan::new(data::read(&folder()?).unwrap(), limit))
}

#[test]
fn every_order_is_read_in_the_order_of_purchase() {
    let Some(folder) = folder() else { return };
    let data = data::read(&folder).unwrap();
    assert_eq!(data.orders.len(), 8_135);
    assert_eq!(data.products.len(), 5_460);
    assert!(data.orders.is_sorted_by_key(|order| order.purchased));
    let lines: usize = data.orders.iter().map(|order| order.lines.len()).sum();
    assert_eq!(lines, 8_365);
    assert_eq!(data.faults.of("product without a category"), 111);
}

#[test]
fn the_table_decides_how_orders_end() {
    let Some(plan) = plan(None) else { return };
    let endings: Vec<_> = plan.endings().into_iter().collect();
    assert_eq!(
        endings,
        [
            (Ending::Draft, 5),
            (Ending::Abandoned, 141),
            (Ending::Rejected, 609),
            (Ending::Confirmed, 2),
            (Ending::Picking, 301),
            (Ending::Packed, 315),
            (Ending::Cancelled, 409),
            (Ending::Shipped, 1_114),
            (Ending::Recalled, 69),
            (Ending::Delivered, 5_164),
            (Ending::Returned, 6),
        ]
    );
}

#[test]
fn rows_that_contradict_themselves_are_counted() {
    let Some(plan) = plan(None) else { return };
    for (what, count) in [
        ("delivered without a time of delivery", 8),
        ("shipped or delivered without a time of hand-over", 1),
        ("delivered before it was handed over", 3),
        ("handed over before it was approved", 77),
        ("handed over before it was bought", 3),
        ("prepared or shipped without goods", 3),
        ("order that names no goods, given a stand-in", 775),
    ] {
        assert_eq!(plan.faults.of(what), count, "{what}");
    }
}

#[test]
fn stock_is_received_for_what_needs_it_and_is_left_by_what_does_not_take_it() {
    let Some(plan) = plan(None) else { return };
    let pieces = |wanted: fn(Ending) -> bool| -> i64 {
        let orders = plan.orders.iter().filter(|planned| wanted(planned.ending));
        orders.map(|planned| planned.order.lines.len() as i64).sum()
    };
    let total = |of: fn(&simulations::replay::plan::Goods) -> i64| -> i64 {
        plan.products.values().map(of).sum()
    };
    let spare = SPARE * plan.products.len() as i64;
    assert_eq!(
        total(|goods| goods.received),
        spare + pieces(Ending::needs_stock)
    );
    assert_eq!(total(|goods| goods.reserved), pieces(Ending::reserves));
    let consumed = total(|goods| goods.received) - total(|goods| goods.on_hand);
    assert_eq!(consumed, pieces(Ending::consumes));
    for goods in plan.products.values() {
        assert!(goods.on_hand - goods.reserved >= SPARE);
    }
}

#[test]
fn totals_are_the_sums_of_the_data() {
    let Some(plan) = plan(None) else { return };
    let named = plan
        .orders
        .iter()
        .filter(|planned| planned.order.lines[0].product != STAND_IN);
    let (goods, freight) = named.fold((Decimal::ZERO, Decimal::ZERO), |(goods, freight), one| {
        (goods + one.goods(), freight + one.freight())
    });
    assert_eq!(goods.to_string(), "1093264.35");
    assert_eq!(freight.to_string(), "172288.39");
}

#[test]
fn a_limit_keeps_the_first_orders_and_only_what_they_need() {
    let Some(plan) = plan(Some(200)) else { return };
    assert_eq!(plan.orders.len(), 200);
    assert!(plan.customers.len() <= 200);
    let lines: usize = plan
        .orders
        .iter()
        .map(|planned| planned.order.lines.len())
        .sum();
    assert!(plan.products.len() <= lines);
}

#[test]
fn steps_follow_from_the_ending_and_have_times() {
    let Some(plan) = plan(None) else { return };
    for planned in &plan.orders {
        assert_eq!(ending(&planned.order), planned.ending);
        let steps = planned.ending.steps();
        assert!(matches!(steps[0], Step::Draft | Step::Place));
        assert_eq!(steps[0].at(&planned.order), planned.order.purchased);
        if steps.contains(&Step::Deliver) {
            assert_eq!(
                Some(Step::Deliver.at(&planned.order)),
                planned.order.delivered
            );
        }
        let is_rejected = planned.ending == Ending::Rejected;
        assert_eq!(is_rejected, planned.order.status == Status::Unavailable);
    }
}
