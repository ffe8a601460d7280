//! Tests of the company.

use engine::{Entity, Rejection as _};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{given, run};
use crate::values::TimeZone;

fn details() -> Box<Details> {
    serde_json::from_value(json!({
        "name": "Ada's",
        "currency": "BRL",
        "reference": "ada",
        "settings": {"default_location": "loc_00000000000000000000000001"},
    }))
    .unwrap()
}

fn created() -> Event {
    Event::Created { details: details() }
}

fn create() -> Command {
    Command::Create { details: details() }
}

fn update(patch: serde_json::Value) -> Command {
    Command::Update {
        patch: serde_json::from_value(patch).unwrap(),
    }
}

fn suspend() -> Command {
    Command::Suspend { reason: None }
}

#[test]
fn is_taken_on_once() {
    let company = given::<Company>([]).when(create()).then([created()]);
    assert_eq!(company.state().index().status, "active");
    company.when(create()).refused(Rejection::AlreadyExists);
}

#[test]
fn does_not_exist_before() {
    for command in [update(json!({})), suspend(), Command::Activate] {
        given::<Company>([])
            .when(command)
            .refused(Rejection::NotFound);
    }
}

#[test]
fn its_days_are_those_of_utc_unless_told_otherwise() {
    assert_eq!(details().time_zone, TimeZone::UTC);
}

#[test]
fn its_reference_is_unique_in_the_installation() {
    let claims = given::<Company>([created()]).state().claims();
    assert_eq!(claims[0].key, "reference:ada");
    assert_eq!(claims[0].scope, ClaimScope::Installation);
}

#[test]
fn the_currency_is_fixed() {
    assert_eq!(
        Rejection::CurrencyFixed.pointer().as_deref(),
        Some("/currency")
    );
    given::<Company>([created()])
        .when(update(json!({"currency": "BRL"})))
        .then([])
        .when(update(json!({"currency": "USD"})))
        .refused(Rejection::CurrencyFixed);
}

#[test]
fn an_update_keeps_what_it_leaves_out_and_clears_what_is_null() {
    let company = given::<Company>([created()])
        .when(update(json!({"settings": {}})))
        .then([]);
    let expected = Details {
        name: "Grace's".parse().unwrap(),
        settings: Settings::default(),
        ..*details()
    };
    let patch = json!({"name": "Grace's", "settings": {"default_location": null}});
    company
        .when(update(patch.clone()))
        .then([Event::Updated {
            details: Box::new(expected),
        }])
        .when(update(patch))
        .then([]);
}

#[test]
fn is_suspended_and_activated_again() {
    given::<Company>([created()])
        .when(Command::Activate)
        .then([])
        .when(suspend())
        .then([Event::Suspended { reason: None }])
        .when(suspend())
        .then([])
        .when(Command::Activate)
        .then([Event::Activated {}]);
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(create()),
        "[a-c]".prop_map(|name| update(json!({"name": name, "country": null}))),
        "BRL|USD".prop_map(|currency| update(json!({"currency": currency}))),
        Just(suspend()),
        Just(Command::Activate),
    ]
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..10, any_command()), 0..30)) {
        run::<Company>(commands, |company, events| {
            assert_eq!(company.0.is_some(), !events.is_empty());
        });
    }
}
