//! Bits flipped and ends cut off in what is stored, in the real databases: documents are rebuilt, and
//! an event that cannot be read takes its own entity out of service and no other.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::cells::{Cell, Cells, STATE_VERSION, Stored, Table};
use super::client::{Api, Change, number, text};
use super::server::{self, Home};
use super::shop::Shop;
use super::{FULL_STATES, campaign, figures};

const DOCUMENTS: usize = 50;
const EVENTS: usize = 20;
/// How often that many are damaged, and mended again, daily and in a campaign.
const DOCUMENT_ROUNDS: [usize; 2] = [1, 20];
const EVENT_ROUNDS: [usize; 2] = [1, 10];
/// Enough that there is something to choose from.
const PRODUCTS: usize = 30;
/// Of so many products there are orders, so that the full states of their stock are stored; of some
/// there are two, so that something has happened since.
const ORDERED: usize = 16;
const ORDERS: usize = 24;
/// The resources that are looked at, each with the context and the kind of its entities.
const RESOURCES: [(&str, &str, &str); 4] = [
    ("/products", "order", "product"),
    ("/stock", "order", "stock"),
    ("/orders", "order", "order"),
    ("/customers", "customer", "customer"),
];

/// A cell as it was, and as it is damaged.
struct Damage {
    was: Cell,
    is: Cell,
}

/// All rows of a table, of the resources that are looked at.
async fn rows(home: &Home, table: Table) -> Vec<Cells> {
    let mut all = Vec::new();
    for context in ["customer", "order"] {
        let rows = table.rows(home, context).await.into_iter();
        all.extend(rows.filter(|row| RESOURCES.iter().any(|it| it.2 == entity(row).0)));
    }
    all
}

fn entity(row: &Cells) -> &(String, Uuid) {
    &row[0].entity
}

/// The cell of a column, unless it is null.
fn cell<'a>(row: &'a Cells, column: &str) -> Option<&'a Cell> {
    row.iter().find(|it| it.column == column)
}

