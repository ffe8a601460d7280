//! Exactly once, pipelining, the output gate, group commit, claims.

use engine::{Error, Meta, Reply};

use crate::counter::{Ask, No};
use crate::world::{STRANGER, World, done, id, keyed, meta};

#[tokio::test]
async fn a_repeat_under_a_request_key_has_no_effect() {
    let (world, id) = (World::new().await, id());
    let first = world.counters.send(id, Ask::Add(3), keyed("a")).await;
    assert_eq!(done(first).version, 1);
    let repeat = world.counters.send(id, Ask::Add(3), keyed("a")).await;
    let Ok(Reply::Seen(row)) = repeat else {
        panic!("{repeat:?}")
    };
    assert_eq!((row.version, row.refusal, row.entity), (1, None, id));
    assert_eq!(world.recorded(id).await, (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_repeats_one_has_an_effect() {
    let (world, id) = (World::new().await, id());
    let repeats: Vec<_> = (0..50)
        .map(|_| world.asking_as(id, Ask::Add(1), keyed("b")))
        .collect();
    let mut effects = 0;
    for repeat in repeats {
        match repeat.await.unwrap().unwrap() {
            Reply::Done(_) => effects += 1,
            Reply::Seen(row) => assert_eq!(row.version, 1),
            Reply::Refused(no) => panic!("{no}"),
        }
    }
    assert_eq!(effects, 1);
    assert_eq!(world.recorded(id).await, (1, 1));
}

#[tokio::test]
async fn a_refusal_is_kept_under_its_request_key() {
    let (world, id) = (World::new().await, id());
    let refused = world.counters.send(id, Ask::Add(-1), keyed("c")).await;
    assert!(matches!(refused, Ok(Reply::Refused(No::TooFew(0)))));
    done(world.ask(id, Ask::Add(5)).await);
    let repeat = world.counters.send(id, Ask::Add(-1), keyed("c")).await;
    let Ok(Reply::Seen(row)) = repeat else {
        panic!("{repeat:?}")
    };
    let kept: No = serde_json::from_str(&row.refusal.unwrap()).unwrap();
    assert_eq!(kept, No::TooFew(0));
    assert_eq!(world.total(id).await, 5);
}

#[tokio::test]
async fn an_entity_goes_on_deciding_while_a_commit_is_under_way() {
    let (world, id) = (World::new().await, id());
    world.memory().pause();
    let asked: Vec<_> = (0..101).map(|_| world.asking(id, Ask::Add(1))).collect();
    world.until_under_way(101).await;
    world.memory().resume();
    for (version, asked) in (1..).zip(asked) {
        assert_eq!(done(asked.await.unwrap()).version, version);
    }
    let commits = world.memory().commits();
    assert_eq!(commits.iter().sum::<usize>(), 101);
    assert!(
        commits.iter().any(|commands| *commands >= 50),
        "{commits:?}"
    );
}

#[tokio::test]
async fn entities_share_a_commit() {
    let world = World::new().await;
    let ids: Vec<_> = (0..100).map(|_| id()).collect();
    world.memory().pause();
    let asked: Vec<_> = ids
        .iter()
        .map(|id| world.asking(*id, Ask::Add(1)))
        .collect();
    world.until_under_way(100).await;
    world.memory().resume();
    for asked in asked {
        done(asked.await.unwrap());
    }
    let commits = world.memory().commits();
    assert!(
        commits.iter().any(|commands| *commands >= 50),
        "{commits:?}"
    );
}

#[tokio::test]
async fn no_answer_leaves_before_what_it_rests_on_is_durable() {
    let (world, id) = (World::new().await, id());
    world.memory().pause();
    let added = world.asking(id, Ask::Add(5));
    world.until_under_way(1).await;
    let refused = world.asking(id, Ask::Add(-6));
    let nothing = world.asking(id, Ask::Nothing);
    let stale = Meta {
        if_version: Some(0),
        ..meta()
    };
    let stale = world.asking_as(id, Ask::Add(1), stale);
    let foreign = Meta {
        tenant: STRANGER,
        ..meta()
    };
    let foreign = world.asking_as(id, Ask::Add(1), foreign);
    world.until_under_way(5).await;
    for early in [&added, &refused, &nothing, &stale, &foreign] {
        assert!(!early.is_finished());
    }
    assert!(world.get(id).await.is_none(), "nor is it read");
    world.memory().resume();
    assert_eq!(done(added.await.unwrap()).version, 1);
    let refused = refused.await.unwrap();
    assert!(matches!(refused, Ok(Reply::Refused(No::TooFew(5)))));
    assert_eq!(done(nothing.await.unwrap()).version, 1);
    let stale = stale.await.unwrap();
    assert!(matches!(stale, Err(Error::Stale { actual: 1 })));
    assert!(matches!(foreign.await.unwrap(), Err(Error::NotFound)));
}

#[tokio::test]
async fn a_duplicate_amid_a_pipeline_drops_only_itself() {
    let (world, id) = (World::new().await, id());
    done(world.counters.send(id, Ask::Add(10), keyed("d")).await);
    world.memory().pause();
    let mut asked = vec![world.asking(id, Ask::Add(1))];
    world.until_under_way(1).await;
    asked.push(world.asking_as(id, Ask::Add(10), keyed("d")));
    asked.extend((0..20).map(|_| world.asking(id, Ask::Add(1))));
    // Decided with the duplicate's ten, which are not there after all.
    asked.push(world.asking(id, Ask::Add(-35)));
    world.until_under_way(23).await;
    world.memory().resume();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap());
    }
    let last = answers.pop().unwrap();
    assert!(
        matches!(last, Ok(Reply::Refused(No::TooFew(31)))),
        "{last:?}"
    );
    assert!(matches!(answers.remove(1), Ok(Reply::Seen(_))));
    for answer in answers {
        done(answer);
    }
    assert_eq!(world.recorded(id).await, (31, 22));
    assert_eq!(world.total(id).await, 31);
}

#[tokio::test]
async fn whoever_loses_a_claim_is_refused_and_what_rested_on_it_is_decided_again() {
    let world = World::new().await;
    let (winner, loser) = (id(), id());
    done(world.ask(winner, Ask::Tag("x".into())).await);
    world.memory().pause();
    let first = world.asking(loser, Ask::Add(1));
    world.until_under_way(1).await;
    let tagged = world.asking_as(loser, Ask::Tag("x".into()), keyed("e"));
    let after: Vec<_> = (0..10).map(|_| world.asking(loser, Ask::Add(1))).collect();
    world.until_under_way(12).await;
    world.memory().resume();
    done(first.await.unwrap());
    let tagged = tagged.await.unwrap();
    assert!(
        matches!(tagged, Ok(Reply::Refused(No::Taken))),
        "{tagged:?}"
    );
    for (version, after) in (2..).zip(after) {
        let after = done(after.await.unwrap());
        assert_eq!(after.version, version);
        assert!(after.state.tags.is_empty());
    }
    let repeat = world
        .counters
        .send(loser, Ask::Tag("x".into()), keyed("e"))
        .await;
    assert!(matches!(repeat, Ok(Reply::Seen(row)) if row.refusal.is_some()));
    done(world.ask(winner, Ask::Untag("x".into())).await);
    done(world.ask(loser, Ask::Tag("x".into())).await);
}

#[tokio::test]
async fn whoever_loses_a_claim_and_knows_what_else_to_do_does_that_once_and_in_its_turn() {
    let world = World::new().await;
    let (winner, loser) = (id(), id());
    done(world.ask(winner, Ask::Tag("x".into())).await);
    let tag = || Ask::TagOrAdd("x".into());
    world.memory().pause();
    let first = world.asking(loser, Ask::Add(1));
    world.until_under_way(1).await;
    let tagged = world.asking_as(loser, tag(), keyed("e"));
    let after: Vec<_> = (0..10).map(|_| world.asking(loser, Ask::Add(1))).collect();
    world.until_under_way(12).await;
    world.memory().resume();
    done(first.await.unwrap());
    let tagged = done(tagged.await.unwrap());
    assert_eq!((tagged.version, tagged.state.total), (2, 2));
    assert!(tagged.state.tags.is_empty());
    for (version, after) in (3..).zip(after) {
        assert_eq!(done(after.await.unwrap()).version, version);
    }
    // The key holds what was done in place of the command, also once the tag is free.
    done(world.ask(winner, Ask::Untag("x".into())).await);
    let repeat = world.counters.send(loser, tag(), keyed("e")).await;
    assert!(matches!(repeat, Ok(Reply::Seen(row)) if row.refusal.is_none()));
    assert_eq!(world.recorded(loser).await, (12, 12));
    let tagged = done(world.ask(loser, tag()).await);
    assert!(tagged.state.tags.contains("x"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_a_claim_exactly_one_gets_it() {
    let world = World::new().await;
    let asked: Vec<_> = (0..40)
        .map(|_| world.asking(id(), Ask::Tag("only".into())))
        .collect();
    let mut winners = 0;
    for asked in asked {
        match asked.await.unwrap().unwrap() {
            Reply::Done(_) => winners += 1,
            Reply::Refused(No::Taken) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_more_takers_than_there_are_units_exactly_as_many_succeed() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(30)).await);
    let takers: Vec<_> = (0..100).map(|_| world.asking(id, Ask::Add(-1))).collect();
    let mut taken = 0;
    for taker in takers {
        match taker.await.unwrap().unwrap() {
            Reply::Done(_) => taken += 1,
            Reply::Refused(No::TooFew(0)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken, 30);
    assert_eq!(world.recorded(id).await, (0, 31));
}

#[tokio::test]
async fn a_command_for_another_version_is_refused() {
    let (world, id) = (World::new().await, id());
    done(world.ask(id, Ask::Add(1)).await);
    let at = |version| Meta {
        if_version: Some(version),
        ..meta()
    };
    let stale = world.counters.send(id, Ask::Add(1), at(0)).await;
    assert!(matches!(stale, Err(Error::Stale { actual: 1 })));
    assert_eq!(
        done(world.counters.send(id, Ask::Add(1), at(1)).await).version,
        2
    );
}

#[tokio::test]
async fn what_is_said_to_be_new_and_is_not_loses_nothing() {
    let (world, id) = (World::new().await, id());
    let made = world.counters.create(id, Ask::Add(1), meta()).await;
    assert_eq!(done(made).version, 1);
    let again = world.counters.create(id, Ask::Add(1), meta()).await;
    assert_eq!(done(again).version, 2);
    let world = world.restarted().await;
    let wrong = world.counters.create(id, Ask::Add(1), meta()).await;
    assert!(matches!(wrong, Err(Error::Panicked(_))), "{wrong:?}");
    assert_eq!(world.total(id).await, 2);
    assert_eq!(done(world.ask(id, Ask::Add(1)).await).version, 3);
}
