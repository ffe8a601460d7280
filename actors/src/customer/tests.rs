//! Tests of the customer.

use engine::{Entity, Rejection as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Given, given, run};

fn create(more: Value) -> Command {
    let mut details = json!({"type": "individual", "name": "Ana", "reference": "ana"});
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

fn block() -> Command {
    Command::Block { reason: None }
}

fn address(city: &str, mark: Option<&str>) -> Value {
    let mut entry = json!({"address": {"lines": ["Rua 1"], "city": city, "country": "BR"}});
    if let Some(mark) = mark {
        entry[mark] = true.into();
    }
    entry
}

fn state(customer: &Given<Customer>) -> &State {
    customer.state().0.as_ref().unwrap()
}

#[test]
fn is_taken_on_once() {
    let customer = created(json!({}));
    let index = customer.state().index();
    assert_eq!((index.status, index.text.as_str()), ("active", "Ana "));
    assert_eq!(customer.state().claims()[0].key, "reference:ana");
    customer
        .when(create(json!({})))
        .refused(Rejection::AlreadyExists);
}

#[test]
fn does_not_exist_before() {
    for command in [update(json!({})), block(), Command::Unblock] {
        given::<Customer>([])
            .when(command)
            .refused(Rejection::NotFound);
    }
}

#[test]
fn the_first_address_is_the_default_unless_another_is_marked() {
    let cities = |addresses: Value| {
        let customer = created(json!({"addresses": addresses}));
        let city = |address: Option<&crate::values::Address>| address.unwrap().city.to_string();
        let state = state(&customer);
        [
            city(state.shipping_address()),
            city(state.billing_address()),
        ]
    };
    assert_eq!(
        cities(json!([address("A", None), address("B", None)])),
        ["A", "A"]
    );
    let shipping = Some("is_default_shipping");
    let billing = Some("is_default_billing");
    assert_eq!(
        cities(json!([address("A", None), address("B", shipping)])),
        ["B", "A"]
    );
    assert_eq!(
        cities(json!([address("A", shipping), address("B", billing)])),
        ["A", "B"]
    );
    assert_eq!(state(&created(json!({}))).shipping_address(), None);
}

#[test]
fn two_defaults_are_refused_at_the_second_one() {
    for (mark, rejection) in [
        (
            "is_default_shipping",
            Rejection::TwoDefaultShipping { entry: 2 },
        ),
        (
            "is_default_billing",
            Rejection::TwoDefaultBilling { entry: 2 },
        ),
    ] {
        let marked = |city| address(city, Some(mark));
        let two = json!({"addresses": [marked("A"), address("B", None), marked("C")]});
        let pointer = format!("/addresses/2/{mark}");
        assert_eq!(rejection.pointer(), Some(pointer));
        given::<Customer>([])
            .when(create(two.clone()))
            .refused(rejection.clone());
        created(json!({})).when(update(two)).refused(rejection);
    }
}

#[test]
fn a_credit_limit_is_not_negative() {
    let limit = |amount| json!({"credit_limit": {"amount": amount, "currency": "BRL"}});
    created(limit("0"))
        .when(update(limit("-0.01")))
        .refused(Rejection::NegativeCreditLimit);
}

#[test]
fn an_update_keeps_what_it_leaves_out_and_clears_what_is_null() {
    let customer = created(json!({"email": "Ana@example.com", "notes": "rings twice"}));
    let before = state(&customer).details().unwrap();
    let patch = json!({"name": "Eva", "notes": null, "type": "business"});
    let customer = customer.when(update(patch.clone())).happened();
    let expected = Details {
        kind: Kind::Business,
        name: "Eva".parse().unwrap(),
        notes: None,
        ..before
    };
    assert_eq!(state(&customer).details(), Some(expected));
    customer.when(update(patch)).then([]);
}

#[test]
fn an_erased_customer_keeps_the_account_and_is_not_changed() {
    let account = state(&created(json!({}))).account.clone();
    let erased = Event::Created {
        account,
        personal: None,
    };
    let customer = given::<Customer>([erased]);
    assert_eq!(customer.state().claims()[0].key, "reference:ana");
    assert_eq!(customer.state().index().text, "");
    assert_eq!(state(&customer).shipping_address(), None);
    customer
        .when(update(json!({"name": "Eva"})))
        .refused(Rejection::Erased);
}

#[test]
fn is_blocked_and_unblocked() {
    created(json!({}))
        .when(Command::Unblock)
        .then([])
        .when(block())
        .then([Event::Blocked { reason: None }])
        .when(block())
        .then([])
        .when(Command::Unblock)
        .then([Event::Unblocked {}]);
}

fn any_addresses() -> impl Strategy<Value = Value> {
    let marks = vec![
        None,
        Some("is_default_shipping"),
        Some("is_default_billing"),
    ];
    let entry = prop::sample::select(marks).prop_map(|mark| address("A", mark));
    prop::collection::vec(entry, 0..4).prop_map(Value::from)
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        any_addresses().prop_map(|addresses| create(json!({"addresses": addresses}))),
        any_addresses().prop_map(|addresses| update(json!({"addresses": addresses}))),
        "[a-c]".prop_map(|name| update(json!({"name": name, "phone": null}))),
        "-?[0-9]\\.00".prop_map(|amount| {
            update(json!({"credit_limit": {"amount": amount, "currency": "BRL"}}))
        }),
        Just(block()),
        Just(Command::Unblock),
    ]
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..10, any_command()), 0..30)) {
        run::<Customer>(commands, |customer, events| {
            assert_eq!(customer.0.is_some(), !events.is_empty());
            let Some(details) = customer.0.as_ref().and_then(State::details) else {
                return;
            };
            let marked = |is_marked: fn(&&AddressEntry) -> bool| {
                details.addresses.iter().filter(is_marked).count()
            };
            assert!(marked(|entry| entry.is_default_shipping) <= 1);
            assert!(marked(|entry| entry.is_default_billing) <= 1);
        });
    }
}
