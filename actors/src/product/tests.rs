//! Products: given what happened, when something is asked, then something happens or is refused.

use serde_json::json;

use super::*;
use crate::testing::given;

fn details(price: &str) -> Box<Details> {
    let details = json!({
        "sku": "mug-1",
        "name": "Mug",
        "price": { "amount": price, "currency": "BRL" },
    });
    serde_json::from_value(details).unwrap()
}

fn created() -> Event {
    Event::Created {
        details: details("9.90"),
    }
}

fn update(patch: serde_json::Value) -> Command {
    Command::Update {
        patch: serde_json::from_value(patch).unwrap(),
    }
}

#[test]
fn a_product_is_listed_once_under_its_sku() {
    let create = Command::Create {
        details: details("9.90"),
    };
    let product = given::<Product>([]).when(create.clone()).then([created()]);
    assert_eq!(product.state().claims()[0].key, "sku:MUG-1");
    product.when(create).refused(Rejection::AlreadyExists);
}

#[test]
fn prices_and_costs_are_not_negative() {
    let create = Command::Create {
        details: details("-0.01"),
    };
    given::<Product>([])
        .when(create)
        .refused(Rejection::NegativePrice);
    let cost = json!({ "cost": { "amount": "-1", "currency": "BRL" } });
    given::<Product>([created()])
        .when(update(cost))
        .refused(Rejection::NegativeCost);
}

#[test]
fn a_patch_changes_what_it_names_and_null_clears() {
    let product = given::<Product>([created()])
        .when(update(json!({ "category": "Kitchen", "weight_g": 300 })))
        .happened()
        .when(update(json!({ "category": null })))
        .happened();
    let details = &product.state().0.as_ref().unwrap().details;
    assert_eq!(details.category, None);
    assert_eq!(details.weight_g.map(Weight::get), Some(300));
    product.when(update(json!({ "weight_g": 300 }))).then([]);
}

#[test]
fn a_product_is_deactivated_and_activated_again() {
    given::<Product>([created()])
        .when(Command::Deactivate)
        .then([Event::Deactivated {}])
        .when(Command::Deactivate)
        .then([])
        .when(Command::Activate)
        .then([Event::Activated {}]);
}
