//! Companies are apart: another one's ids, cursors and request keys, wherever a request takes such,
//! name nothing and tell nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::companies::one_of_each;
use crate::document::{fields, id_of, operations, parameters};
use crate::shop::{self, Shop};
use crate::targets::{census, replaced, targets};
use crate::tenants;
use crate::world::{PASSWORD, World, unique};

cases! {
    anothers_ids_in_queries_find_nothing
    anothers_ids_in_bodies_name_nothing
    anothers_cursors_are_none
    anothers_key_of_a_request_is_another_key
    a_superusers_key_is_of_one_company
}

async fn document(world: &'static World) -> Value {
    world.nobody().get("//openapi.json").await.gives(200).body
}

/// Ids of a company by their prefix.
async fn ids(shop: &Shop) -> BTreeMap<String, String> {
    let ids = one_of_each(shop).await.into_iter();
    ids.map(|(_, id)| (id.split('_').next().unwrap().to_owned(), id))
        .collect()
}

/// What finds nothing, or is refused as what is not there: no third answer is possible.
#[track_caller]
fn assert_names_nothing(answer: &Answer, question: &str) {
    match answer.status {
        200 => assert!(answer.data().is_empty(), "{question}: {answer:?}"),
        status => assert_eq!(status, 404, "{question}: {answer:?}"),
    }
}

async fn anothers_ids_in_queries_find_nothing(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let ids = ids(&theirs).await;
    let document = document(world).await;
    let mut questions = vec![
        format!("/live/sse?topic=order:{}", ids["ord"]),
        format!("/live/sse?topic=shipment:{}", ids["shp"]),
        format!(
            "/stock/movements?product={}&location={}",
            ids["prd"], ids["loc"]
        ),
    ];
    for (name, operation) in operations(&document) {
        let path = name.trim_start_matches("GET ");
        for (parameter, schema) in parameters(operation, "query") {
            let id = id_of(schema).and_then(|prefix| ids.get(prefix));
            // Of the ledger, these two are good together only.
            if let Some(id) = id.filter(|_| !path.ends_with("movements") || parameter == "stock") {
                questions.push(format!("{path}?{parameter}={id}"));
            }
        }
    }
    assert!(questions.len() >= 9, "{questions:?}");
    for question in questions {
        if !question.contains("/sse") {
            let found = theirs.admin.get(&question).await.gives(200);
            assert!(!found.data().is_empty(), "{question}");
        }
        assert_names_nothing(&ours.admin.get(&question).await, &question);
    }
    let reference = unique("mov");
    let mut receipt = json!({"type": "receipt", "quantity": 1, "reference": reference});
    receipt["product"] = json!(ids["prd"]);
    receipt["location"] = json!(ids["loc"]);
    theirs
        .admin
        .post("/stock/movements", &receipt)
        .await
        .gives(201);
    let question = format!("/stock/movements?reference={reference}");
    assert_eq!(theirs.admin.get(&question).await.gives(200).data().len(), 1);
    assert_names_nothing(&ours.admin.get(&question).await, &question);
}

/// The operations' names and the places of ids in their bodies, as the document has them.
fn places_of_ids(document: &Value) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for (name, operation) in operations(document) {
        let ids = fields(document, operation);
        let ids = ids.iter().filter(|(_, schema)| id_of(schema).is_some());
        places.extend(ids.map(|(place, _)| format!("{name} {place}")));
    }
    places
}

async fn anothers_ids_in_bodies_name_nothing(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let (ids, targets) = (ids(&theirs).await, targets(&ours).await);
    let before = (census(&ours).await, census(&theirs).await);
    let all = places_of_ids(&document(world).await);
    let mut tried = BTreeSet::new();
    for target in &targets {
        let route = target.route();
        for place in all
            .iter()
            .filter_map(|it| it.strip_prefix(&format!("{route} ")))
        {
            let Some(there) = target.body.pointer(place) else {
                continue;
            };
            let id = match place.rsplit('/').next().unwrap() {
                "customer" => &ids["cus"],
                "product" => &ids["prd"],
                _ => &ids["loc"],
            };
            assert_ne!(there, id);
            let body = replaced(&target.body, place, json!(id)).to_string();
            let refusal = target
                .send(body)
                .await
                .refuses(422, "invalid")
                .blames(place);
            assert_eq!(refusal["errors"][0]["code"], "not-found", "{route} {place}");
            tried.insert(format!("{route} {place}"));
        }
    }
    assert_eq!(tried, all);
    assert_eq!((census(&ours).await, census(&theirs).await), before);
}

