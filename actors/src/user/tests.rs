//! Users: given what happened, when something is asked, then something happens or is refused.

use super::*;
use crate::testing::{given, start};

fn profile() -> Profile {
    Profile {
        email: "ada@example.com".parse().unwrap(),
        name: "Ada".parse().unwrap(),
    }
}

fn hash(text: &str) -> SecretHash {
    SecretHash::new(text).unwrap()
}

fn registered() -> Event {
    Event::Registered {
        role: Role::Admin,
        reference: None,
        metadata: Metadata::default(),
        secret: hash("first"),
        personal: Some(profile()),
    }
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

#[test]
fn superusers_belong_to_no_company() {
    given::<User>([])
        .when(register(Role::Admin))
        .then([registered()]);
    given::<User>([])
        .when(register(Role::Superuser))
        .refused(Rejection::RoleOutOfPlace);
    let patch = Patch {
        role: Some(Role::Superuser),
        ..Patch::default()
    };
    given::<User>([registered()])
        .when(Command::Update { patch })
        .refused(Rejection::RoleOutOfPlace);
}

#[test]
fn a_new_password_and_a_deactivation_end_the_sessions() {
    let user = given::<User>([registered()])
        .when(Command::ChangePassword {
            password: hash("second"),
        })
        .happened()
        .when(Command::Deactivate)
        .happened();
    let state = user.state().0.as_ref().unwrap();
    assert_eq!((state.generation, &state.password), (2, &hash("second")));
    assert_eq!(state.status, Status::Deactivated);
}

#[test]
fn the_fifth_failure_in_a_row_locks_and_each_further_one_for_longer() {
    let mut user = given::<User>([registered()]);
    for _ in 0..4 {
        user = user.when(Command::RecordFailure).happened();
        assert!(!user.state().0.as_ref().unwrap().is_locked(start()));
    }
    user = user.when(Command::RecordFailure).happened();
    let until = user.state().0.as_ref().unwrap().locked_until;
    assert_eq!(until, Some(start() + TimeDelta::minutes(1)));
    user.when(Command::RecordFailure)
        .then([])
        .after_seconds(61)
        .when(Command::RecordFailure)
        .then([Event::SignInFailed {
            failures: 6,
            locked_until: Some(start() + TimeDelta::seconds(61 + 120)),
        }])
        .when(Command::RecordSuccess)
        .then([Event::FailuresForgiven {}])
        .when(Command::RecordSuccess)
        .then([]);
}

#[test]
fn a_change_of_nothing_is_no_event() {
    given::<User>([registered()])
        .when(Command::Update {
            patch: Patch::default(),
        })
        .then([]);
}
