//! Tests of the API key.

use chrono::TimeDelta;
use engine::{Entity, Rejection as _};
use proptest::prelude::*;

use super::*;
use crate::testing::{Given, given, run, start};

fn create(scopes: impl IntoIterator<Item = Scope>, seconds: Option<i64>) -> Command {
    Command::Create {
        name: "shop".parse().unwrap(),
        scopes: scopes.into_iter().collect(),
        expires_at: seconds.map(|seconds| start() + TimeDelta::seconds(seconds)),
        prefix: "qk_1".parse().unwrap(),
        key: SecretHash::new("hash").unwrap(),
        reference: Some("key-1".parse().unwrap()),
        metadata: Metadata::default(),
    }
}

fn created(seconds: Option<i64>) -> Given<ApiKey> {
    given([]).when(create([Scope::Read], seconds)).happened()
}

#[test]
fn is_made_once() {
    let key = given::<ApiKey>([])
        .when(create([Scope::Read, Scope::Write], None))
        .then([Event::Created {
            name: "shop".parse().unwrap(),
            scopes: [Scope::Read, Scope::Write].into(),
            expires_at: None,
            prefix: "qk_1".parse().unwrap(),
            secret: Some(SecretHash::new("hash").unwrap()),
            reference: Some("key-1".parse().unwrap()),
            metadata: Metadata::default(),
        }]);
    assert_eq!(key.state().index().status, "active");
    assert_eq!(key.state().claims()[0].key, "reference:key-1");
    key.when(create([Scope::Read], None))
        .refused(Rejection::AlreadyExists);
    given::<ApiKey>([])
        .when(Command::Revoke)
        .refused(Rejection::NotFound);
}

#[test]
fn may_do_something_and_ends_in_the_future() {
    given::<ApiKey>([])
        .when(create([], None))
        .refused(Rejection::NoScope);
    given::<ApiKey>([])
        .when(create([Scope::Read], Some(0)))
        .refused(Rejection::EndInThePast);
    assert_eq!(Rejection::NoScope.pointer().as_deref(), Some("/scopes"));
}

#[test]
fn whoever_may_write_may_read() {
    let may = |scopes: &[Scope]| {
        let key = given::<ApiKey>([])
            .when(create(scopes.iter().copied(), None))
            .happened();
        let state = key.state().0.as_ref().unwrap();
        (state.allows(Scope::Read), state.allows(Scope::Write))
    };
    assert_eq!(may(&[Scope::Read]), (true, false));
    assert_eq!(may(&[Scope::Write]), (true, true));
}

#[test]
fn is_revoked_once() {
    created(None)
        .when(Command::Revoke)
        .then([Event::Revoked {}])
        .when(Command::Revoke)
        .then([]);
}

#[test]
fn ends_in_time_even_if_its_timer_is_late() {
    let key = created(Some(60));
    let end = start() + TimeDelta::seconds(60);
    let state = key.state().0.as_ref().unwrap();
    assert!(state.holds(end - TimeDelta::milliseconds(1)) && !state.holds(end));
    assert_eq!(key.state().timers()[0].at, end);
    let key = key
        .when(Command::Expire)
        .then([])
        .after_seconds(60)
        .when(Command::Expire)
        .then([Event::Expired {}]);
    assert!(key.state().timers().is_empty());
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        prop::option::of(0..40_i64).prop_map(|seconds| create([Scope::Write], seconds)),
        Just(Command::Expire),
        Just(Command::Expire),
        Just(Command::Revoke),
    ]
}

proptest! {
    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..9, any_command()), 0..20)) {
        run::<ApiKey>(commands, |key, events| {
            assert_eq!(key.0.is_some(), !events.is_empty());
            assert!(events.len() <= 2, "it is made and it ends");
            let is_over = key.0.as_ref().is_some_and(|state| state.status != Status::Active);
            assert_eq!(is_over, events.len() == 2);
        });
    }
}
