//! Tests of the session.

use std::cell::RefCell;

use chrono::TimeDelta;
use engine::Entity;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::testing::{Given, given, run, start};

fn hash(text: &str) -> SecretHash {
    SecretHash::new(text).unwrap()
}

fn open() -> Command {
    Command::Open {
        user: UserId::from(Uuid::from_u128(1)),
        generation: 0,
        token: hash("t1"),
        expires_at: start() + TimeDelta::hours(3),
        idle_expires_at: start() + TimeDelta::hours(1),
    }
}

fn opened() -> Given<Session> {
    given([]).when(open()).happened()
}

fn refresh(presented: &str, next: &str) -> Command {
    Command::Refresh {
        presented: hash(presented),
        next: hash(next),
        idle_expires_at: start() + TimeDelta::hours(2),
    }
}

fn revoke() -> Command {
    Command::Revoke {
        reason: RevokeReason::SignedOut,
    }
}

fn revoked(reason: RevokeReason) -> Event {
    Event::Revoked { reason }
}

fn is_good(session: &Given<Session>, token: &str) -> bool {
    session.state().0.as_ref().unwrap().is_good(&hash(token))
}

#[test]
fn is_opened_once_and_belongs_to_its_user() {
    let session = opened();
    assert_eq!(session.state().index().parent, Some(Uuid::from_u128(1)));
    session.when(open()).refused(Rejection::AlreadyExists);
}

#[test]
fn does_not_exist_before() {
    given::<Session>([])
        .when(refresh("t1", "t2"))
        .refused(Rejection::InvalidRefreshToken);
    given::<Session>([])
        .when(revoke())
        .refused(Rejection::NotFound);
}

#[test]
fn each_refresh_replaces_the_token() {
    let session = opened()
        .when(refresh("t1", "t2"))
        .then([Event::Refreshed {
            secret: Some(hash("t2")),
            at: start(),
            idle_expires_at: start() + TimeDelta::hours(2),
        }])
        .when(refresh("t2", "t3"))
        .happened();
    assert!(is_good(&session, "t3") && !is_good(&session, "t2"));
}

#[test]
fn a_replaced_token_ends_the_session_at_once() {
    opened()
        .when(refresh("t1", "t2"))
        .happened()
        .when(refresh("t1", "tx"))
        .then([revoked(RevokeReason::Reuse)])
        .when(refresh("t2", "t3"))
        .refused(Rejection::SessionRevoked);
}

#[test]
fn a_token_that_was_replaced_long_ago_ends_the_session() {
    opened()
        .when(refresh("t1", "t2"))
        .happened()
        .when(refresh("t2", "t3"))
        .happened()
        .when(refresh("t1", "tx"))
        .then([revoked(RevokeReason::Reuse)]);
}

/// There was a time in which the token before the last one was still answered.
#[test]
fn an_answer_to_a_token_used_twice_is_still_read() {
    let event = json!({
        "type": "refreshed", "secret": "t3", "at": start(), "is_retry": true,
        "idle_expires_at": start() + TimeDelta::hours(1),
    });
    let session = opened().when(refresh("t1", "t2")).happened();
    let state = session
        .state()
        .clone()
        .evolve(&serde_json::from_value(event).unwrap());
    let state = state.0.unwrap();
    assert!(state.is_good(&hash("t3")));
    assert_eq!(Vec::from_iter(state.spent), [hash("t1"), hash("t2")]);
}

#[test]
fn a_token_that_never_was_ends_nothing() {
    let session = opened();
    assert!(is_good(&session, "t1"));
    session
        .when(refresh("guess", "t2"))
        .refused(Rejection::InvalidRefreshToken);
}

#[test]
fn is_revoked_once() {
    opened()
        .when(revoke())
        .then([revoked(RevokeReason::SignedOut)])
        .when(revoke())
        .then([])
        .when(refresh("t1", "t2"))
        .refused(Rejection::SessionRevoked);
}

#[test]
fn it_ends_when_its_time_is_up() {
    let session = opened();
    let timers = session.state().timers();
    assert_eq!(timers[0].at, start() + TimeDelta::hours(1));
    let session = session
        .when(Command::Expire)
        .then([])
        .after_seconds(3_600)
        .when(Command::Expire)
        .then([Event::Expired {}]);
    assert!(session.state().timers().is_empty());
    session
        .when(refresh("t1", "t2"))
        .refused(Rejection::SessionExpired);
}

#[test]
fn it_lets_nobody_in_when_its_timer_is_late() {
    let session = opened().after_seconds(3_600);
    let state = session.state().0.as_ref().unwrap();
    assert!(!state.holds(start() + TimeDelta::hours(1)));
    session
        .when(refresh("t1", "t2"))
        .refused(Rejection::SessionExpired);
}

#[test]
fn no_refresh_goes_beyond_the_absolute_end() {
    let mut command = refresh("t1", "t2");
    if let Command::Refresh {
        idle_expires_at, ..
    } = &mut command
    {
        *idle_expires_at = start() + TimeDelta::days(9);
    }
    let session = opened().when(command).happened();
    assert_eq!(
        session.state().timers()[0].at,
        start() + TimeDelta::hours(3)
    );
}

/// A client that keeps to the rules: it presents the token that it was given last, once.
fn any_honest_history() -> impl Strategy<Value = Vec<(u32, Command)>> {
    prop::collection::vec(0..60_u32, 0..60).prop_map(|pauses| {
        let token = |number: usize| format!("t{number}");
        let steps = (1..).zip(pauses);
        let steps = steps.map(|(held, pause)| (pause, refresh(&token(held), &token(held + 1))));
        [(0, open())].into_iter().chain(steps).collect()
    })
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => Just(open()),
        20 => (1..5_u32, 1..9_u32)
            .prop_map(|(presented, next)| refresh(&format!("t{presented}"), &format!("t{next}"))),
        1 => Just(revoke()),
        1 => Just(Command::Expire),
    ]
}

proptest! {
    #[test]
    fn an_honest_client_keeps_its_session(history in any_honest_history()) {
        let (session, events) = run::<Session>(history.clone(), |_, _| {});
        prop_assert_eq!(events.len(), history.len());
        prop_assert_eq!(session.0.unwrap().status, Status::Active);
    }

    #[test]
    fn a_stolen_token_ends_the_session_when_the_second_of_two_comes(
        history in any_honest_history(),
        pause in 0..60_u32,
    ) {
        let (session, events) = run::<Session>(history.clone(), |_, _| {});
        let held = session.0.unwrap().token.unwrap();
        let first = refresh(held.expose(), "first");
        let second = refresh(held.expose(), "second");
        let more = refresh("first", "more");
        let history = history.into_iter().chain([(1, first), (pause, second), (0, more)]);
        let (session, after) = run::<Session>(history, |_, _| {});
        prop_assert_eq!(session.0.unwrap().status, Status::Revoked);
        prop_assert_eq!(after.len(), events.len() + 2, "nothing comes after the reuse");
    }

    #[test]
    fn any_commands_replay(commands in prop::collection::vec((0u32..20, any_command()), 0..150)) {
        let ended = RefCell::new(None);
        run::<Session>(commands, |session, events| {
            assert_eq!(session.0.is_some(), !events.is_empty());
            let Some(state) = &session.0 else { return };
            assert!(state.spent.len() <= 64);
            let is_active = state.status == Status::Active;
            assert_eq!(session.timers().len(), usize::from(is_active));
            if let Some(end) = *ended.borrow() {
                assert_eq!(events.len(), end, "nothing happens after the end");
            } else if !is_active {
                ended.replace(Some(events.len()));
            }
        });
    }
}
