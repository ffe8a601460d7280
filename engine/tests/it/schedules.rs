//! The engine's own code in thousands of short lives, each decided by its seed: one thread, a clock
//! that jumps to whatever is due next, and a journal under weather.
//!
//! ```text
//!  clients     add under keys, give up waiting, ask again; read; race for tags; make hosts fail
//!  memory      room for few, so that entities come and go
//!  journal     slow, away, refusing, in doubt both ways, hanging, panicking
//!  successor   may take all over in the middle
//! ```
//!
//! A life that fails prints its seed, and `QUENTY_TEST_SEED` has that one lived again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::feed::{Positions, Reader};
use engine::journal::Journal;
use engine::{Config, Engine, Error, Meta, Reply, Shard, Versioned};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::counter::{Ask, Bomb, Counter, Fact};
use crate::mirror::{MIRRORING, Mirror};
use crate::weather::Weather;
use crate::world::{SHARDS, TENANT, World, config, keyed};
use crate::wrapped::Wrapped;

const LIVES: u64 = 2_000;
const LIVES_IN_CAMPAIGN: u64 = 200_000;
/// Lives lived twice.
const TWICE: u64 = 40;
const COUNTERS: usize = 3;
const CLIENTS: u64 = 4;
const STEPS: usize = 10;
/// Far longer than a life lasts.
const FAR: Duration = Duration::from_secs(3_600);
/// How long it may take until all is at rest, on the clock that jumps.
const REST_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn no_schedule_loses_or_doubles_anything() {
    if let Ok(seed) = std::env::var("QUENTY_TEST_SEED") {
        live(seed.parse().unwrap());
        return;
    }
    let lives = match std::env::var_os("QUENTY_TEST_CAMPAIGN") {
        Some(_) => LIVES_IN_CAMPAIGN,
        None => LIVES,
    };
    let first = rand::random::<u32>().into();
    let traces: Vec<_> = (first..first + lives).map(live).collect();
    let commits: usize = traces.iter().map(|it| it.commits.len()).sum();
    let decisions: usize = traces.iter().flat_map(|it| &it.commits).sum();
    println!("{lives} lives from {first}: {commits} commits of {decisions} decisions");
}

#[test]
fn a_seed_decides_the_whole_schedule() {
    for seed in 0..TWICE {
        assert_eq!(live(seed), live(seed), "QUENTY_TEST_SEED={seed}");
    }
}

/// What a life came to.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    /// How many decisions each commit had.
    commits: Vec<usize>,
    books: Vec<i64>,
    took: Duration,
}

/// Says which life it is when it fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("QUENTY_TEST_SEED={}", self.0);
        }
    }
}

fn live(seed: u64) -> Trace {
    let _seed = Seed(seed);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let life = async { Life::begin(seed).await.live(seed).await };
    let lived = runtime.block_on(async { timeout(FAR, life).await });
    lived.expect("an end: something hangs")
}

struct Life {
    journal: Arc<Wrapped>,
    /// Who serves at present.
    present: Mutex<Arc<World>>,
    config: Config,
    ids: Vec<Uuid>,
    /// How many in a hundred steps make a host fail.
    bombs_percent: u32,
    has_successor: bool,
    /// Counters whose host was made to fail: their commands may have been lost with it, and no
    /// others.
    bombed: Mutex<HashSet<Uuid>>,
    /// What was certainly added.
    books: Mutex<HashMap<Uuid, i64>>,
    /// The last version that anybody was shown.
    shown: Mutex<HashMap<Uuid, u64>>,
}

