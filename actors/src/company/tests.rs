//! Companies: given what happened, when something is asked, then something happens or is refused.

use super::*;
use crate::testing::given;
use crate::values::Currency;

fn details() -> Details {
    serde_json::from_value(serde_json::json!({ "name": "Ada's", "currency": "BRL" })).unwrap()
}

fn created() -> Event {
    Event::Created {
        details: Box::new(details()),
    }
}

fn update(patch: Patch) -> Command {
    Command::Update {
        patch: Box::new(patch),
    }
}

#[test]
fn a_company_is_taken_on_once() {
    let create = Command::Create {
        details: Box::new(details()),
    };
    given::<Company>([]).when(create.clone()).then([created()]);
    given::<Company>([created()])
        .when(create)
        .refused(Rejection::AlreadyExists);
    given::<Company>([])
        .when(Command::Activate)
        .refused(Rejection::NotFound);
}

#[test]
fn a_change_of_nothing_is_no_event() {
    given::<Company>([created()])
        .when(update(Patch::default()))
        .then([]);
    let patch = Patch {
        currency: Some(details().currency),
        ..Patch::default()
    };
    given::<Company>([created()]).when(update(patch)).then([]);
}

#[test]
fn the_currency_is_fixed() {
    let patch = Patch {
        currency: Some("USD".parse::<Currency>().unwrap()),
        ..Patch::default()
    };
    given::<Company>([created()])
        .when(update(patch))
        .refused(Rejection::CurrencyFixed);
}

#[test]
fn a_company_is_suspended_and_activated_again() {
    let suspend = Command::Suspend { reason: None };
    given::<Company>([created()])
        .when(suspend.clone())
        .then([Event::Suspended { reason: None }])
        .when(suspend)
        .then([])
        .when(Command::Activate)
        .then([Event::Activated {}])
        .when(Command::Activate)
        .then([]);
}
