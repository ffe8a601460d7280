//! Viewers against a whole engine on journals in memory: no gap, no repeat, whatever happens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors::customer::Customer;
use actors::ids::ShipmentId;
use actors::shipment::{Command, Shipment};
use engine::journal::Journal;
use engine::journal::memory::Memory;
use engine::{Meta, Reply};
use rand::RngExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::cursor::Vector;
use super::feed;
use super::hub::follow;
use super::session::Session;
use super::tenure::{End, Tenure};
use super::topic::{PUBLIC, Topic};
use crate::app::{App, CONTEXTS};
use crate::auth::caller::{Caller, Credential};
use crate::config::Config;

const TENANT: Uuid = Uuid::from_u128(0xC0);
const OTHER: Uuid = Uuid::from_u128(0xC1);

type Journals = Vec<(&'static str, Arc<dyn Journal>)>;

struct World {
    app: Arc<App>,
    journals: Journals,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let journal = |name| (name, Arc::new(Memory::new(4)) as Arc<dyn Journal>);
        let journals = CONTEXTS.map(journal).to_vec();
        Self::on(journals, tempfile::tempdir().unwrap()).await
    }

    async fn on(journals: Journals, folder: TempDir) -> Self {
        let key = folder.path().join("key.pem").display().to_string();
        let settings = [("QUENTY__AUTH__SIGNING_KEY_FILE".to_owned(), key)];
        let config = Config::load_with(None, settings).unwrap();
        Self {
            app: App::with_journals(config, journals.clone()).await.unwrap(),
            journals,
            folder,
        }
    }

    /// The program stops, and another one goes on with its journals.
    async fn restarted(self) -> Self {
        self.app.engine.stop(Duration::from_secs(5)).await;
        Self::on(self.journals, self.folder).await
    }

    async fn send(&self, id: ShipmentId, command: Value) {
        send(&self.app, id, command).await;
    }

    async fn shipment(&self) -> ShipmentId {
        let id = ShipmentId::from(Uuid::now_v7());
        let consignee =
            json!({"name": "Ana", "lines": ["Rua 1"], "city": "Recife", "country": "BR"});
        let create = json!({
            "order": null, "lines": [], "parcels": [{"weight_g": 100}], "consignee": consignee,
            "sender": null, "carrier": "generic", "service": null, "numbering": "own",
            "estimated_delivery": null, "reference": null, "metadata": {},
        });
        self.send(id, json!({"Create": create})).await;
        id
    }

    /// Files so many scans, one event each.
    async fn scan(&self, id: ShipmentId, numbers: std::ops::Range<u32>) {
        scan(&self.app, id, numbers).await;
    }

    fn session(&self) -> Session {
        Session::new(Arc::clone(&self.app), Some(TENANT))
    }

    async fn watching(&self, topic: &str, from: Option<&str>) -> Session {
        let mut session = self.session();
        session.subscribe(topic, from).await.unwrap();
        session
    }
}

async fn send(app: &App, id: ShipmentId, command: Value) {
    let command: Command = serde_json::from_value(command).unwrap();
    let meta = Meta::new(TENANT, "usr_test", "request", Duration::from_secs(10));
    let shipments = app.engine.entities::<Shipment>().unwrap();
    let reply = shipments.send(id, command, meta).await.unwrap();
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
}

/// Many at a time: a viewer's patience runs meanwhile, and the machine may be busy.
async fn scan(app: &App, id: ShipmentId, numbers: std::ops::Range<u32>) {
    let scan = |number: u32| {
        let at = format!("2026-01-02T{:02}:{:02}:00Z", number / 60 % 24, number % 60);
        json!({
            "code": format!("S{number}"), "status": "in_transit", "occurred_at": at,
            "description": "signed by Ana",
        })
    };
    let scans: Vec<_> = numbers.map(scan).collect();
    for scans in scans.chunks(50) {
        send(app, id, json!({ "Record": scans })).await;
    }
}

async fn next(session: &mut Session) -> Value {
    let message = tokio::time::timeout(Duration::from_secs(10), session.next()).await;
    serde_json::from_str(&message.unwrap().text).unwrap()
}

