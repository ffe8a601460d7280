//! Tests of the user.

use chrono::TimeDelta;
use engine::{ClaimScope, Context, Entity};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::testing::{Given, context, given, run, start};
use crate::values::{Metadata, SecretHash};

fn profile() -> Profile {
    Profile {
        email: "Ada@Example.com".parse().unwrap(),
        name: "Ada".parse().unwrap(),
    }
}

fn hash(text: &str) -> SecretHash {
    SecretHash::new(text).unwrap()
}

fn registered() -> Event {
    Event::Registered(Box::new(Registered {
        role: Role::Admin,
        reference: None,
        metadata: Metadata::default(),
        secret: Some(hash("first")),
        personal: Some(profile()),
    }))
}

fn ada() -> Given<User> {
    given([registered()])
}

fn register(role: Role) -> Command {
    Command::Register {
        profile: profile(),
        role,
        password: hash("first"),
        reference: None,
        metadata: Metadata::default(),
    }
}

fn update(patch: serde_json::Value) -> Command {
    Command::Update {
        patch: serde_json::from_value(patch).unwrap(),
    }
}

fn password(text: &str) -> Command {
    Command::ChangePassword {
        password: hash(text),
    }
}

fn state(user: &Given<User>) -> &State {
    user.state().0.as_ref().unwrap()
}

#[test]
fn is_taken_on_once() {
    given::<User>([])
        .when(register(Role::Admin))
        .then([registered()])
        .when(register(Role::Admin))
        .refused(Rejection::AlreadyExists);
    given::<User>([])
        .when(Command::RecordFailure)
        .refused(Rejection::NotFound);
}

#[test]
fn superusers_belong_to_no_company_and_others_to_one() {
    let nowhere = Context {
        tenant: Uuid::nil(),
        ..context(0, 0)
    };
    for role in [Role::Superuser, Role::Admin, Role::Viewer] {
        let is_superuser = role == Role::Superuser;
        let inside = User::default().decide(&register(role), &context(0, 0));
        let outside = User::default().decide(&register(role), &nowhere);
        assert_eq!(
            (inside.is_err(), outside.is_ok()),
            (is_superuser, is_superuser)
        );
    }
    ada()
        .when(update(json!({"role": "superuser"})))
        .refused(Rejection::RoleOutOfPlace);
}

#[test]
fn the_address_is_unique_in_the_installation_without_case() {
    let claims = ada().state().claims();
    assert_eq!(claims[0].key, "email:ada@example.com");
    assert_eq!(claims[0].key, email_key(&profile().email));
    assert_eq!(claims[0].scope, ClaimScope::Installation);
}

#[test]
fn an_update_keeps_what_it_leaves_out() {
    let patch = json!({"role": "viewer", "reference": "ada"});
    let user = ada().when(update(patch.clone())).happened();
    assert_eq!(state(&user).profile, Some(profile()));
    assert_eq!(state(&user).role, Role::Viewer);
    assert_eq!(user.state().index().reference.as_deref(), Some("ada"));
    user.when(update(patch))
        .then([])
        .when(update(json!({"reference": null, "name": "Grace"})))
        .happened()
        .when(update(json!({"reference": null})))
        .then([]);
}

#[test]
fn whoever_was_erased_holds_no_address_and_is_not_changed() {
    let Event::Registered(mut erased) = registered() else {
        unreachable!()
    };
    erased.personal = None;
    let user = given::<User>([Event::Registered(erased)]);
    assert!(user.state().claims().is_empty());
    assert_eq!(user.state().index().text, "");
    user.when(update(json!({"name": "Eve"})))
        .refused(Rejection::Erased);
}

