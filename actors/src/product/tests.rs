//! Tests of the product.

use engine::{Entity, Rejection as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{given, run};

fn money(amount: &str, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

fn details(price: &str) -> Box<Details> {
    let details = json!({
        "sku": "mug-1",
        "name": "Mug",
        "category": "Kitchen",
        "price": money(price, "BRL"),
        "reference": "mug",
    });
    serde_json::from_value(details).unwrap()
}

fn create(price: &str) -> Command {
    Command::Create {
        details: details(price),
    }
}

fn created() -> Event {
    Event::Created {
        details: details("9.90"),
    }
}

fn update(patch: Value) -> Command {
    Command::Update {
        patch: serde_json::from_value(patch).unwrap(),
    }
}

#[test]
fn is_listed_once_under_its_sku() {
    let product = given::<Product>([]).when(create("9.90")).then([created()]);
    let claims = product.state().claims();
    assert_eq!(
        (claims[0].key.as_str(), claims[0].scope),
        ("sku:MUG-1", ClaimScope::Tenant)
    );
    assert_eq!(claims[1].key, "reference:mug");
    assert_eq!(product.state().index().text, "Mug MUG-1 Kitchen");
    product
        .when(create("9.90"))
        .refused(Rejection::AlreadyExists);
}

#[test]
fn does_not_exist_before() {
    for command in [update(json!({})), Command::Activate, Command::Deactivate] {
        given::<Product>([])
            .when(command)
            .refused(Rejection::NotFound);
    }
}

#[test]
fn prices_and_costs_are_not_negative() {
    given::<Product>([])
        .when(create("-0.01"))
        .refused(Rejection::NegativePrice);
    given::<Product>([created()])
        .when(update(json!({"cost": money("-1", "BRL")})))
        .refused(Rejection::NegativeCost);
}

#[test]
fn price_and_cost_are_in_the_same_currency() {
    let pointer = Rejection::CurrencyMismatch.pointer();
    assert_eq!(pointer.as_deref(), Some("/cost/currency"));
    let product = given::<Product>([created()])
        .when(update(json!({"cost": money("4.00", "BRL")})))
        .happened();
    let both = json!({"price": money("1.00", "USD"), "cost": money("0.50", "USD")});
    product
        .when(update(both))
        .happened()
        .when(update(json!({"price": money("9.90", "BRL")})))
        .refused(Rejection::CurrencyMismatch);
}

#[test]
fn an_update_keeps_what_it_leaves_out_and_clears_what_is_null() {
    let patch = json!({"category": null, "weight_g": 300, "sku": "mug-2"});
    let expected = Details {
        category: None,
        weight_g: crate::values::Weight::new(300).ok(),
        sku: "MUG-2".parse().unwrap(),
        ..*details("9.90")
    };
    let product = given::<Product>([created()])
        .when(update(patch.clone()))
        .then([Event::Updated {
            details: Box::new(expected),
        }]);
    assert_eq!(product.state().claims()[0].key, "sku:MUG-2");
    product.when(update(patch)).then([]);
}

#[test]
fn is_switched_off_and_on() {
    given::<Product>([created()])
        .when(Command::Activate)
        .then([])
        .when(Command::Deactivate)
        .then([Event::Deactivated {}])
        .when(Command::Deactivate)
        .then([])
        .when(Command::Activate)
        .then([Event::Activated {}]);
}

fn any_money() -> impl Strategy<Value = Value> {
    ("-?[0-9]\\.[0-9]{2}", "BRL|USD").prop_map(|(amount, currency)| money(&amount, &currency))
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        "[0-9]\\.[0-9]{2}".prop_map(|price| create(&price)),
        any_money().prop_map(|price| update(json!({"price": price}))),
        prop::option::of(any_money()).prop_map(|cost| update(json!({"cost": cost}))),
        Just(Command::Activate),
        Just(Command::Deactivate),
    ]
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..10, any_command()), 0..30)) {
        run::<Product>(commands, |product, events| {
            assert_eq!(product.0.is_some(), !events.is_empty());
            let Some(State { details, .. }) = &product.0 else { return };
            assert!(!details.price.is_negative());
            if let Some(cost) = details.cost {
                assert!(!cost.is_negative() && cost.currency() == details.price.currency());
            }
        });
    }
}
