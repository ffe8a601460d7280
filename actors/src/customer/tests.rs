//! Customers: given what happened, when something is asked, then something happens or is refused.

use serde_json::{Value, json};

use super::*;
use crate::testing::{Given, given};

fn create(more: Value) -> Command {
    let mut details = json!({ "type": "individual", "name": "Ana" });
    let more = more.as_object().unwrap().clone();
    details.as_object_mut().unwrap().extend(more);
    Command::Create {
        details: serde_json::from_value(details).unwrap(),
    }
}

fn created(more: Value) -> Given<Customer> {
    given::<Customer>([]).when(create(more)).happened()
}

fn update(patch: Value) -> Command {
    Command::Update {
        patch: serde_json::from_value(patch).unwrap(),
    }
}

fn address(city: &str, is_default: bool) -> Value {
    json!({
        "is_default_shipping": is_default,
        "address": { "lines": ["Rua 1"], "city": city, "country": "BR" },
    })
}

#[test]
fn the_first_address_is_the_default_unless_another_is_marked() {
    let plain = created(json!({ "addresses": [address("A", false), address("B", false)] }));
    let city = |customer: &Given<Customer>| {
        let state = customer.state().0.as_ref().unwrap();
        state.shipping_address().unwrap().city.to_string()
    };
    assert_eq!(city(&plain), "A");
    let marked = created(json!({ "addresses": [address("A", false), address("B", true)] }));
    assert_eq!(city(&marked), "B");
}

#[test]
fn two_defaults_and_a_negative_limit_are_refused() {
    let two = json!({ "addresses": [address("A", true), address("B", true)] });
    given::<Customer>([])
        .when(create(two))
        .refused(Rejection::TwoDefaults);
    let limit = json!({ "credit_limit": { "amount": "-1.00", "currency": "BRL" } });
    created(json!({}))
        .when(update(limit))
        .refused(Rejection::NegativeCreditLimit);
}

#[test]
fn a_change_of_nothing_is_no_event() {
    created(json!({}))
        .when(update(json!({ "name": "Ana" })))
        .then([]);
}

#[test]
fn an_erased_customer_is_not_changed() {
    let account = match created(json!({})).state().0.clone() {
        Some(state) => state.account,
        None => unreachable!(),
    };
    let erased = Event::Created {
        account,
        personal: None,
    };
    given::<Customer>([erased])
        .when(update(json!({ "name": "Eva" })))
        .refused(Rejection::Erased);
}

#[test]
fn a_customer_is_blocked_and_unblocked() {
    created(json!({}))
        .when(Command::Block { reason: None })
        .then([Event::Blocked { reason: None }])
        .when(Command::Block { reason: None })
        .then([])
        .when(Command::Unblock)
        .then([Event::Unblocked {}]);
}
