//! Commits that fail: nobody is left without an answer, and the state is what the journal has.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::journal::memory::Fault;
use engine::{Error, Reply};

use crate::counter::{Ask, No};
use crate::world::{World, done, eventually, id, keyed};

/// Asks for a good deal at once, lets the first commit fail, and checks the books.
async fn fails_with(fault: Fault, is_expected: impl Fn(&Error) -> bool) {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(5)).await);
    world.memory().pause();
    world.memory().fail_next_commit(fault);
    let first = world.asking_as(id, Ask::Add(10), keyed("first"));
    world.until_under_way(1).await;
    let others: Vec<_> = (0..20).map(|_| world.asking(id, Ask::Add(1))).collect();
    world.until_under_way(21).await;
    world.memory().resume();
    let first = first.await.unwrap();
    assert!(first.as_ref().is_err_and(is_expected), "{first:?}");
    // What came after it is decided again, or told.
    let mut acknowledged = 5;
    for other in others {
        match other.await.unwrap() {
            Ok(Reply::Done(_)) => acknowledged += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error}"),
        }
    }
    let is_committed = matches!(fault, Fault::InDoubt { committed: true });
    acknowledged += if is_committed { 10 } else { 0 };
    assert_eq!(world.recorded(id).await.0, acknowledged);
    assert_eq!(world.total(id).await, acknowledged);
    // The same key tells what came of the first, or has its effect now.
    let again = world.counters.send(id, Ask::Add(10), keyed("first")).await;
    match again.unwrap() {
        Reply::Seen(_) => assert!(is_committed),
        Reply::Done(_) => assert!(!is_committed),
        Reply::Refused(no) => panic!("{no}"),
    }
    let expected = acknowledged + if is_committed { 0 } else { 10 };
    assert_eq!(world.recorded(id).await.0, expected);
    assert_eq!(world.total(id).await, expected);
    assert_eq!(world.engine.under_way(), 0);
}

#[tokio::test]
async fn a_commit_while_the_journal_is_away_fails_and_leaves_nothing_behind() {
    fails_with(Fault::Unavailable, |error| {
        matches!(error, Error::Unavailable(_))
    })
    .await;
}

#[tokio::test]
async fn a_refused_decision_is_told_as_such() {
    fails_with(Fault::Refused, |error| matches!(error, Error::Panicked(_))).await;
}

#[tokio::test]
async fn a_doubtful_commit_that_happened_is_found() {
    let fault = Fault::InDoubt { committed: true };
    fails_with(fault, |error| matches!(error, Error::InDoubt(_))).await;
}

#[tokio::test]
async fn after_a_doubtful_commit_that_happened_nobody_is_shown_what_was_before() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    // Has every read take its time.
    world.journal.damage_rows(crate::world::id());
    let fault = Fault::InDoubt { committed: true };
    world.memory().fail_next_commit(fault);
    let doubtful = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(doubtful, Err(Error::InDoubt(_))), "{doubtful:?}");
    assert_eq!(world.get(id).await.unwrap().version, 2);
}

#[tokio::test]
async fn what_a_doubtful_commit_led_to_is_waited_for() {
    let (world, id) = (World::new().await, id());
    world.memory().pause();
    let made = world.asking(id, Ask::Add(1));
    world.until_under_way(1).await;
    let tenant = crate::world::meta().tenant;
    let soon = Instant::now() + Duration::from_millis(100);
    let early = world.counters.at_least(tenant, id, 1, soon).await;
    assert!(matches!(early, Err(Error::Timeout)), "{early:?}");
    let later = Instant::now() + Duration::from_secs(10);
    let waiting = world.counters.at_least(tenant, id, 1, later);
    world.memory().resume();
    assert_eq!(waiting.await.unwrap().unwrap().version, 1);
    done(made.await.unwrap());
    let theirs = world.counters.at_least(crate::world::id(), id, 1, later);
    assert!(theirs.await.unwrap().is_none());
}

#[tokio::test]
async fn a_doubtful_commit_that_did_not_happen_is_not_made_up() {
    let fault = Fault::InDoubt { committed: false };
    fails_with(fault, |error| matches!(error, Error::InDoubt(_))).await;
}

#[tokio::test]
async fn a_refusal_that_rested_on_a_failed_commit_is_decided_again() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    world.memory().pause();
    world.memory().fail_next_commit(Fault::Unavailable);
    let taken = world.asking(id, Ask::Add(-1));
    world.until_under_way(1).await;
    // Refused if the unit is taken; but it is not.
    let wanted = world.asking(id, Ask::Add(-1));
    world.until_under_way(2).await;
    world.memory().resume();
    assert!(matches!(taken.await.unwrap(), Err(Error::Unavailable(_))));
    assert_eq!(done(wanted.await.unwrap()).state.total, 0);
}