/// One cell of each row, of the column of which there are the fewest yet: so each has its turn,
/// however few rows have something in it.
fn spoil(rows: &[Cells], random: &mut StdRng) -> Vec<Damage> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut damages = Vec::new();
    for row in rows {
        let mut cells = row.clone();
        cells.shuffle(random);
        let count = |it: &Cell| times.get(it.column).copied();
        let was = cells.into_iter().min_by_key(count).unwrap();
        *times.entry(was.column).or_default() += 1;
        damages.push(Damage {
            is: was.damaged(random),
            was,
        });
    }
    damages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_damage_is_noticed_and_stays_where_it_is() {
    survive(Home::on_sqlite().with_settings(FULL_STATES)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_damage_is_noticed_and_stays_where_it_is() {
    if let Some(home) = Home::on_postgres("damage on Postgres").await {
        survive(home.with_settings(FULL_STATES)).await;
    }
}

async fn survive(home: Home) {
    let mut random = StdRng::seed_from_u64(super::seed());
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open_with(api, PRODUCTS).await;
    for number in 0..ORDERS {
        let product = &shop.scarce[number % ORDERED];
        order(&api, &shop, product, &format!("before-{number}")).await;
    }
    let before = picture(&api).await;
    server.terminate().await;
    let (document_rounds, event_rounds) = (campaign(DOCUMENT_ROUNDS), campaign(EVENT_ROUNDS));
    for _ in 0..document_rounds {
        let mut documents = rows(&home, Table::Documents).await;
        documents.shuffle(&mut random);
        documents.truncate(DOCUMENTS);
        assert_eq!(documents.len(), DOCUMENTS);
        let damages = spoil(&documents, &mut random);
        damage(&home, &damages).await;
        let server = home.serve().await;
        place.send_replace(server.address);
        assert_eq!(picture(&api).await, before, "rebuilt");
        server.terminate().await;
        mend(&home, &damages).await;
    }
    for round in 0..event_rounds {
        let server = home.serve().await;
        place.send_replace(server.address);
        let (before, told) = (picture(&api).await, events(&api).await);
        server.terminate().await;
        let (damages, broken) = victims(&home, &shop, &mut random).await;
        damage(&home, &damages).await;
        let server = home.serve().await;
        place.send_replace(server.address);
        let damaged = damages.iter().map(|it| it.was.entity.clone()).collect();
        quarantined(&api, &before, &broken, &damaged).await;
        named(&told, &events(&api).await, &damages);
        // Sagas of the others go on, also in the shards of what is damaged.
        let product = &shop.common[0];
        let order = order(&api, &shop, product, &format!("during-{round}")).await;
        assert_eq!(order["status"], "confirmed", "{order}");
        server.terminate().await;
        mend(&home, &damages).await;
    }
    super::check::storage(&home).await;
    let [documents, events] = [DOCUMENTS * document_rounds, EVENTS * event_rounds];
    figures::print(
        &format!("damage on {}", home.database()),
        &format!("{documents} documents, {events} events"),
        "every one named; documents rebuilt, entities with damaged events out of service alone",
    );
}

/// Events of so many entities, and the documents of half of them; and those who cannot be made of
/// what is left.
async fn victims(
    home: &Home,
    shop: &Shop,
    random: &mut StdRng,
) -> (Vec<Damage>, BTreeSet<(String, Uuid)>) {
    let documents = rows(home, Table::Documents).await;
    // What the order that comes afterwards needs: its customer, its product and the stock of that.
    let (customer, product) = (shop.customers[0].as_str(), shop.common[0].as_str());
    let needed = |row: &&Cells| {
        let id = actors::ids::encode(entity(row).1);
        let Some(Stored::Text(listed)) = cell(row, "listed").map(|it| &it.value) else {
            unreachable!();
        };
        customer.ends_with(&id) || product.ends_with(&id) || listed.contains(product)
    };
    let spared: BTreeSet<_> = documents.iter().filter(needed).map(entity).collect();
    let mut events = rows(home, Table::Events).await;
    events.retain(|row| !spared.contains(entity(row)));
    events.shuffle(random);
    let mut seen = BTreeSet::new();
    events.retain(|row| seen.len() < EVENTS && seen.insert(entity(row).clone()));
    assert_eq!(events.len(), EVENTS);
    let mut damages = spoil(&events, random);
    damages.truncate(EVENTS - 2);
    damages.extend(swapped(&events[EVENTS - 2..]));
    let mut broken: BTreeSet<_> = events.iter().step_by(2).map(entity).cloned().collect();
    let both = documents.iter().filter(|row| broken.contains(entity(row)));
    let both: Vec<_> = both.cloned().collect();
    let is_read = |row: &&Cells| damages.iter().any(|it| is_replayed(row, it));
    broken.extend(documents.iter().filter(is_read).map(entity).cloned());
    damages.extend(spoil(&both, random));
    (damages, broken)
}

/// Whether an entity is made of a damaged event even if its document is sound: what has a summary
/// there is made of its full state, if that is stored, and the events since.
fn is_replayed(document: &Cells, damage: &Damage) -> bool {
    let Damage { was, is } = damage;
    let (kind, latest) = (&*entity(document).0, document[0].version);
    let stored = match cell(document, STATE_VERSION).map(|it| &it.value) {
        Some(Stored::Number(stored)) => *stored,
        _ if kind == "stock" => 0,
        _ => latest,
    };
    // What is damaged in its version looks like one of the last.
    let is_later = was.version > stored || is.column == "version";
    was.entity == *entity(document) && stored < latest && is_later
}

/// Two events with each other's data.
fn swapped(events: &[Cells]) -> [Damage; 2] {
    let [one, other] = [&events[0], &events[1]].map(|row| cell(row, "data").unwrap());
    assert_ne!(one.value, other.value);
    let with = |was: &Cell, other: &Cell| Damage {
        is: was.with(other.value.clone()),
        was: was.clone(),
    };
    [with(one, other), with(other, one)]
}

/// Damages what is stored; the program must name all of it.
async fn damage(home: &Home, damages: &[Damage]) {
    for damage in damages {
        damage.is.write(home).await;
    }
    let verified = home.run(None, &["verify"]).await;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(!verified.status.success(), "{said}");
    for Damage { was, is } in damages {
        let is_named = was.names().iter().any(|name| said.contains(name));
        let (column, value) = (is.column, &is.value);
        assert!(
            is_named,
            "{:?}: {column} = {value:?} is not in:\n{said}",
            was.names()
        );
    }
}

/// Puts back what was there.
async fn mend(home: &Home, damages: &[Damage]) {
    for damage in damages {
        damage.was.write(home).await;
    }
}

async fn order(api: &Api, shop: &Shop, product: &str, name: &str) -> Value {
    let lines = json!([{ "product": product, "quantity": 1 }]);
    let order = json!({ "customer": shop.customers[0], "reference": name, "lines": lines });
    let placed = api
        .ask_for(&Change::new(name, "/orders", order))
        .await
        .json();
    let path = format!("/orders/{}", text(&placed, "id"));
    super::linear::until(api, &path, |it| it["status"] != "placed").await
}

/// Every resource as lists and as itself, with where it is.
async fn picture(api: &Api) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (path, _, _) in RESOURCES {
        for item in api.list(path).await {
            let path = format!("{path}/{}", text(&item, "id"));
            assert_eq!(api.get(&path).await, item, "{path}");
            all.push((path, item));
        }
    }
    all
}

/// What the company is told happened, by context, shard and position.
async fn events(api: &Api) -> BTreeMap<(String, i64, i64), Value> {
    let mut all = BTreeMap::new();
    for event in api.feed().await {
        let [shard, seq] = ["shard", "seq"].map(|field| number(&event, field));
        let place = (text(&event, "context").to_owned(), shard, seq);
        assert_eq!(all.insert(place, event), None);
    }
    all
}

/// Every damaged event is named in its place, and all others are told as before.
fn named(
    before: &BTreeMap<(String, i64, i64), Value>,
    now: &BTreeMap<(String, i64, i64), Value>,
    damages: &[Damage],
) {
    let damages = damages
        .iter()
        .filter_map(|it| Some((it.was.in_feed()?, it)));
    let damages: BTreeMap<_, _> = damages.collect();
    for (place, event) in before {
        let told = now.get(place);
        match damages.get(place).map(|it| it.was.column) {
            None => assert_eq!(told, Some(event), "{place:?}"),
            // Where it is and whose it is only it itself says.
            Some("shard" | "seq" | "tenant") => assert_eq!(told, None, "{place:?}"),
            Some(column) => {
                let object = told.map(|it| &it["object"]);
                assert_eq!(object, Some(&json!("damaged_event")), "{place:?}: {column}");
            }
        }
    }
    assert!(damages.keys().all(|it| before.contains_key(it)));
}

/// What has lost both its document and an event is out of service; everything else is as it was.
async fn quarantined(
    api: &Api,
    before: &[(String, Value)],
    broken: &BTreeSet<(String, Uuid)>,
    damaged: &BTreeSet<(String, Uuid)>,
) {
    let ids = |all: &BTreeSet<(String, Uuid)>| -> BTreeSet<String> {
        all.iter().map(|it| actors::ids::encode(it.1)).collect()
    };
    let (broken, damaged) = (ids(broken), ids(damaged));
    for (path, item) in before {
        let (_, id) = path.rsplit_once('_').unwrap();
        let answer = api.look(path).await;
        if broken.contains(id) {
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (500, &json!("damaged")),
                "{path}"
            );
        } else {
            assert_eq!(
                (answer.status, answer.json()),
                (200, item.clone()),
                "{path}"
            );
        }
        let history = api.look(&format!("{path}/history")).await;
        let expected = if damaged.contains(id) { 500 } else { 200 };
        assert_eq!(history.status, expected, "{path}: {}", history.body);
    }
}
