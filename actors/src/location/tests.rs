//! Tests of the location.

use engine::Entity;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{given, run};

fn details(name: &str) -> Details {
    serde_json::from_value(json!({
        "name": name,
        "address": {"lines": ["Rua A 1"], "city": "Recife", "country": "BR"},
        "reference": format!("ref-{name}"),
    }))
    .unwrap()
}

fn created() -> Event {
    Event::Created {
        details: details("North"),
    }
}

#[test]
fn is_created_once() {
    let create = Command::Create {
        details: details("North"),
    };
    let location = given::<Location>([]).when(create.clone()).then([created()]);
    assert_eq!(location.state().index().status, "active");
    location.when(create).refused(Rejection::AlreadyExists);
}

#[test]
fn does_not_exist_before() {
    for command in [
        Command::Activate,
        Command::Deactivate,
        Command::Update {
            patch: Patch::default(),
        },
    ] {
        given::<Location>([])
            .when(command)
            .refused(Rejection::NotFound);
    }
}

#[test]
fn an_update_keeps_what_it_leaves_out_and_clears_what_is_null() {
    let patch: Patch = serde_json::from_value(json!({"name": "South", "reference": null})).unwrap();
    let expected = Details {
        reference: None,
        ..details("South")
    };
    let south = given::<Location>([created()])
        .when(Command::Update {
            patch: patch.clone(),
        })
        .then([Event::Updated { details: expected }]);
    assert!(south.state().claims().is_empty());
    south.when(Command::Update { patch }).then([]);
}

#[test]
fn is_switched_off_and_on() {
    given::<Location>([created()])
        .when(Command::Activate)
        .then([])
        .when(Command::Deactivate)
        .then([Event::Deactivated])
        .when(Command::Deactivate)
        .then([])
        .when(Command::Activate)
        .then([Event::Activated]);
}

#[test]
fn claims_its_reference() {
    let claims = given::<Location>([created()]).state().claims();
    assert_eq!(claims[0].key, "reference:ref-North");
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..10, any_command()), 0..30)) {
        run::<Location>(commands, |location, events| {
            assert_eq!(location.0.is_some(), !events.is_empty());
        });
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        "[a-c]".prop_map(|name| Command::Create {
            details: details(&name)
        }),
        "[a-c]".prop_map(|name| Command::Update {
            patch: Patch {
                name: Some(Name::new(&name).unwrap()),
                ..Patch::default()
            }
        }),
        Just(Command::Activate),
        Just(Command::Deactivate),
    ]
}