#[tokio::test]
async fn a_poisoned_decision_does_not_harm_its_neighbours() {
    let world = World::new().await;
    let ids: Vec<_> = (0..40).map(|_| id()).collect();
    let culprit = ids[17];
    world.memory().poison(culprit);
    world.memory().pause();
    let asked: Vec<_> = ids
        .iter()
        .map(|id| world.asking(*id, Ask::Add(1)))
        .collect();
    world.until_under_way(40).await;
    world.memory().resume();
    for (id, asked) in ids.iter().zip(asked) {
        let answer = asked.await.unwrap();
        if *id == culprit {
            assert!(matches!(answer, Err(Error::Panicked(_))), "{answer:?}");
        } else {
            assert_eq!(done(answer).state.total, 1);
        }
    }
    world.memory().cure(culprit);
    assert_eq!(done(world.ask(culprit, Ask::Add(2)).await).state.total, 2);
}

#[tokio::test]
async fn a_damaged_row_fails_only_the_decision_that_meets_it() {
    let world = World::new().await;
    let ids: Vec<_> = (0..10).map(|_| id()).collect();
    for id in &ids {
        done(world.ask(*id, Ask::Add(1)).await);
    }
    world.journal.damage_rows(ids[7]);
    let asked: Vec<_> = ids
        .iter()
        .map(|id| world.asking(*id, Ask::Add(1)))
        .collect();
    for (id, asked) in ids.iter().zip(asked) {
        let answer = asked.await.unwrap();
        if *id == ids[7] {
            assert!(matches!(answer, Err(Error::Damaged(_))), "{answer:?}");
        } else {
            assert_eq!(done(answer).state.total, 2);
        }
    }
}

#[tokio::test]
async fn a_state_that_panics_while_it_is_written_harms_only_its_own_command() {
    let world = World::new().await;
    let (fragile, neighbour) = (id(), id());
    world.memory().pause();
    let held = world.asking(neighbour, Ask::Add(1));
    world.until_under_way(1).await;
    let broken = world.asking(fragile, Ask::BeFragile);
    let unharmed = world.asking(neighbour, Ask::Add(1));
    world.until_under_way(3).await;
    world.memory().resume();
    done(held.await.unwrap());
    assert!(matches!(broken.await.unwrap(), Err(Error::Panicked(_))));
    assert_eq!(done(unharmed.await.unwrap()).state.total, 2);
    assert_eq!(done(world.ask(fragile, Ask::Add(1)).await).version, 1);
}

#[tokio::test]
async fn a_journal_that_panics_leaves_a_doubt_and_no_silence() {
    let (world, id) = (World::new().await, id());
    world.journal.panics.store(true, Ordering::Relaxed);
    let doubtful = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(doubtful, Err(Error::InDoubt(_))), "{doubtful:?}");
    assert_eq!(done(world.ask(id, Ask::Add(1)).await).version, 1);
}

#[tokio::test]
async fn while_the_journal_is_away_callers_are_told_and_afterwards_served() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    world.memory().set_available(false);
    let away = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    let cold = world.ask(crate::world::id(), Ask::Add(1)).await;
    assert!(matches!(cold, Err(Error::Unavailable(_))), "{cold:?}");
    world.memory().set_available(true);
    world.insist(id, Ask::Add(1)).await;
    assert_eq!(world.recorded(id).await.0, 2);
}

#[tokio::test]
async fn a_doubt_that_cannot_be_settled_yet_keeps_nobody_beyond_the_deadline() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    world.memory().pause();
    world
        .memory()
        .fail_next_commit(Fault::InDoubt { committed: false });
    let mut short = crate::world::meta();
    short.deadline = std::time::Instant::now() + Duration::from_secs(1);
    let doubtful = world.asking_as(id, Ask::Add(1), short.clone());
    world.until_under_way(1).await;
    let queued = world.asking_as(id, Ask::Add(1), short);
    world.until_under_way(2).await;
    world.memory().set_available(false);
    world.memory().resume();
    // Neither is told that nothing happened, since that is not known.
    for asked in [doubtful, queued] {
        let answer = asked.await.unwrap();
        assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
    }
    world.memory().set_available(true);
    eventually("all places given back", || async {
        (world.engine.under_way() == 0).then_some(())
    })
    .await;
    world.insist(id, Ask::Nothing).await;
    let total = world.total(id).await;
    assert_eq!(world.recorded(id).await.0, total);
    assert!(matches!(
        world.ask(id, Ask::Add(-9)).await,
        Ok(Reply::Refused(No::TooFew(_)))
    ));
}

#[tokio::test]
async fn a_commit_that_takes_too_long_is_in_doubt() {
    let config = engine::Config {
        commit_timeout_ms: 200,
        ..crate::world::config()
    };
    let (world, id) = (World::with(config, &[]).await, id());
    world.memory().pause();
    let slow = world.ask(id, Ask::Add(1)).await;
    assert!(matches!(slow, Err(Error::InDoubt(_))), "{slow:?}");
    world.memory().resume();
    assert_eq!(done(world.ask(id, Ask::Add(1)).await).state.total, 1);
}