#[test]
fn a_new_password_and_a_deactivation_end_the_sessions() {
    let user = ada()
        .when(password("first"))
        .then([])
        .when(password("second"))
        .then([Event::PasswordChanged {
            secret: Some(hash("second")),
        }]);
    assert!(!state(&user).admits(0) && state(&user).admits(1));
    let user = user.when(Command::Deactivate).happened();
    assert!(!state(&user).admits(1) && !state(&user).admits(2));
    let user = user.when(Command::Activate).happened();
    assert!(!state(&user).admits(1) && state(&user).admits(2));
}

#[test]
fn nobody_is_let_in_while_deactivated() {
    ada()
        .when(Command::Deactivate)
        .then([Event::Deactivated {}])
        .when(Command::RecordFailure)
        .then([])
        .when(Command::RecordSuccess)
        .refused(Rejection::UserDeactivated);
}

fn locked() -> Given<User> {
    let user = (0..4).fold(ada(), |user, _| {
        let user = user.when(Command::RecordFailure).happened();
        assert!(!state(&user).is_locked(start()));
        user
    });
    user.when(Command::RecordFailure)
        .then([Event::SignInFailed {
            failures: 5,
            locked_until: Some(start() + TimeDelta::minutes(1)),
        }])
}

#[test]
fn the_fifth_failure_in_a_row_locks_and_each_further_one_for_longer() {
    locked()
        .when(Command::RecordFailure)
        .then([])
        .after_seconds(60)
        .when(Command::RecordFailure)
        .then([Event::SignInFailed {
            failures: 6,
            locked_until: Some(start() + TimeDelta::minutes(3)),
        }]);
}

#[test]
fn the_right_password_does_not_open_a_lock_but_starts_over_after_it() {
    locked()
        .when(Command::RecordSuccess)
        .refused(Rejection::AccountLocked);
    let user = locked()
        .after_seconds(60)
        .when(Command::RecordSuccess)
        .then([Event::FailuresForgiven {}])
        .when(Command::RecordSuccess)
        .then([])
        .when(Command::RecordFailure)
        .happened();
    assert_eq!(state(&user).failures, 1);
}

#[test]
fn a_new_password_lifts_the_lock() {
    let user = locked().when(password("second")).happened();
    user.when(Command::RecordSuccess).then([]);
}

#[test]
fn whoever_guesses_all_day_causes_few_events() {
    let guesses = (0..86_400).map(|_| (1, Command::RecordFailure));
    let (_, events) = run::<User>(
        [(0, register(Role::Admin))].into_iter().chain(guesses),
        |_, _| {},
    );
    assert_eq!(events.len(), 1 + 4 + 11);
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => Just(register(Role::Admin)),
        1 => Just(update(json!({"role": "viewer", "reference": "ada"}))),
        1 => Just(update(json!({"name": "Grace", "reference": null}))),
        1 => "first|second".prop_map(|text| password(&text)),
        9 => Just(Command::RecordFailure),
        1 => Just(Command::RecordSuccess),
        1 => Just(Command::Activate),
        1 => Just(Command::Deactivate),
    ]
}

/// What the events say, counted afresh.
fn check(user: &User, events: &[Event]) {
    let Some(state) = &user.0 else {
        return assert!(events.is_empty());
    };
    let is_end =
        |event: &&Event| matches!(event, Event::PasswordChanged { .. } | Event::Deactivated {});
    assert_eq!(
        state.generation as usize,
        events.iter().filter(is_end).count()
    );
    let is_amnesty = |event: &&Event| {
        matches!(
            event,
            Event::PasswordChanged { .. } | Event::FailuresForgiven {}
        )
    };
    let since = events.iter().rev().take_while(|event| !is_amnesty(event));
    let failures = since.filter(|event| matches!(event, Event::SignInFailed { .. }));
    assert_eq!(state.failures as usize, failures.count());
    assert_eq!(state.locked_until.is_some(), state.failures > 4);
    assert_eq!(
        user.claims().len(),
        1 + usize::from(state.reference.is_some())
    );
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..90, any_command()), 0..60)) {
        run::<User>(commands, check);
    }
}
