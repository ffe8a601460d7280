//! Tests of the session.

use std::cell::RefCell;

use chrono::TimeDelta;
use engine::Entity;
use proptest::prelude::*;
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
            is_retry: false,
            idle_expires_at: start() + TimeDelta::hours(2),
        }])
        .when(refresh("t2", "t3"))
        .happened();
    assert!(is_good(&session, "t3") && !is_good(&session, "t2"));
}

#[test]
fn a_replaced_token_ends_the_session() {
    opened()
        .when(refresh("t1", "t2"))
        .happened()
        .after_seconds(10)
        .when(refresh("t1", "tx"))
        .then([revoked(RevokeReason::Reuse)])
        .when(refresh("t2", "t3"))
        .refused(Rejection::SessionRevoked);
}

#[test]
fn there_is_no_grace_once_the_next_token_was_used() {
    opened()
        .when(refresh("t1", "t2"))
        .happened()
        .when(refresh("t2", "t3"))
        .happened()
        .when(refresh("t1", "tx"))
        .then([revoked(RevokeReason::Reuse)]);
}

#[test]
fn a_client_whose_answers_were_lost_may_ask_again_but_not_for_long() {
    let session = opened()
        .when(refresh("t1", "t2"))
        .happened()
        .after_seconds(5)
        .when(refresh("t1", "t3"))
        .happened()
        .after_seconds(4)
        .when(refresh("t1", "t4"))
        .happened();
    assert!(is_good(&session, "t4"));
    session
        .after_seconds(1)
        .when(refresh("t1", "t5"))
        .then([revoked(RevokeReason::Reuse)]);
}

#[test]
fn a_token_that_a_retry_replaced_is_good_no_more() {
    opened()
        .when(refresh("t1", "t2"))
        .happened()
        .when(refresh("t1", "t3"))
        .happened()
        .when(refresh("t2", "t4"))
        .then([revoked(RevokeReason::Reuse)]);
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

/// A client that keeps to the rules: it presents the last token that it was given, and asks again,
/// soon, when an answer is lost.
fn any_honest_history() -> impl Strategy<Value = Vec<(u32, Command)>> {
    let step = (0..60_u32, prop::collection::vec(0..3_u32, 0..4));
    prop::collection::vec(step, 0..40).prop_map(|steps| {
        let (mut held, mut made) = (1, 1);
        let mut history = vec![(0, open())];
        for (pause, lost) in steps {
            for pause in [pause].into_iter().chain(lost) {
                made += 1;
                history.push((pause, refresh(&format!("t{held}"), &format!("t{made}"))));
            }
            held = made;
        }
        history
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
        thief_is_first: bool,
    ) {
        let (session, events) = run::<Session>(history.clone(), |_, _| {});
        let held = session.0.as_ref().unwrap().token.clone().unwrap();
        let ask = |presented: &SecretHash, next: &str| Command::Refresh {
            presented: presented.clone(),
            next: hash(next),
            idle_expires_at: start() + TimeDelta::hours(2),
        };
        let (first, second) = match thief_is_first {
            true => ("thief", "owner"),
            false => ("owner", "thief"),
        };
        // Within the grace both are answered, but only one answer is good: the other one tells.
        let history = history.into_iter().chain([
            (1, ask(&held, first)),
            (pause, ask(&held, second)),
            (20, ask(&hash(first), "more")),
        ]);
        let (session, more) = run::<Session>(history, |_, _| {});
        prop_assert_eq!(session.0.unwrap().status, Status::Revoked);
        prop_assert!(more.len() <= events.len() + 3);
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