fn cursor(message: &Value) -> String {
    message["cursor"].as_str().unwrap().to_owned()
}

/// The versions of so many events.
async fn versions(session: &mut Session, count: usize) -> Vec<u64> {
    let mut versions = Vec::new();
    while versions.len() < count {
        let message = next(session).await;
        assert_eq!(message["type"], "event", "{message}");
        assert_eq!(message["cursor"], message["event"]["version"].to_string());
        versions.push(message["event"]["version"].as_u64().unwrap());
    }
    versions
}

#[tokio::test]
async fn from_any_cursor_every_event_comes_once_and_in_order() {
    let world = World::new().await;
    let id = world.shipment().await;
    world.scan(id, 0..300).await;
    let writer = tokio::spawn({
        let app = Arc::clone(&world.app);
        async move { scan(&app, id, 300..600).await }
    });
    let viewers = [0_u64, 1, 64, 150, 300, 301].map(|from| {
        let app = Arc::clone(&world.app);
        tokio::spawn(async move {
            let mut session = Session::new(app, Some(TENANT));
            let topic = format!("shipment:{id}");
            session
                .subscribe(&topic, Some(&from.to_string()))
                .await
                .unwrap();
            let hello = next(&mut session).await;
            assert_eq!(
                (&hello["type"], &hello["snapshot"]),
                (&json!("subscribed"), &Value::Null)
            );
            let expected: Vec<u64> = (from + 1..=601).collect();
            assert_eq!(versions(&mut session, expected.len()).await, expected);
        })
    });
    for viewer in viewers {
        viewer.await.unwrap();
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn without_a_cursor_there_is_a_snapshot_and_then_what_follows() {
    let world = World::new().await;
    let id = world.shipment().await;
    world.scan(id, 0..3).await;
    let mut session = world.watching(&format!("shipment:{id}"), None).await;
    let hello = next(&mut session).await;
    assert_eq!(hello["cursor"], "4");
    assert_eq!(hello["snapshot"]["id"], id.to_string());
    assert_eq!(hello["snapshot"]["events"].as_array().unwrap().len(), 3);
    world.scan(id, 3..5).await;
    assert_eq!(versions(&mut session, 2).await, [5, 6]);
}

#[tokio::test]
async fn a_company_resumes_without_gap_or_repeat_across_restarts() {
    let mut world = World::new().await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let mut from = cursor(&next(&mut world.watching("company", None).await).await);
    let (mut seen, mut latest) = (BTreeSet::new(), std::collections::HashMap::new());
    let mut written = 0;
    for round in 0..12_u32 {
        let id = world.shipment().await;
        let writer = tokio::spawn({
            let app = Arc::clone(&world.app);
            async move { scan(&app, id, 0..40).await }
        });
        written += 41;
        let mut session = world.watching("company", Some(&from)).await;
        next(&mut session).await;
        // Some rounds break off in the middle, others go on until there is no more.
        let until = match round {
            11 => written,
            _ => random.random_range(seen.len()..=written),
        };
        while seen.len() < until {
            let message = next(&mut session).await;
            let event = &message["event"];
            from = cursor(&message);
            assert!(seen.insert(event["id"].to_string()), "{event} came twice");
            let resource = event["resource"].to_string();
            let version = event["version"].as_u64().unwrap();
            assert_eq!(latest.insert(resource, version).unwrap_or(0) + 1, version);
        }
        writer.await.unwrap();
        drop(session);
        if round % 4 == 3 {
            world = world.restarted().await;
        }
    }
    assert_eq!(seen.len(), written);
}

#[tokio::test]
async fn a_page_ends_where_the_feed_does_although_others_events_were_passed() {
    let world = World::new().await;
    let id = world.shipment().await;
    world.scan(id, 0..9).await;
    let read = async |tenant, limit| {
        let from = Vector::default();
        feed::page(&world.app.engine, tenant, &from, limit)
            .await
            .unwrap()
    };
    let others = read(OTHER, 5).await;
    assert!(others.is_end && others.events.is_empty());
    assert_eq!(
        others.after,
        Vector::heads(&world.app.engine).await.unwrap()
    );
    assert!(read(TENANT, 100).await.is_end);
    assert!(!read(TENANT, 5).await.is_end);
}

#[tokio::test]
async fn a_burst_is_read_from_the_journal_by_a_viewer_in_time() {
    let world = World::new().await;
    let id = world.shipment().await;
    let mut shipment = world.watching(&format!("shipment:{id}"), None).await;
    let mut company = world.watching("company", None).await;
    next(&mut shipment).await;
    next(&mut company).await;
    world.scan(id, 0..400).await;
    let expected: Vec<u64> = (2..=401).collect();
    assert_eq!(versions(&mut shipment, 400).await, expected);
    for version in expected {
        assert_eq!(next(&mut company).await["event"]["version"], version);
    }
}

#[tokio::test]
async fn a_viewer_that_lags_is_told_how_things_stand() {
    let world = World::new().await;
    let id = world.shipment().await;
    let mut shipment = world.watching(&format!("shipment:{id}"), None).await;
    let mut company = world.watching("company", None).await;
    next(&mut shipment).await;
    next(&mut company).await;
    world.scan(id, 0..400).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    let lagged = next(&mut shipment).await;
    assert_eq!(
        (&lagged["type"], &lagged["skipped"]),
        (&json!("lagged"), &json!(400))
    );
    assert_eq!(
        (&lagged["cursor"], &lagged["snapshot"]["version"]),
        (&json!("401"), &json!(401))
    );
    let lagged = next(&mut company).await;
    assert_eq!(
        (&lagged["type"], &lagged["skipped"]),
        (&json!("lagged"), &json!(400))
    );
    world.scan(id, 400..402).await;
    assert_eq!(versions(&mut shipment, 2).await, [402, 403]);
    let mut resumed = world.watching("company", Some(&cursor(&lagged))).await;
    next(&mut resumed).await;
    for version in [402, 403] {
        assert_eq!(next(&mut company).await["event"]["version"], version);
        assert_eq!(next(&mut resumed).await["event"]["version"], version);
    }
}

#[tokio::test]
async fn nothing_is_kept_when_nobody_watches() {
    let world = World::new().await;
    let id = world.shipment().await;
    let session = world.watching(&format!("shipment:{id}"), None).await;
    assert_eq!(world.app.live.topics(), 1);
    drop(session);
    assert_eq!(world.app.live.topics(), 0);
}

#[tokio::test]
async fn only_what_is_the_companys_can_be_watched() {
    let world = World::new().await;
    let id = world.shipment().await;
    let topic = format!("shipment:{id}");
    let refusal = async |tenant: Option<Uuid>, topic: &str, from: Option<&str>| {
        let mut session = Session::new(Arc::clone(&world.app), tenant);
        session.subscribe(topic, from).await.unwrap_err().code()
    };
    let ours = Some(TENANT);
    assert_eq!(refusal(Some(OTHER), &topic, None).await, "not-found");
    assert_eq!(refusal(None, &topic, None).await, "forbidden");
    for unknown in [
        "shipment",
        "shipment:",
        "stock:x",
        "order:ord_0",
        "tracking:x",
        "",
    ] {
        assert_eq!(refusal(ours, unknown, None).await, "not-found", "{unknown}");
    }
    for cursor in ["2", "-1", "", "x"] {
        assert_eq!(
            refusal(ours, &topic, Some(cursor)).await,
            "invalid-cursor",
            "{cursor}"
        );
    }
    let theirs = next(&mut world.watching("company", None).await).await;
    let other = Some(OTHER);
    let from = Some(cursor(&theirs));
    assert_eq!(
        refusal(other, "company", from.as_deref()).await,
        "invalid-cursor"
    );
    let fresh = World::new().await;
    let mut session = fresh.session();
    let ahead = session
        .subscribe("company", from.as_deref())
        .await
        .unwrap_err();
    assert_eq!(ahead.code(), "invalid-cursor");
    let mut session = world.watching(&topic, None).await;
    let again = session.subscribe(&topic, None).await.unwrap_err();
    assert_eq!(again.code(), "already-subscribed");
    session.unsubscribe(&topic).unwrap();
    assert_eq!(session.unsubscribe(&topic).unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn a_connection_rests_on_its_credential() {
    let world = World::new().await;
    let (operator, nobody) = (Uuid::nil(), Uuid::from_u128(1));
    let tokens = &world.app.tokens;
    let caller = |user| Caller {
        tenant: operator,
        principal: "usr_test".into(),
        role: None,
        can_write: false,
        expires_at: None,
        credential: Credential::Token(
            tokens
                .verify(&tokens.issue(user, nobody, TENANT).unwrap())
                .unwrap(),
        ),
    };
    let over = |caller| Tenure::new(Arc::clone(&world.app), Some(caller)).over();
    tokio::time::pause();
    assert_eq!(over(caller(nobody)).await, End::Revoked);
    let minutes = tokio::time::timeout(Duration::from_secs(120), over(caller(operator))).await;
    assert!(minutes.is_err(), "a good credential was dropped");
    let mut expired = caller(operator);
    expired.expires_at = Some(chrono::Utc::now());
    assert_eq!(over(expired).await, End::Expired);
    tokio::time::resume();
    world.app.shutdown.cancel();
    assert_eq!(over(caller(operator)).await, End::GoingAway);
}

#[tokio::test]
async fn the_public_learns_nothing_of_a_person() {
    let world = World::new().await;
    let id = world.shipment().await;
    let mut session = Session::new(Arc::clone(&world.app), None);
    let topic = Topic::Entity {
        kind: &PUBLIC,
        tenant: TENANT,
        id: id.into(),
    };
    session.watch(topic, None).await.unwrap();
    let mut said = vec![next(&mut session).await];
    world.scan(id, 0..1).await;
    world
        .send(
            id,
            json!({"Record": [
                {"code": "D", "status": "delivered", "occurred_at": "2026-01-03T00:00:00Z"},
            ]}),
        )
        .await;
    said.push(next(&mut session).await);
    said.push(next(&mut session).await);
    assert_eq!(said[1]["topic"], "tracking");
    assert_eq!(said[1]["event"]["scan"]["status"], "in_transit");
    assert_eq!(said[2]["event"]["status"], "delivered");
    let said = Value::from(said).to_string();
    for secret in ["Ana", "Rua", "usr_", "request", &id.to_string()] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

/// All contexts share one way to the fan. Whoever has much to tell waits its turn there.
#[tokio::test]
async fn a_busy_context_does_not_hold_up_another() {
    let world = World::new().await;
    for _ in 0..64 {
        world.shipment().await;
    }
    let customer = json!({"type": "create", "details": {"type": "business", "name": "Acme"}});
    let customers = world.app.engine.entities::<Customer>().unwrap();
    let meta = Meta::new(TENANT, "usr_test", "request", Duration::from_secs(10));
    let create = serde_json::from_value(customer).unwrap();
    let reply = customers.send(Uuid::now_v7().into(), create, meta).await;
    assert!(matches!(reply.unwrap(), Reply::Done(_)));
    let (batches, mut incoming) = tokio::sync::mpsc::channel(1);
    for context in [2, 0] {
        let from = Some(engine::feed::Positions::new());
        let reader = world.app.engine.follow(CONTEXTS[context], from).await;
        tokio::spawn(follow(context, reader.unwrap(), batches.clone()));
    }
    let (mut turns, mut told) = (Vec::new(), 0);
    while told < 65 {
        let batch = tokio::time::timeout(Duration::from_secs(10), incoming.recv()).await;
        let (context, events) = batch.unwrap().unwrap();
        turns.push(context);
        told += events.len();
    }
    // One batch is in the channel and one waits before the other context's: never all of them.
    let turn = turns.iter().position(|context| *context == 0).unwrap();
    assert!(turn <= 2 && turns.len() > 4, "{turns:?}");
}
