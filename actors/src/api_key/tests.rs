//! API keys: given what happened, when something is asked, then something happens or is refused.

use chrono::TimeDelta;

use super::*;
use crate::testing::{given, start};

fn create(scopes: impl IntoIterator<Item = Scope>, seconds: Option<i64>) -> Command {
    Command::Create {
        name: "shop".parse().unwrap(),
        scopes: scopes.into_iter().collect(),
        expires_at: seconds.map(|seconds| start() + TimeDelta::seconds(seconds)),
        prefix: "qk_1".parse().unwrap(),
        key: SecretHash::new("hash").unwrap(),
    }
}

#[test]
fn a_key_may_do_something_and_ends_in_the_future() {
    given::<ApiKey>([])
        .when(create([], None))
        .refused(Rejection::NoScope);
    given::<ApiKey>([])
        .when(create([Scope::Read], Some(0)))
        .refused(Rejection::EndInThePast);
}

#[test]
fn a_key_is_revoked_once() {
    given::<ApiKey>([])
        .when(create([Scope::Write], None))
        .happened()
        .when(Command::Revoke)
        .then([Event::Revoked {}])
        .when(Command::Revoke)
        .then([]);
}

#[test]
fn a_key_ends_in_time_even_if_its_timer_is_late() {
    let key = given::<ApiKey>([])
        .when(create([Scope::Read], Some(60)))
        .happened();
    let state = key.state().0.clone().unwrap();
    assert!(state.holds(start() + TimeDelta::seconds(59)));
    assert!(!state.holds(start() + TimeDelta::seconds(60)));
    key.when(Command::Expire)
        .then([])
        .after_seconds(60)
        .when(Command::Expire)
        .then([Event::Expired {}]);
}
