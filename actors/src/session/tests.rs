//! Sessions: given what happened, when something is asked, then something happens or is refused.

use uuid::Uuid;

use super::*;
use crate::testing::{given, start};

fn hash(text: &str) -> SecretHash {
    SecretHash::new(text).unwrap()
}

fn opened() -> Event {
    Event::Opened {
        user: UserId::from(Uuid::from_u128(1)),
        generation: 0,
        secret: hash("t1"),
        expires_at: start() + TimeDelta::hours(3),
        idle_expires_at: start() + TimeDelta::hours(1),
    }
}

fn refresh(presented: &str, next: &str) -> Command {
    Command::Refresh {
        presented: hash(presented),
        next: hash(next),
        idle_expires_at: start() + TimeDelta::hours(2),
    }
}

#[test]
fn each_refresh_replaces_the_token() {
    let session = given::<Session>([opened()])
        .when(refresh("t1", "t2"))
        .happened()
        .after_seconds(60)
        .when(refresh("t2", "t3"))
        .happened();
    assert_eq!(session.state().0.as_ref().unwrap().token, hash("t3"));
}

#[test]
fn a_replaced_token_ends_the_session() {
    given::<Session>([opened()])
        .when(refresh("t1", "t2"))
        .happened()
        .after_seconds(60)
        .when(refresh("t1", "tx"))
        .then([Event::Revoked { is_reuse: true }])
        .when(refresh("t2", "t3"))
        .refused(Rejection::SessionRevoked);
}

#[test]
fn a_client_whose_answer_was_lost_may_ask_again_at_once() {
    let session = given::<Session>([opened()])
        .when(refresh("t1", "t2"))
        .happened()
        .after_seconds(3)
        .when(refresh("t1", "t3"))
        .happened();
    assert_eq!(session.state().0.as_ref().unwrap().status, Status::Active);
}

#[test]
fn a_token_that_never_was_ends_nothing() {
    given::<Session>([opened()])
        .when(refresh("guess", "t2"))
        .refused(Rejection::InvalidRefreshToken);
}

#[test]
fn it_ends_when_its_time_is_up() {
    let session = given::<Session>([opened()]);
    assert_eq!(
        session.state().timers()[0].at,
        start() + TimeDelta::hours(1)
    );
    session
        .when(Command::Expire)
        .then([])
        .after_seconds(3_600)
        .when(Command::Expire)
        .then([Event::Expired {}])
        .when(refresh("t1", "t2"))
        .refused(Rejection::SessionRevoked);
}