/// Two of everything, so that a page of one has a next one.
async fn twice_of_each(shop: &Shop) {
    for _ in 0..2 {
        one_of_each(shop).await;
        for (path, body) in [
            ("/customers", shop::customer()),
            ("/locations", shop::location()),
        ] {
            shop.admin.post(path, &body).await.gives(201);
        }
    }
    shop.world.user(&shop.company, "viewer").await;
    shop.world
        .nobody()
        .login(&shop.email, PASSWORD)
        .await
        .gives(200);
}

async fn anothers_cursors_are_none(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    twice_of_each(&theirs).await;
    let mut tried = 0;
    for (name, operation) in operations(&document(world).await) {
        let path = name.trim_start_matches("GET ");
        let mut cursors = parameters(operation, "query").into_iter();
        let cursor = cursors.find(|(name, schema)| {
            ["cursor", "after"].contains(name) && schema["type"] == "string"
        });
        let Some((parameter, _)) = cursor else {
            continue;
        };
        let whose = match path {
            // Only a superuser has more than one, or any at all.
            "/companies" => &world.root,
            "/parked" => continue,
            _ => &theirs.admin,
        };
        let page = whose.get(&format!("{path}?limit=1")).await.gives(200);
        let next = format!("{path}?limit=1&{parameter}={}", page.text("next_cursor"));
        whose.get(&next).await.gives(200);
        ours.admin.get(&next).await.refuses(422, "invalid");
        tried += 1;
    }
    assert!(tried >= 12, "only {tried} were tried");
    let feed = theirs
        .admin
        .get("/events?limit=1")
        .await
        .text("next_cursor");
    let stream = format!("/live/sse?topic=company&from={feed}");
    ours.admin.get(&stream).await.refuses(422, "invalid-cursor");
    let resumed = ours.admin.with("last-event-id", feed);
    resumed
        .get("/live/sse?topic=company")
        .await
        .refuses(422, "invalid-cursor");
}

/// Every operation that takes a key, but those that only superusers may do.
async fn keyed(world: &'static World) -> BTreeSet<String> {
    let lines = tenants::lines();
    let document = document(world).await;
    let takes_key = |operation: &Value| {
        let mut headers = parameters(operation, "header").into_iter();
        headers.any(|(name, _)| name == "idempotency-key")
    };
    let all = operations(&document).filter(|(name, it)| takes_key(it) && lines[name][0] == "ok");
    all.map(|(name, _)| name).collect()
}

async fn anothers_key_of_a_request_is_another_key(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let (our_requests, mut their_requests) = (
        tenants::requests(&ours).await,
        tenants::requests(&theirs).await,
    );
    let lines = census(&theirs).await;
    let secrets: Vec<_> = lines.iter().filter_map(|it| it.split('"').nth(1)).collect();
    let keyed = keyed(world).await;
    assert!(keyed.len() >= 35, "{keyed:?}");
    let key = unique("one and the same ");
    for (name, (method, path, body)) in our_requests {
        if !keyed.contains(&name) {
            continue;
        }
        let (_, their_path, their_body) = their_requests.remove(&name).unwrap();
        // Some of the requests end sessions.
        let them = world.nobody().sign_in(&theirs.email).await.keyed(&key);
        let first = them.send(method.clone(), &their_path, their_body.to_string());
        let first = first.await;
        let us = world.nobody().sign_in(&ours.email).await.keyed(&key);
        let second = us.send(method, &path, body.to_string()).await;
        assert!(
            second.headers.get("idempotent-replayed").is_none(),
            "{second:?}"
        );
        assert_ne!(second["code"], "idempotency-key-reused", "{name}");
        assert_eq!(second.status, first.status, "{second:?}");
        let text = String::from_utf8_lossy(&second.bytes);
        assert!(!secrets.iter().any(|it| text.contains(it)), "{second:?}");
    }
}

async fn a_superusers_key_is_of_one_company(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let body = shop::customer();
    let make = async |client: &Client| {
        client
            .keyed("one and the same")
            .post("/customers", &body)
            .await
    };
    let first = make(&world.root.acting_in(&theirs.company))
        .await
        .gives(201);
    let second = make(&world.root.acting_in(&ours.company)).await.gives(201);
    assert_ne!(second.id(), first.id());
    make(&world.nobody()).await.gives(401);
    let again = make(&world.root.acting_in(&theirs.company)).await;
    assert_eq!(again.gives(201).id(), first.id());
}