impl Life {
    async fn begin(seed: u64) -> Arc<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let rough_percent = *[0, 3, 10, 30].choose(&mut random).unwrap();
        let weather = Weather::new(random.random(), rough_percent);
        let journal = Arc::new(Wrapped::under(weather, SHARDS));
        let config = Config {
            residents_max: random.random_range(2..=3 * COUNTERS),
            // Whoever is found idle at all leaves.
            idle_ms: *[1, 600_000].choose(&mut random).unwrap(),
            batch_max: *[1, 3, 512].choose(&mut random).unwrap(),
            commit_timeout_ms: 40,
            ..config()
        };
        let world = serve(&journal, &config).await;
        Arc::new(Self {
            journal,
            present: Mutex::new(Arc::new(world)),
            config,
            ids: (0..COUNTERS)
                .map(|_| Uuid::from_u128(random.random()))
                .collect(),
            bombs_percent: *[0, 0, 3].choose(&mut random).unwrap(),
            has_successor: random.random_range(0..4) == 0,
            bombed: Mutex::default(),
            books: Mutex::default(),
            shown: Mutex::default(),
        })
    }

    async fn live(self: Arc<Self>, seed: u64) -> Trace {
        let born = Instant::now();
        let nothing = Positions::new();
        let reader = self.present().engine.follow("test", Some(nothing)).await;
        let following = reader.ok().map(|reader| tokio::spawn(follow(reader)));
        let predecessor = self.present();
        let clients = (1..=CLIENTS).map(|number| {
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1_009).wrapping_add(number));
            tokio::spawn(Arc::clone(&self).client(number, random))
        });
        let clients: Vec<_> = clients.collect();
        if self.has_successor {
            sleep(Duration::from_millis(seed % 60)).await;
            self.succeed().await;
        }
        for client in clients {
            client
                .await
                .unwrap_or_else(|error| resume_unwind(error.into_panic()));
        }
        self.journal.clear_up();
        self.at_rest().await;
        if let Some(following) = following {
            following.abort();
            if let Err(error) = following.await
                && error.is_panic()
            {
                resume_unwind(error.into_panic());
            }
        }
        drop(predecessor);
        Trace {
            commits: self.journal.memory.commits(),
            books: self.ids.iter().map(|id| self.book(*id)).collect(),
            took: born.elapsed(),
        }
    }

    fn present(&self) -> Arc<World> {
        Arc::clone(&self.present.lock().unwrap())
    }

    fn book(&self, id: Uuid) -> i64 {
        self.books.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    /// Another engine takes all over, while the one before does not know it yet.
    async fn succeed(&self) {
        let world = serve(&self.journal, &self.config).await;
        *self.present.lock().unwrap() = Arc::new(world);
    }

    async fn client(self: Arc<Self>, number: u64, mut random: StdRng) {
        for step in 0..STEPS {
            sleep(Duration::from_millis(random.random_range(0..4))).await;
            let id = *self.ids.choose(&mut random).unwrap();
            let key = format!("{number}-{step}");
            if random.random_range(0..100) < self.bombs_percent {
                self.bombed.lock().unwrap().insert(id);
                let _ = self.present().ask(id, Ask::Explode(Bomb::default())).await;
                continue;
            }
            match random.random_range(0..20) {
                0 => _ = self.present().ask(id, Ask::Panic).await,
                1..4 => self.read(id).await,
                4 => {
                    _ = self
                        .insist(id, Ask::Tag("red".into()), &key, &mut random)
                        .await
                }
                5 => {
                    _ = self
                        .insist(id, Ask::Untag("red".into()), &key, &mut random)
                        .await
                }
                6 => _ = self.insist(id, Ask::Nothing, &key, &mut random).await,
                _ => self.add(id, &key, &mut random).await,
            }
        }
    }

    async fn add(&self, id: Uuid, key: &str, random: &mut StdRng) {
        let amount = random.random_range(-3..=5);
        if self.insist(id, Ask::Add(amount), key, random).await {
            *self.books.lock().unwrap().entry(id).or_default() += amount;
        }
    }

    /// Asks under a key, again and again, often without waiting for the answer, until there is one.
    /// Tells whether it was done.
    async fn insist(&self, id: Uuid, command: Ask, key: &str, random: &mut StdRng) -> bool {
        loop {
            let world = self.present();
            let meta = Meta {
                deadline: std::time::Instant::now() + FAR,
                ..keyed(key)
            };
            let patience = Duration::from_millis(random.random_range(1..80));
            let sending = world.counters.send(id, command.clone(), meta);
            match timeout(patience, sending).await {
                Ok(Ok(Reply::Done(entity))) => {
                    self.is_durable(&entity).await;
                    return true;
                }
                Ok(Ok(Reply::Refused(_))) => return false,
                Ok(Ok(Reply::Seen(row))) => return row.refusal.is_none(),
                Ok(Err(error)) => self.excuse(id, &error),
                Err(_) => {}
            }
            sleep(Duration::from_millis(random.random_range(0..5))).await;
        }
    }

    async fn read(&self, id: Uuid) {
        let shown = self.shown.lock().unwrap().get(&id).copied();
        let deadline = std::time::Instant::now() + FAR;
        let world = self.present();
        let read = world.counters.get_anywhere(id, deadline).await;
        let Ok(entity) = read else { return };
        // A displaced engine may read what its successor has written and does not know of yet.
        if !Arc::ptr_eq(&world, &self.present()) {
            return;
        }
        let version = entity.as_ref().map_or(0, |it| it.version);
        assert!(version >= shown.unwrap_or(0), "{version} after {shown:?}");
        if let Some(entity) = entity {
            self.is_durable(&entity).await;
        }
    }

    /// What anybody is shown is what the journal holds.
    async fn is_durable(&self, entity: &Versioned<Counter>) {
        let recorded = recorded(&self.journal, entity.id).await;
        let first = recorded.get(..entity.version as usize);
        let total = first.map(|amounts| amounts.iter().sum::<i64>());
        let (version, all) = (entity.version, recorded.len());
        assert_eq!(total, Some(entity.state.total), "{version} of {all}");
        let mut shown = self.shown.lock().unwrap();
        let last = shown.entry(entity.id).or_default();
        *last = version.max(*last);
    }

    /// Only a host that was made to fail loses commands.
    fn excuse(&self, id: Uuid, error: &Error) {
        let is_fine = match error {
            Error::HostFailed => self.bombed.lock().unwrap().contains(&id),
            Error::Damaged(_) | Error::NotFound | Error::Stale { .. } | Error::Late => false,
            _ => true,
        };
        assert!(is_fine, "{error}");
    }

    async fn at_rest(&self) {
        let world = self.present();
        let mut tagged = BTreeSet::new();
        for id in &self.ids {
            let book = self.book(*id);
            let recorded = recorded(&self.journal, *id).await;
            assert_eq!(recorded.iter().sum::<i64>(), book, "recorded {recorded:?}");
            let deadline = std::time::Instant::now() + FAR;
            let counter = eventually("a counter", || async {
                world.counters.get_anywhere(*id, deadline).await.ok()
            });
            let counter = counter.await;
            assert_eq!(counter.as_ref().map_or(0, |it| it.state.total), book);
            let tags = counter.iter().flat_map(|it| it.state.tags.clone());
            let twice: Vec<_> = tags.filter(|tag| !tagged.insert(tag.clone())).collect();
            assert_eq!(twice, [""; 0], "two have it");
            let mirrors = world.engine.entities::<Mirror>().unwrap();
            eventually("the mirror", || async {
                let mirror = mirrors.get(TENANT, *id, deadline).await.ok()?;
                (mirror.map_or(0, |it| it.state.total) == book).then_some(())
            })
            .await;
        }
        eventually("every place given back", || async {
            (world.engine.under_way() == 0).then_some(())
        })
        .await;
        let parked = world.engine.parked("test", None, 1).await.unwrap();
        assert!(parked.is_empty(), "{parked:?}");
        let found = builder(&self.journal, &self.config).verify().await.unwrap();
        let faults: Vec<_> = found.into_iter().flat_map(|it| it.1.faults).collect();
        assert_eq!(faults, [""; 0]);
    }
}

