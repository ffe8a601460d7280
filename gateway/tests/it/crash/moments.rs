//! The program aborted at every moment that has a name, with every event and policy in hand at least
//! once: moments and events are paired anew in each run.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors::policies;
use engine::faults::{BATCH_MOMENTS, SAGA_MOMENTS};
use futures::{StreamExt as _, stream};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::watch;

use super::client::{Api, Change, text};
use super::load::Operation;
use super::server::{self, Home};
use super::shop::Shop;
use super::tour::{NOT_TOURED, Tour};
use super::{GOOD_BETWEEN, campaign, check, figures};

/// What an aborted process ends with.
const SIGABRT: i32 = 6;
/// By when a tour comes to every moment: ample, for a busy machine.
const REACHED_WITHIN: Duration = Duration::from_secs(60);
/// Requests at once after each.
const AT_ONCE: usize = 16;
/// The kinds whose loading is interrupted every day.
const LOADED: [&str; 4] = ["order", "stock", "product", "customer"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_at_every_moment_on_sqlite_it_keeps_its_word() {
    survive(Home::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_at_every_moment_on_postgres_it_keeps_its_word() {
    if let Some(home) = Home::on_postgres("aborts on Postgres").await {
        survive(home).await;
    }
}

/// Without this, a moment that nothing comes to any more would fail as a server that does not die.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tour_comes_to_every_event() {
    let home = Home::on_sqlite();
    let server = home.serve().await;
    let (_place, found_at) = watch::channel(server.address);
    let root = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(root.clone()).await;
    let is_over = AtomicBool::new(false);
    tour(&root, &api, &shop, 0, &is_over).walk("order").await;
    let mut toured = BTreeSet::new();
    for company in root.list("/companies").await {
        let company = company["id"].as_str().unwrap();
        toured.extend(happened(&root.clone().within(company)).await);
    }
    let excused = NOT_TOURED.iter().map(|(event, _)| (*event).to_owned());
    let excused: BTreeSet<_> = excused.collect();
    let expected: BTreeSet<_> = events().difference(&excused).cloned().collect();
    assert_eq!(toured, expected);
}

/// The types of all events of a company.
async fn happened(api: &Api) -> BTreeSet<String> {
    let events = api.feed().await.into_iter();
    events.map(|it| text(&it, "type").to_owned()).collect()
}

fn tour<'a>(
    root: &'a Api,
    api: &'a Api,
    shop: &'a Shop,
    number: usize,
    is_over: &'a AtomicBool,
) -> Tour<'a> {
    Tour {
        root,
        api,
        shop,
        name: format!("tour-{number}"),
        is_over,
        operations: Vec::new(),
        steps: 0,
    }
}

/// A bug that is planted must be seen: a request whose key is written in another transaction has its
/// effect twice, and all else once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_another_transaction_would_be_noticed() {
    let abort = "abort:before-commit:order.placed";
    assert_eq!(orders_after(abort).await, 1);
    let with_bug = format!("bug:request-in-another-transaction,{abort}");
    assert_eq!(orders_after(&with_bug).await, 2);
}

/// How many orders there are of a client who asks for one until there is an answer.
async fn orders_after(fault: &str) -> usize {
    let home = Home::on_sqlite();
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let root = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(root).await;
    server.terminate().await;
    let lines = json!([{ "product": shop.common[0], "quantity": 1 }]);
    // Without a reference, which alone would keep a second one away.
    let order = json!({ "customer": shop.customers[0], "lines": lines });
    let change = Change::new("once", "/orders", order);
    let is_over = AtomicBool::new(false);
    let (answer, server) =
        tokio::join!(api.ask_for(&change), abort(&home, &place, fault, &is_over));
    assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    let orders = api.list("/orders").await.len();
    server.terminate().await;
    orders
}

async fn survive(home: Home) {
    let faults = faults(&mut StdRng::seed_from_u64(super::seed()));
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let root = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(root.clone()).await;
    // Of everything there is something from before, which can be loaded.
    let is_over = AtomicBool::new(false);
    let mut first = tour(&root, &api, &shop, faults.len(), &is_over);
    first.walk("order").await;
    let mut operations = first.operations;
    server.terminate().await;
    for (number, fault) in faults.iter().enumerate() {
        let is_over = AtomicBool::new(false);
        let mut tour = tour(&root, &api, &shop, number, &is_over);
        let (moment, what) = fault.rsplit_once(':').unwrap();
        let kind = kind_of(what);
        let walk = async {
            if moment.ends_with("loading") || moment.ends_with("passivating") {
                look_at(&api, kind).await;
            }
            // Once may be too quick: only what was idle for a second leaves before all else.
            while !is_over.load(Ordering::Relaxed) {
                tour.walk(kind).await;
            }
        };
        eprintln!("{number}: {fault}");
        let aborted = abort(&home, &place, fault, &is_over);
        let ((), server) = tokio::join!(walk, aborted);
        operations.append(&mut tour.operations);
        operations.extend(go_on(&api, &shop, number).await);
        server.kill().await;
    }
    let server = home.serve().await;
    place.send_replace(server.address);
    check::without_diary(&api, &operations).await;
    check::only_what_was_told(&api, &operations).await;
    server.terminate().await;
    check::storage(&home).await;
    figures::print(
        &format!("abort at a named moment on {}", home.database()),
        &format!("{} times", faults.len()),
        &format!(
            "every moment was hit; {} operations as told",
            operations.len()
        ),
    );
}

