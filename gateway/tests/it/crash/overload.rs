//! More requests than a server can take: it refuses what is too much, at once, and does the rest.
//!
//! Figures are taken where the database takes its time for each commit, so that what it carries is
//! bounded by that. Clients on the same machine could not ask for five times what would keep the
//! processors busy, and would measure nothing but how long they themselves wait for one. Without
//! that delay only the answers count, and what is there afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::watch;

use super::client::Api;
use super::figures::{self, Times};
use super::flood::{Asker, Tally, closed_loop, one_by_one, open_loop};
use super::server::{Home, PASSWORD, Server};
use super::shop::Shop;
use super::{check, is_campaign};

/// Bounds that also the client of a slow machine goes beyond.
const NODE_BOUND: usize = 16;
const TENANT_BOUND: usize = 8;
/// How many times as many requests are under way at once when it does all it can: some of them wait
/// where the bounds do not count.
const BUSY: usize = 2;
/// How long a server is looked at undisturbed, and then under too much, without and with figures.
const CALM: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(30)];
const FLOOD: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(300)];
/// How much longer each commit takes, in microseconds.
const COMMIT_US: usize = 50_000;
/// How many times what it can do is asked for.
const TOO_MUCH: f64 = 5.0;
/// What share of what it can do for a company is due to each, how many of them one asks for in the
/// end, and how many another does all along.
const SHARE: f64 = 0.2;
const GREEDY: f64 = 10.0;
const MODEST: f64 = 0.5;
/// What a server may take of the memory on top of what it had, in bytes.
const MEMORY_MOST: u64 = 256 << 20;
/// How much of what it can it must do under too much, and after that is over.
const GOOD: f64 = 0.8;
/// By when whoever is refused knows so, of a hundred 99; what others may wait longer; and by when,
/// in seconds, all is as before: on a machine that has nothing else to do.
const REFUSED_WITHIN: Duration = Duration::from_millis(50);
const WAIT_MOST: f64 = 1.5;
const NORMAL_WITHIN: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Storage {
    Plain,
    Slow,
}

