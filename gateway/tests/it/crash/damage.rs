//! Bits flipped and ends cut off in stored text, in the real databases: documents are rebuilt, and
//! an event that cannot be read takes its own entity out of service and no other.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::sync::watch;
use uuid::Uuid;

use super::client::{Api, Change};
use super::server::{self, Home};
use super::shop::Shop;
use super::{campaign, figures};

const DOCUMENTS: usize = 50;
const EVENTS: usize = 20;
/// How often that many are damaged, and mended again, daily and in a campaign.
const DOCUMENT_ROUNDS: [usize; 2] = [1, 20];
const EVENT_ROUNDS: [usize; 2] = [1, 10];
/// Enough that there is something to choose from.
const PRODUCTS: usize = 30;
/// The resources that are looked at, each with the context and the kind of its entities.
const RESOURCES: [(&str, &str, &str); 4] = [
    ("/products", "order", "product"),
    ("/stock", "order", "stock"),
    ("/orders", "order", "order"),
    ("/customers", "customer", "customer"),
];

/// A stored text, and where it is.
#[derive(Clone)]
struct Cell {
    context: &'static str,
    table: Table,
    kind: String,
    entity: Uuid,
    version: i64,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Documents,
    Events,
}

/// An open database.
enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

type Row = (String, Uuid, i64, String);

impl Database {
    async fn open(home: &Home, context: &str) -> Self {
        if home.storage().starts_with("sqlite") {
            let file = home.folder().join(format!("data/{context}.db"));
            let url = format!("sqlite:{}", file.display());
            return Self::Sqlite(SqliteConnection::connect(&url).await.unwrap());
        }
        let mut connection = PgConnection::connect(home.storage()).await.unwrap();
        let path = format!("SET search_path = \"{context}\"");
        let path = sqlx::query(AssertSqlSafe(path));
        path.execute(&mut connection).await.unwrap();
        Self::Postgres(connection)
    }

    async fn rows(&mut self, select: &'static str) -> Vec<Row> {
        let rows = match self {
            Self::Sqlite(it) => sqlx::query_as(select).fetch_all(it).await,
            Self::Postgres(it) => sqlx::query_as(select).fetch_all(it).await,
        };
        rows.unwrap()
    }

    async fn write(&mut self, cell: &Cell) {
        let update = cell.table.update();
        macro_rules! run {
            ($connection:expr) => {
                sqlx::query(update)
                    .bind(&cell.text)
                    .bind(&cell.kind)
                    .bind(cell.entity)
                    .bind(cell.version)
                    .execute($connection)
                    .await
                    .unwrap()
                    .rows_affected()
            };
        }
        let written = match self {
            Self::Sqlite(it) => run!(it),
            Self::Postgres(it) => run!(it),
        };
        assert_eq!(written, 1);
    }
}

impl Table {
    fn select(self) -> &'static str {
        match self {
            Self::Documents => "SELECT kind, id, version, listed FROM documents ORDER BY kind, id",
            Self::Events => {
                "SELECT kind, entity, version, data FROM events ORDER BY kind, entity, version"
            }
        }
    }

    fn update(self) -> &'static str {
        match self {
            Self::Documents => {
                "UPDATE documents SET listed = $1 WHERE kind = $2 AND id = $3 AND version = $4"
            }
            Self::Events => {
                "UPDATE events SET data = $1 WHERE kind = $2 AND entity = $3 AND version = $4"
            }
        }
    }
}

impl Cell {
    /// All texts of a table, of the resources that are looked at.
    async fn all(home: &Home, table: Table) -> Vec<Self> {
        let mut all = Vec::new();
        for context in ["customer", "order"] {
            let mut database = Database::open(home, context).await;
            for (kind, entity, version, text) in database.rows(table.select()).await {
                if RESOURCES.iter().any(|(_, _, it)| *it == kind) {
                    all.push(Self {
                        context,
                        table,
                        kind,
                        entity,
                        version,
                        text,
                    });
                }
            }
        }
        all
    }

    /// With one bit flipped, or cut off.
    fn damaged(&self, random: &mut StdRng) -> Self {
        let mut bytes = self.text.clone().into_bytes();
        // Postgres stores only text: what is flipped stays ASCII, and no NUL.
        let places: Vec<_> = (0..bytes.len()).filter(|it| bytes[*it] > 32).collect();
        let place = places[random.random_range(0..places.len())];
        if random.random_range(0..4) == 0 && self.text.is_char_boundary(place) {
            bytes.truncate(place);
        } else if bytes[place].is_ascii() {
            bytes[place] ^= 1 << random.random_range(0..5);
        } else {
            bytes = self
                .text
                .replace(|it: char| !it.is_ascii(), "?")
                .into_bytes();
        }
        Self {
            text: String::from_utf8(bytes).unwrap(),
            ..self.clone()
        }
    }

    fn is_of(&self, entity: &(String, Uuid)) -> bool {
        (&self.kind, self.entity) == (&entity.0, entity.1)
    }

    fn entity(&self) -> (String, Uuid) {
        (self.kind.clone(), self.entity)
    }
}