/// Does so much as shows that the server works again.
async fn go_on(api: &Api, shop: &Shop, number: usize) -> Vec<Operation> {
    let receive = async |step: usize| {
        let product = &shop.common[step % shop.common.len()];
        let key = format!("after-{number}-{step}");
        let change = Change::new(&key, "/stock/movements", shop.receipt(product, 1));
        let answer = api.ask_for(&change).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Operation::new(change, answer)
    };
    let receipts = stream::iter(0..GOOD_BETWEEN).map(receive);
    receipts.buffered(AT_ONCE).collect().await
}

/// Reads some that were there before the process was: what the tour makes is never loaded.
async fn look_at(api: &Api, kind: &str) {
    let path = match kind {
        // Every request does.
        "session" => return,
        "stock" => "/stock".to_owned(),
        "company" => "/companies".to_owned(),
        kind => format!("/{}s", kind.replace('_', "-")),
    };
    for item in api.list(&path).await.iter().take(3) {
        api.get(&format!("{path}/{}", item["id"].as_str().unwrap()))
            .await;
    }
}

/// Serves until the fault bites, and again without it.
async fn abort(
    home: &Home,
    place: &watch::Sender<std::net::SocketAddr>,
    fault: &str,
    is_over: &AtomicBool,
) -> server::Server {
    // Few places in memory, where entities are to leave it.
    let residents = if fault.contains("passivating") {
        "16"
    } else {
        "1000"
    };
    let variables = [
        ("QUENTY_FAULT", fault),
        ("QUENTY__ENGINE__RESIDENTS_MAX", residents),
    ];
    // What is left to do from before may bring it there before it serves.
    let ended = match home.try_serve(&variables).await {
        Ok(mut server) => {
            place.send_replace(server.address);
            server.ended(REACHED_WITHIN).await
        }
        Err(ended) => Some(ended),
    };
    let signal = ended.and_then(|status| status.signal());
    assert_eq!(signal, Some(SIGABRT), "{fault}: {ended:?}");
    let server = home.serve().await;
    place.send_replace(server.address);
    is_over.store(true, Ordering::Relaxed);
    server
}

/// Every moment and every event at least once; in a campaign every moment with every event, and with
/// an entity of every kind.
fn faults(random: &mut StdRng) -> Vec<String> {
    let mut events: Vec<_> = events().into_iter().collect();
    events.retain(|event| NOT_TOURED.iter().all(|(other, _)| event != other));
    events.shuffle(random);
    let kinds: BTreeSet<_> = events.iter().map(|it| kind_of(it).to_owned()).collect();
    let kinds: Vec<_> = kinds.into_iter().collect();
    let policies: Vec<_> = policies::ALL
        .iter()
        .map(|it| format!("policy.{}", it.name))
        .collect();
    let first = random.random_range(0..BATCH_MOMENTS.len());
    let batches = paired(&BATCH_MOMENTS, first, &events);
    let sagas = paired(&SAGA_MOMENTS, first, &policies);
    let loaded = LOADED.map(str::to_owned).to_vec();
    let [loaded, dismissed] = campaign([[loaded, Vec::new()], [kinds.clone(), kinds]]);
    let loading = paired(&["loading"], 0, &loaded);
    let passivating = paired(&["passivating"], 0, &dismissed);
    // Of whatever kind: which one makes room is not for a test to say.
    let others = ["abort:passivating", "abort:before-checkpoint"].map(str::to_owned);
    [batches, sagas, loading, passivating, others.to_vec()].concat()
}

/// Each of some things with one of the moments in turn; in a campaign with all of them.
fn paired(moments: &[&str], first: usize, things: &[String]) -> Vec<String> {
    let each = campaign([1, moments.len()]);
    let of = |(number, thing): (usize, &String)| -> Vec<_> {
        let moments = moments.iter().cycle().skip(first + number).take(each);
        moments
            .map(|moment| format!("abort:{moment}:{thing}"))
            .collect()
    };
    things.iter().enumerate().flat_map(of).collect()
}

/// `<kind>.<event>`, or a kind.
fn kind_of(what: &str) -> &str {
    what.split_once('.').map_or(what, |(kind, _)| kind)
}

/// Every event that there is, as the golden files say: `<kind>.<event>`.
fn events() -> BTreeSet<String> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../actors/tests/golden");
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    };
    let of_kind = |kind: String| {
        let files = names(&golden.join(&kind));
        files.into_iter().map(move |file| {
            let (event, _) = file.split_once('.').unwrap();
            format!("{kind}.{event}")
        })
    };
    names(&golden).into_iter().flat_map(of_kind).collect()
}