impl Storage {
    fn has_figures(self) -> bool {
        self == Self::Slow && is_campaign()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_capacity_on_sqlite_it_refuses_and_goes_on() {
    ask_too_much(Home::on_sqlite(), Storage::Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_capacity_on_slow_storage_it_refuses_and_goes_on() {
    if let Some(home) = on_slow_storage("five times the load").await {
        ask_too_much(home, Storage::Slow).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_beyond_its_share_on_sqlite_is_refused() {
    ask_too_much_for_one(Home::on_sqlite(), Storage::Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_beyond_its_share_on_slow_storage_is_refused_and_no_other() {
    if let Some(home) = on_slow_storage("ten times its share").await {
        ask_too_much_for_one(home, Storage::Slow).await;
    }
}

async fn ask_too_much(home: Home, storage: Storage) {
    let has_figures = storage.has_figures();
    let (server, root) = start(&home, "NODE", NODE_BOUND).await;
    let asker = open("calm", &root).await;
    let [calm, time] = [CALM, FLOOD].map(|it| it[usize::from(has_figures)]);
    let before = server.memory();
    let calm = closed_loop(&asker, NODE_BOUND * BUSY, calm).await;
    let peak = calm.rate();
    let flooding = asker.named("flood");
    let (flood, most) = tokio::join!(
        open_loop(&flooding, peak * TOO_MUCH, time),
        most_memory(&server, time),
    );
    let normal = seconds_to_normal(&asker, NODE_BOUND * BUSY, peak).await;
    let (goodput, grown) = (flood.rate() / peak, most.saturating_sub(before));
    let refusals = Times::new(flood.refusals.clone());
    figures::print(
        &format!("five times the load that is carried on {}", home.database()),
        &format!("{time:?}"),
        &format!(
            "at best {peak:.0} a second; goodput {goodput:.2} of it; {flood}; {} MiB more; normal \
             after {normal:?} s",
            grown >> 20
        ),
    );
    assert!(flood.refused.contains_key("overloaded") && !flood.done.is_empty());
    assert!(grown < MEMORY_MOST, "{grown}");
    assert!(!has_figures || goodput >= GOOD, "{goodput}");
    assert!(!has_figures || refusals.within(99) <= REFUSED_WITHIN);
    assert!(!has_figures || (flood.unsent, normal.is_some()) == (0, true));

    let operations = calm.done.into_iter().chain(flood.done);
    check::with_balances(&asker.api, &operations.collect::<Vec<_>>()).await;
    let after = one_by_one(&asker.named("after"), 50).await;
    assert_eq!(after.refused, BTreeMap::new());
    server.terminate().await;
    check::storage(&home).await;
}

async fn ask_too_much_for_one(home: Home, storage: Storage) {
    let has_figures = storage.has_figures();
    let (server, root) = start(&home, "TENANT", TENANT_BOUND).await;
    let (greedy, modest) = (open("greedy", &root).await, open("modest", &root).await);
    let [calm, time] = [CALM, FLOOD].map(|it| it[usize::from(has_figures)]);
    let best = closed_loop(&greedy.named("best"), TENANT_BOUND * BUSY, calm).await;
    let share = best.rate() * SHARE;
    let (fair, before) = (greedy.named("fair"), modest.named("before"));
    let (fair, before) = tokio::join!(
        open_loop(&fair, share, calm),
        open_loop(&before, share * MODEST, calm),
    );
    let calm_memory = server.memory();
    let (flood, served, most) = tokio::join!(
        open_loop(&greedy, share * GREEDY, time),
        open_loop(&modest, share * MODEST, time),
        most_memory(&server, time),
    );
    let normal = seconds_to_normal(&greedy, TENANT_BOUND * BUSY, best.rate()).await;
    let grown = most.saturating_sub(calm_memory);
    let refusals = Times::new(flood.refusals.clone());
    let p99 = |tally: &Tally| Times::new(tally.waits.clone()).within(99).as_secs_f64();
    let ratio = p99(&served) / p99(&before);
    figures::print(
        &format!("a company at ten times its share on {}", home.database()),
        &format!("{time:?}"),
        &format!(
            "its share is {share:.0} a second; it: {flood}; another: {served}; before: {before}; \
             p99 {ratio:.2} times as long; {} MiB more; normal after {normal:?} s",
            grown >> 20
        ),
    );
    let all = [&fair, &flood, &served];
    let mut codes = all.iter().flat_map(|it| it.refused.keys());
    assert!(codes.all(|code| code == "too-many-requests"));
    assert!(!flood.refused.is_empty());
    // Where the processors are what is busy, clients within their share come late and all at once.
    let is_fair = fair.refused.is_empty() && served.refused.is_empty();
    assert!(storage == Storage::Plain || is_fair);
    assert!(all.iter().all(|it| !it.done.is_empty()));
    assert!(grown < MEMORY_MOST, "{grown}");
    assert!(!has_figures || ratio <= WAIT_MOST, "{ratio}");
    assert!(!has_figures || refusals.within(99) <= REFUSED_WITHIN);
    assert!(!has_figures || (flood.unsent, normal.is_some()) == (0, true));
    check::with_balances(&greedy.api, &flood.done).await;
    check::with_balances(&modest.api, &served.done).await;
    server.terminate().await;
    check::storage(&home).await;
}

async fn on_slow_storage(what: &str) -> Option<Home> {
    let home = Home::on_postgres(what).await?;
    let (_, database) = home.storage().rsplit_once('/').unwrap();
    let mut operator = PgConnection::connect(home.storage()).await.unwrap();
    for setting in [
        format!("commit_delay = {COMMIT_US}"),
        "commit_siblings = 0".into(),
    ] {
        let alter = format!("ALTER DATABASE \"{database}\" SET {setting}");
        let alter = sqlx::query(AssertSqlSafe(alter));
        alter.execute(&mut operator).await.unwrap();
    }
    Some(home)
}

async fn start(home: &Home, bound: &str, most: usize) -> (Server, Api) {
    let variable = format!("QUENTY__ENGINE__{bound}_PENDING_MAX");
    let server = home.serve_with(&[(&variable, &most.to_string())]).await;
    let found_at = watch::channel(server.address).1;
    let api = Api::sign_in(found_at, PASSWORD).await.unwrap();
    (server, api)
}

async fn open(name: &str, root: &Api) -> Asker {
    let (api, shop) = Shop::open_as(name, root.clone()).await;
    let name = name.to_owned();
    Asker { api, shop, name }
}

/// After how many seconds it does nearly as much as it can again; none if that takes too long.
async fn seconds_to_normal(asker: &Asker, at_once: usize, peak: f64) -> Option<usize> {
    for second in 1..=NORMAL_WITHIN {
        let asker = asker.named(&format!("again-{second}"));
        let tally = closed_loop(&asker, at_once, Duration::from_secs(1)).await;
        if tally.rate() >= peak * GOOD {
            return Some(second);
        }
    }
    None
}

async fn most_memory(server: &Server, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(server.memory());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    most
}
