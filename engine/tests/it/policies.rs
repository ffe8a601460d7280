//! Policies: at least once sent, once done; what cannot be handled is set aside and can be retried.

use std::sync::Arc;
use std::time::Duration;

use engine::journal::memory::Fault;
use engine::journal::{Journal, Parked};
use uuid::Uuid;

use crate::counter::Ask;
use crate::mirror::{
    self, DEADLY, MIRRORING, Mirror, REVERSED, SCARY, TWIN_MIRRORING, UNLUCKY, twin,
};
use crate::world::{World, config, done, eventually, id, keyed, meta};

async fn world() -> World {
    World::with(config(), &[MIRRORING]).await
}

async fn until_mirrored(world: &World, id: Uuid, total: i64) -> Mirror {
    eventually("the mirror's total", || async {
        let mirror = world.mirror(id).await;
        (mirror.total == total).then_some(mirror)
    })
    .await
}

async fn until_parked(world: &World, number: usize) -> Vec<Parked> {
    eventually("parked events", || async {
        let parked = world.engine.parked("test", None, 100).await.ok()?;
        (parked.len() == number).then_some(parked)
    })
    .await
}

/// How far policies have stored that they have come, in all shards together.
async fn checkpoint(world: &World) -> u64 {
    let checkpoints = world.memory().checkpoints("policies").await.unwrap();
    checkpoints.iter().map(|(_, seq)| seq).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_one_entity_reaches_the_other_once() {
    let (world, id) = (world().await, id());
    for amount in 1..=12 {
        done(world.ask(id, Ask::Add(amount)).await);
    }
    let mirror = until_mirrored(&world, id, 78).await;
    assert_eq!(mirror.notes, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_fail_neither_lose_nor_double_an_effect() {
    let (world, id) = (world().await, id());
    for round in 0..30 {
        let fault = match round % 3 {
            0 => Fault::Unavailable,
            1 => Fault::InDoubt { committed: true },
            _ => Fault::InDoubt { committed: false },
        };
        world.memory().fail_next_commit(fault);
        let _ = world.ask(id, Ask::Add(1)).await;
    }
    let (total, events) = world.recorded(id).await;
    assert!(events > 0);
    let mirror = until_mirrored(&world, id, total).await;
    assert_eq!(mirror.notes as usize, events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_policies_go_on_and_do_nothing_twice() {
    let journal = Arc::new(crate::wrapped::Wrapped::new(crate::world::SHARDS));
    let id = id();
    // Written while no policy was running, so that all of it is still to be handled.
    let world = World::on(Arc::clone(&journal), config(), &[]).await;
    for _ in 0..50 {
        done(world.ask(id, Ask::Add(1)).await);
    }
    drop(world);
    let mut world = World::on(journal, config(), &[MIRRORING]).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        world = world.restarted().await;
    }
    let mirror = until_mirrored(&world, id, 50).await;
    assert_eq!(mirror.notes, 50);
    eventually("the checkpoint", || async {
        (checkpoint(&world).await >= 50).then_some(())
    })
    .await;
    let world = world.restarted().await;
    done(world.ask(id, Ask::Add(1)).await);
    let mirror = until_mirrored(&world, id, 51).await;
    assert_eq!(mirror.notes, 51);
}

#[tokio::test]
async fn what_is_refused_is_parked_others_go_on_and_a_retry_does_it_once() {
    let (world, id) = (world().await, id());
    done(world.ask(id, Ask::Add(UNLUCKY)).await);
    done(world.ask(id, Ask::Add(1)).await);
    until_mirrored(&world, id, 1).await;
    let parked = until_parked(&world, 1).await.remove(0);
    assert!(parked.reason.contains("unlucky"), "{}", parked.reason);
    // Parked counts as handled.
    eventually("the checkpoint", || async {
        (checkpoint(&world).await >= 2).then_some(())
    })
    .await;
    world.engine.retry_parked("test", &parked).await.unwrap();
    let again = until_parked(&world, 1).await.remove(0);
    assert_eq!(again.attempts, parked.attempts + 1);
    let mirrors = world.engine.entities::<Mirror>().unwrap();
    mirrors.send(id, mirror::Ask::Open, meta()).await.unwrap();
    world.engine.retry_parked("test", &again).await.unwrap();
    until_parked(&world, 0).await;
    until_mirrored(&world, id, UNLUCKY + 1).await;
    // Retried once more by somebody with an old page, as it was then and as it was before.
    for old in [parked, again] {
        world.engine.retry_parked("test", &old).await.unwrap();
    }
    assert_eq!(world.mirror(id).await.notes, 2);
}

#[tokio::test]
async fn a_policy_rewritten_in_another_order_does_what_is_left_and_nothing_twice() {
    let world = World::with(config(), &[TWIN_MIRRORING]).await;
    let id = id();
    let mirrors = world.engine.entities::<Mirror>().unwrap();
    mirrors.send(id, mirror::Ask::Open, meta()).await.unwrap();
    done(world.ask(id, Ask::Add(UNLUCKY)).await);
    // Only the twin refuses.
    let parked = until_parked(&world, 1).await.remove(0);
    until_mirrored(&world, id, UNLUCKY).await;
    let open = mirrors.send(twin(id), mirror::Ask::Open, meta()).await;
    open.unwrap();
    let journal = Arc::clone(&world.journal);
    drop(world);
    let world = World::on(journal, config(), &[REVERSED]).await;
    world.engine.retry_parked("test", &parked).await.unwrap();
    until_parked(&world, 0).await;
    for id in [id, twin(id)] {
        let mirror = world.mirror(id).await;
        assert_eq!((mirror.total, mirror.notes), (UNLUCKY, 1));
    }
}

#[tokio::test]
async fn a_key_that_was_used_elsewhere_is_not_taken_for_done() {
    let (world, id) = (world().await, id());
    let mut elsewhere = keyed(&format!("{0}-1/mirror/{0}/0", id.simple()));
    let request = elsewhere.request.as_mut().unwrap();
    (request.scope, request.body_hash) = ("policy:mirroring".into(), 0);
    let used = world.counters.send(twin(id), Ask::Nothing, elsewhere).await;
    done(used);
    done(world.ask(id, Ask::Add(1)).await);
    let parked = until_parked(&world, 1).await.remove(0);
    assert!(parked.reason.contains("used for"), "{}", parked.reason);
}

#[tokio::test]
async fn a_policy_that_panics_on_one_event_goes_on_with_the_next() {
    let (world, id) = (world().await, id());
    done(world.ask(id, Ask::Add(SCARY)).await);
    done(world.ask(id, Ask::Add(1)).await);
    until_mirrored(&world, id, 1).await;
    let parked = until_parked(&world, 1).await.remove(0);
    assert!(parked.reason.contains("scared"), "{}", parked.reason);
    world.engine.retry_parked("test", &parked).await.unwrap();
    let again = until_parked(&world, 1).await.remove(0);
    assert_eq!(again.attempts, parked.attempts + 1);
    assert!(again.reason.len() < 10_000);
}

#[tokio::test]
async fn an_addressee_out_of_service_is_parked_after_some_attempts_and_others_go_on() {
    let config = engine::Config {
        policy_attempts: 2,
        ..config()
    };
    let world = World::with(config, &[MIRRORING]).await;
    let (bad, good) = (id(), id());
    done(world.ask(bad, Ask::Add(1)).await);
    until_mirrored(&world, bad, 1).await;
    // Else the first event would be sent once more, and be parked as well.
    eventually("the checkpoint", || async {
        (checkpoint(&world).await >= 2).then_some(())
    })
    .await;
    let world = world.restarted().await;
    world.journal.damage("mirror", bad);
    done(world.ask(bad, Ask::Add(2)).await);
    done(world.ask(good, Ask::Add(3)).await);
    until_mirrored(&world, good, 3).await;
    let parked = until_parked(&world, 1).await.remove(0);
    assert!(
        parked.reason.contains("out of service"),
        "{}",
        parked.reason
    );
    world.journal.mend();
    // What could not be loaded is not tried again for a moment.
    eventually("a retry that succeeds", || async {
        let parked = world.engine.parked("test", None, 1).await.unwrap();
        let Some(parked) = parked.first() else {
            return Some(());
        };
        world.engine.retry_parked("test", parked).await.unwrap();
        None
    })
    .await;
    until_mirrored(&world, bad, 3).await;
}

#[tokio::test]
async fn a_damaged_event_is_parked_holds_back_nothing_and_is_handled_once_it_is_repaired() {
    let config = engine::Config {
        policy_ahead_max: 4,
        ..config()
    };
    // Policies come when the events are there and one of them is damaged.
    let world = World::with(config.clone(), &[]).await;
    let (bad, good) = (id(), id());
    done(world.ask(bad, Ask::Add(1)).await);
    for _ in 0..20 {
        done(world.ask(good, Ask::Add(1)).await);
    }
    let World {
        journal, engine, ..
    } = world;
    drop(engine);
    journal.damage_rows(bad);
    let world = World::on(journal, config, &[MIRRORING]).await;
    until_mirrored(&world, good, 20).await;
    eventually("the checkpoint", || async {
        (checkpoint(&world).await >= 21).then_some(())
    })
    .await;
    let parked = until_parked(&world, 1).await.remove(0);
    assert!(parked.event.is_err(), "{parked:?}");
    world.engine.retry_parked("test", &parked).await.unwrap();
    let again = until_parked(&world, 1).await.remove(0);
    assert_eq!(again.attempts, parked.attempts + 1);
    world.journal.mend();
    // As an operator who is impatient asks.
    let repaired = until_parked(&world, 1).await.remove(0);
    for _ in 0..2 {
        let retried = world.engine.retry_parked("test", &repaired).await;
        retried.unwrap();
    }
    until_parked(&world, 0).await;
    assert_eq!(until_mirrored(&world, bad, 1).await.notes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_ends_its_host_every_time_is_parked_and_others_go_on() {
    let config = engine::Config {
        policy_attempts: 3,
        ..config()
    };
    let world = World::with(config, &[MIRRORING]).await;
    let (bad, good) = (id(), id());
    done(world.ask(bad, Ask::Add(DEADLY)).await);
    done(world.ask(good, Ask::Add(3)).await);
    until_mirrored(&world, good, 3).await;
    let parked = until_parked(&world, 1).await.remove(0);
    assert!(parked.reason.contains("host failed"), "{}", parked.reason);
    eventually("the checkpoint", || async {
        (checkpoint(&world).await >= 3).then_some(())
    })
    .await;
    let mirrors = world.engine.entities::<Mirror>().unwrap();
    eventually("an open mirror", || async {
        let opened = mirrors.send(bad, mirror::Ask::Open, meta()).await;
        opened.ok()
    })
    .await;
    world.engine.retry_parked("test", &parked).await.unwrap();
    until_parked(&world, 0).await;
    assert_eq!(until_mirrored(&world, bad, DEADLY).await.notes, 1);
}

#[tokio::test]
async fn a_policy_of_no_context_is_a_mistake() {
    let lost = engine::Policy {
        context: "elsewhere",
        ..MIRRORING
    };
    let journal: Arc<dyn Journal> = Arc::new(crate::wrapped::Wrapped::new(1));
    let started = engine::Engine::builder(config())
        .context("test", journal)
        .policies(&[lost])
        .start()
        .await;
    assert!(matches!(started, Err(engine::Error::UnknownKind(what)) if what == "elsewhere"));
}
