//! Every operation as everybody may try it, with ids of a company: who reaches it, and who finds
//! nothing there.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::companies::one_of_each;
use crate::document::topics;
use crate::shop::Shop;
use crate::targets::{Target, census, targets};
use crate::world::World;

/// What every operation gives: to the company's administrator, to one of its viewers, to the
/// administrator of another company, to nobody, and to another company's key. `ok` is for whoever
/// reaches it, whatever comes of the request; `own` for whoever does so in a company of their own.
/// So it is for every kind of topic of a WebSocket, which `watchers.rs` tries.
const MATRIX: &str = include_str!("tenants.txt");

cases! {
    every_operation_tells_apart_who_asks
    every_operation_and_topic_has_its_line
}

/// Somebody, and whether they are of the company that everything is about.
struct Asker {
    client: Client,
    is_ours: bool,
}

/// The askers in the order of the matrix. Those who may change something come last.
async fn askers(ours: &Shop, theirs: &Shop) -> [Asker; 5] {
    let world = ours.world;
    let viewer = world.user(&ours.company, "viewer").await;
    let key = json!({"name": "erp", "scopes": ["read", "write"]});
    let key = theirs.admin.post("/api-keys", &key).await.gives(201);
    let asker = |client: Client, is_ours| Asker { client, is_ours };
    [
        asker(ours.admin.clone(), true),
        asker(world.nobody().sign_in(&viewer).await, true),
        asker(theirs.admin.clone(), false),
        asker(world.nobody(), false),
        asker(world.nobody().bearing(&key.text("secret")), false),
    ]
}

/// A request for every operation of the document, on what the company has.
pub(crate) async fn requests(shop: &Shop) -> BTreeMap<String, (Method, String, Value)> {
    let ids = one_of_each(shop).await;
    let tracking = shop.shipment().await.text("tracking_number");
    let mut good: BTreeMap<String, Target> = BTreeMap::new();
    for target in targets(shop).await {
        good.insert(target.route(), target);
    }
    let mut all = BTreeMap::new();
    for name in operations(shop.world).await {
        let (method, route) = name.split_once(' ').unwrap();
        let request = match good.remove(&name) {
            Some(target) => (target.method, target.path, target.body),
            None => {
                let resource = route.split('/').nth(1).unwrap();
                let id = ids.iter().find(|(it, _)| *it == resource);
                let id = id.map_or("nothing", |(_, id)| id);
                let path = route
                    .replace("{id}", id)
                    .replace("{tracking_number}", &tracking);
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                (method, with_query(path, &ids), json!({}))
            }
        };
        all.insert(name, request);
    }
    all
}

fn with_query(path: String, ids: &[(&'static str, String)]) -> String {
    let id = |name| &ids.iter().find(|(it, _)| *it == name).unwrap().1;
    match path.as_str() {
        // With a cursor that is none, lest the stream never ends.
        "/live/sse" => format!("{path}?topic=order:{}&from=none", id("orders")),
        "/stock/movements" => format!("{path}?stock={}", id("stock")),
        _ => path,
    }
}

pub(crate) async fn operations(world: &'static World) -> BTreeSet<String> {
    let document = world.nobody().get("//openapi.json").await.gives(200);
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.trim_start_matches("/api/v1");
        let methods = methods.as_object().unwrap().keys();
        names.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    names
}

/// What an answer comes to.
fn verdict(asker: &Asker, answer: &Answer) -> String {
    match answer.status {
        status @ (401 | 403 | 404) => status.to_string(),
        500.. => panic!("{answer:?}"),
        // An id in the body that names nothing.
        422 if answer["errors"][0]["code"] == "not-found" => "404".into(),
        _ if asker.is_ours => "ok".into(),
        _ => "own".into(),
    }
}

/// The matrix by operation.
pub(crate) fn lines() -> BTreeMap<String, Vec<&'static str>> {
    let line = |line: &'static str| {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap();
        let name = format!("{} {}", word(), word());
        (name, words.collect())
    };
    MATRIX.lines().map(line).collect()
}

/// Nothing in an answer is the company's.
fn assert_tells_nothing(answer: &Answer, secrets: &[String]) {
    let text = String::from_utf8_lossy(&answer.bytes);
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is told in {answer:?}");
    }
}

async fn every_operation_tells_apart_who_asks(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let requests = requests(&ours).await;
    let mut secrets: Vec<String> = one_of_each(&ours)
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    secrets.push(ours.email.clone());
    let askers = askers(&ours, &theirs).await;
    let before = census(&ours).await;
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (index, asker) in askers.iter().enumerate().rev() {
        if index == 0 {
            assert_eq!(census(&ours).await, before, "somebody changed something");
        }
        for (name, (method, path, body)) in &requests {
            let answer = match name.as_str() {
                // Ends the asker's own sessions, whoever asks.
                "POST /auth/logout" | "POST /auth/password" => continue,
                // Some requests end the administrator's own session.
                _ if index == 0 => {
                    let admin = world.nobody().sign_in(&ours.email).await;
                    admin.send(method.clone(), path, body.to_string()).await
                }
                _ => {
                    asker
                        .client
                        .send(method.clone(), path, body.to_string())
                        .await
                }
            };
            if !asker.is_ours && !path.starts_with("/tracking") && !path.starts_with("/auth/login")
            {
                assert_tells_nothing(&answer, &secrets);
            }
            let verdict = verdict(asker, &answer);
            seen.entry(name.clone()).or_default().insert(0, verdict);
        }
    }
    let told: Vec<_> = seen
        .iter()
        .map(|(name, it)| format!("{name} {}", it.join(" ")))
        .collect();
    let expected: BTreeMap<_, _> = lines();
    for (name, verdicts) in &seen {
        let wanted = expected.get(name).cloned().unwrap_or_default();
        assert_eq!(*verdicts, wanted, "{name}; all: {}", told.join("\n"));
    }
}

async fn every_operation_and_topic_has_its_line(world: &'static World) {
    let mut known: BTreeSet<String> = lines().into_keys().collect();
    known.extend(["POST /auth/logout", "POST /auth/password"].map(str::to_owned));
    let mut there = operations(world).await;
    let document = world.nobody().get("//openapi.json").await.gives(200);
    there.extend(
        topics(&document.body)
            .into_iter()
            .map(|it| format!("TOPIC {it}")),
    );
    assert_eq!(there, known);
}
