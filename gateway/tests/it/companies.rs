//! Companies are apart: nobody reaches into another one, whatever ids they know.

use axum::http::Method;
use serde_json::{Value, json};

use crate::shop::{self, Shop};
use crate::world::{PASSWORD, World, unique};

cases! {
    anothers_ids_name_nothing_on_any_route
    anothers_ids_in_a_body_are_no_ids_of_ours
    a_superuser_says_in_which_company
    nobody_of_a_suspended_company_gets_in
}

/// An id of each resource, by the first part of its path.
pub(crate) async fn one_of_each(shop: &Shop) -> Vec<(&'static str, String)> {
    let product = shop.product(5).await;
    let order = shop.packed(&[(&product, 1)]).await;
    let shipment = shop.ship(&order, &json!({})).await;
    let key = json!({"name": "erp", "scopes": ["read"]});
    let key = shop.admin.post("/api-keys", &key).await.gives(201).id();
    vec![
        ("users", shop.admin.first("/users").await),
        ("sessions", shop.admin.first("/sessions").await),
        ("stock", shop.admin.first("/stock").await),
        ("companies", shop.company.clone()),
        ("locations", shop.location.clone()),
        ("customers", shop.customer.clone()),
        ("products", product),
        ("orders", order),
        ("shipments", shipment),
        ("api-keys", key),
        ("document-types", shop.document_type().await),
    ]
}

/// A body that the route would take.
fn good_body(path: &str) -> Value {
    let scan = json!({"code": "X", "status": "in_transit", "occurred_at": "2026-01-01T00:00:00Z"});
    match path {
        _ if path.ends_with("/validate") => json!({"number": "1"}),
        path if path.ends_with("/return") => json!({"lines": [{"line": 1, "quantity": 1}]}),
        path if path.ends_with("/events") => json!({"events": [scan]}),
        path if path.starts_with("/stock") => json!({"reorder_point": 1}),
        _ => json!({}),
    }
}

async fn anothers_ids_name_nothing_on_any_route(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let ids = one_of_each(&theirs).await;
    let document = world.nobody().get("//openapi.json").await.gives(200);
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        let resource = path.split('/').nth(1).unwrap_or_default();
        let Some((_, id)) = ids.iter().find(|(name, _)| *name == resource) else {
            continue;
        };
        if !path.contains("{id}") {
            continue;
        }
        let path = path.replace("{id}", id);
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let body = good_body(&path).to_string();
            let answer = ours.admin.send(method, &path, body).await.problem();
            // Only superusers may do these two, whosever company it is.
            let expected = match path.rsplit('/').next() {
                Some("suspend" | "activate") if resource == "companies" => 403,
                _ => 404,
            };
            answer.gives(expected);
            tried += 1;
        }
        for query in ["?at_version=1", "?at=2126-01-01T00:00:00Z"] {
            ours.admin.get(&format!("{path}{query}")).await.problem();
        }
    }
    assert!(tried >= 45, "only {tried} routes were tried");
    let ledger = format!("/stock/movements?stock={}", ids[2].1);
    ours.admin.get(&ledger).await.refuses(404, "not-found");
}

async fn anothers_ids_in_a_body_are_no_ids_of_ours(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let (own, other) = (ours.product(5).await, theirs.product(5).await);
    let order = |customer: &str, product: &str, location: &str| {
        let line = json!({"product": product, "location": location, "quantity": 1});
        json!({"customer": customer, "lines": [line]})
    };
    let movement = |product: &str, location: &str| json!({"type": "receipt", "product": product, "location": location, "quantity": 1});
    let mut transfer = movement(&own, &ours.location);
    transfer["type"] = json!("transfer");
    transfer["to"] = json!(theirs.location);
    let mut shipment = shop::shipment();
    shipment["lines"][0]["product"] = json!(other);
    for (path, body, pointer) in [
        (
            "/orders",
            order(&theirs.customer, &own, &ours.location),
            "/customer",
        ),
        (
            "/orders",
            order(&ours.customer, &other, &ours.location),
            "/lines/0/product",
        ),
        (
            "/orders",
            order(&ours.customer, &own, &theirs.location),
            "/lines/0/location",
        ),
        (
            "/stock/movements",
            movement(&other, &ours.location),
            "/product",
        ),
        (
            "/stock/movements",
            movement(&own, &theirs.location),
            "/location",
        ),
        ("/stock/movements", transfer, "/to"),
        ("/shipments", shipment, "/lines/0/product"),
    ] {
        ours.admin
            .post(path, &body)
            .await
            .gives(422)
            .blames(pointer);
    }
    let settings = json!({"settings": {"default_location": theirs.location}});
    let path = format!("/companies/{}", ours.company);
    let refusal = ours.admin.patch(&path, &settings).await;
    refusal.gives(422).blames("/settings/default_location");
    assert_eq!(theirs.balance(&other).await, (5, 0));
}

async fn a_superuser_says_in_which_company(world: &'static World) {
    let (ours, theirs) = (Shop::open(world).await, Shop::open(world).await);
    let root = &world.root;
    let refusal = root.get("/customers").await.refuses(422, "invalid");
    assert_eq!(refusal["errors"][0]["code"], "company-missing");
    root.post("/customers", &shop::customer()).await.gives(422);
    assert_eq!(
        root.acting_in(&ours.company).all("/customers").await.len(),
        1
    );
    let unknown = "com_00000000000000000000000001";
    root.acting_in(unknown)
        .get("/customers")
        .await
        .refuses(404, "not-found");
    root.acting_in("nonsense")
        .get("/customers")
        .await
        .refuses(404, "not-found");
    // Others act in their own, whatever they say.
    ours.admin
        .acting_in(&ours.company)
        .get("/customers")
        .await
        .gives(200);
    ours.admin
        .acting_in(&theirs.company)
        .get("/customers")
        .await
        .refuses(404, "not-found");
    ours.admin
        .post("/companies", &json!({"name": "X", "currency": "BRL"}))
        .await
        .gives(403);
    ours.admin.get("/parked").await.gives(403);
    root.get("/parked").await.gives(200);
    let own = ours.admin.all("/companies").await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["id"], ours.company);
    let email = format!("{}@x.example", unique("r"));
    let body = json!({"email": email, "name": "R", "password": PASSWORD, "role": "superuser"});
    ours.admin
        .post("/users", &body)
        .await
        .gives(422)
        .blames("/role");
    root.post("/users", &body).await.gives(201);
}

async fn nobody_of_a_suspended_company_gets_in(world: &'static World) {
    let shop = Shop::open(world).await;
    let key = json!({"name": "erp", "scopes": ["read"]});
    let key = shop.admin.post("/api-keys", &key).await.gives(201);
    let program = world.nobody().bearing(&key.text("secret"));
    let company = format!("/companies/{}", shop.company);
    let suspend = format!("{company}/suspend");
    shop.admin.post(&suspend, &json!({})).await.gives(403);
    world
        .root
        .post(&suspend, &json!({"reason": "unpaid"}))
        .await
        .gives(200);
    for client in [&shop.admin, &program] {
        client
            .get("/customers")
            .await
            .refuses(403, "company-suspended");
    }
    // Whoever runs the installation has to be able to look, and to take the data out.
    let root = world.root.acting_in(&shop.company);
    root.get("/customers").await.gives(200);
    root.get("/export").await.gives(200);
    world
        .root
        .post(&format!("{company}/activate"), &json!({}))
        .await
        .gives(200);
    shop.admin.get("/customers").await.gives(200);
    program.get("/customers").await.gives(200);
}