async fn write(home: &Home, cells: &[Cell]) {
    for cell in cells {
        Database::open(home, cell.context).await.write(cell).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_damage_is_noticed_and_stays_where_it_is() {
    survive(Home::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_damage_is_noticed_and_stays_where_it_is() {
    if let Some(home) = Home::on_postgres("damage on Postgres").await {
        survive(home).await;
    }
}

async fn survive(home: Home) {
    let mut random = StdRng::seed_from_u64(super::seed());
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, shop) = Shop::open_with(api, PRODUCTS).await;
    for number in 0..8 {
        order(
            &api,
            &shop,
            &shop.scarce[number],
            &format!("before-{number}"),
        )
        .await;
    }
    let before = picture(&api).await;
    server.terminate().await;
    let (document_rounds, event_rounds) = (campaign(DOCUMENT_ROUNDS), campaign(EVENT_ROUNDS));
    for _ in 0..document_rounds {
        let mut cells = Cell::all(&home, Table::Documents).await;
        cells.shuffle(&mut random);
        cells.truncate(DOCUMENTS);
        assert_eq!(cells.len(), DOCUMENTS);
        damage(&home, &cells, &mut random).await;
        let server = home.serve().await;
        place.send_replace(server.address);
        assert_eq!(picture(&api).await, before, "rebuilt");
        server.terminate().await;
        write(&home, &cells).await;
    }
    for round in 0..event_rounds {
        let (cells, broken) = victims(&home, &shop, &mut random).await;
        damage(&home, &cells, &mut random).await;
        let server = home.serve().await;
        place.send_replace(server.address);
        let damaged = cells.iter().map(Cell::entity).collect();
        quarantined(&api, &before, &broken, &damaged).await;
        // Sagas of the others go on, also in the shards of what is damaged.
        let product = &shop.common[0];
        let order = order(&api, &shop, product, &format!("during-{round}")).await;
        assert_eq!(order["status"], "confirmed", "{order}");
        server.terminate().await;
        write(&home, &cells).await;
    }
    super::check::storage(&home).await;
    let [documents, events] = [DOCUMENTS * document_rounds, EVENTS * event_rounds];
    figures::print(
        &format!("damage on {}", home.database()),
        &format!("{documents} documents, {events} events"),
        "every one named; documents rebuilt, entities with damaged events out of service alone",
    );
}

/// Events of so many entities, and the documents of half of them; and those who have lost both.
async fn victims(
    home: &Home,
    shop: &Shop,
    random: &mut StdRng,
) -> (Vec<Cell>, BTreeSet<(String, Uuid)>) {
    let documents = Cell::all(home, Table::Documents).await;
    // What the order that comes afterwards needs: its customer, its product and the stock of that.
    let product = shop.common[0].as_str();
    let needed = |cell: &Cell| match cell.kind.as_str() {
        "customer" => true,
        "product" => product.ends_with(&actors::ids::encode(cell.entity)),
        _ => cell.text.contains(product),
    };
    let spared: BTreeSet<_> = documents
        .iter()
        .filter(|it| needed(it))
        .map(Cell::entity)
        .collect();
    let mut events = Cell::all(home, Table::Events).await;
    events.retain(|cell| !spared.contains(&cell.entity()));
    events.shuffle(random);
    let mut seen = BTreeSet::new();
    events.retain(|cell| seen.len() < EVENTS && seen.insert(cell.entity()));
    assert_eq!(events.len(), EVENTS);
    let mut broken: BTreeSet<_> = events.iter().step_by(2).map(Cell::entity).collect();
    let both = documents
        .into_iter()
        .filter(|it| broken.iter().any(|entity| it.is_of(entity)));
    let both: Vec<_> = both.collect();
    // What has a summary in its document is made of its events whenever it is loaded.
    broken.extend(seen.into_iter().filter(|(kind, _)| kind == "stock"));
    events.extend(both);
    (events, broken)
}

/// Damages texts; the program must name all of them.
async fn damage(home: &Home, cells: &[Cell], random: &mut StdRng) {
    let damaged: Vec<_> = cells.iter().map(|cell| cell.damaged(random)).collect();
    write(home, &damaged).await;
    let verified = home.run(None, &["verify"]).await;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(!verified.status.success(), "{said}");
    for cell in cells {
        let (kind, entity) = cell.entity();
        let name = format!("{kind} {entity}");
        assert!(said.contains(&name), "{name} is not in:\n{said}");
    }
}

async fn order(api: &Api, shop: &Shop, product: &str, name: &str) -> Value {
    let lines = json!([{ "product": product, "quantity": 1 }]);
    let order = json!({ "customer": shop.customers[0], "lines": lines });
    let placed = api
        .ask_for(&Change::new(name, "/orders", order))
        .await
        .json();
    let path = format!("/orders/{}", placed["id"].as_str().unwrap());
    super::linear::until(api, &path, |it| it["status"] != "placed").await
}

/// Every resource as lists and as itself, with where it is.
async fn picture(api: &Api) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (path, _, _) in RESOURCES {
        for item in api.list(path).await {
            let path = format!("{path}/{}", item["id"].as_str().unwrap());
            assert_eq!(api.get(&path).await, item, "{path}");
            all.push((path, item));
        }
    }
    all
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
                (500, &json!("internal")),
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