/// An engine on the journal, as soon as that lets one start.
async fn serve(journal: &Arc<Wrapped>, config: &Config) -> World {
    let start = || async {
        let engine = builder(journal, config).policies(&[MIRRORING]);
        engine.start().await.ok()
    };
    let engine = eventually("an engine", start).await;
    World::of(engine, Arc::clone(journal), config.clone(), &[MIRRORING])
}

fn builder(journal: &Arc<Wrapped>, config: &Config) -> engine::Builder {
    Engine::builder(config.clone())
        .context("test", Arc::clone(journal) as Arc<dyn Journal>)
        .entity::<Counter>()
        .entity::<Mirror>()
}

/// What each event of a counter has added.
async fn recorded(journal: &Wrapped, id: Uuid) -> Vec<i64> {
    let key = engine::EntityKey {
        kind: "counter",
        id,
    };
    let events = journal.memory.history(key, 0, u32::MAX).await.unwrap();
    let amount = |event: &engine::Recorded| match event.event::<Counter>().unwrap() {
        Fact::Added { amount } => amount,
        _ => 0,
    };
    events.iter().map(amount).collect()
}

/// Every event once and in order.
async fn follow(mut reader: Reader) {
    let mut at: HashMap<Shard, u64> = HashMap::new();
    loop {
        // What cannot be read now is read by the next call.
        for event in reader.next().await.unwrap_or_default() {
            let event = event.unwrap();
            let position = at.entry(event.shard).or_default();
            *position += 1;
            assert_eq!(event.seq, *position, "in shard {}", event.shard.0);
        }
    }
}

/// The same as in the world, on the clock that jumps.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + REST_WITHIN;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
