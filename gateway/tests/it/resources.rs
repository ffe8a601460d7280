//! What all resources have in common: making, changing, and looking back.

use serde_json::{Value, json};

use crate::shop::{self, Shop, money};
use crate::world::{PASSWORD, World, unique};

cases! {
    what_is_made_is_shown_as_it_was_sent
    a_change_changes_only_what_it_names
    null_clears_what_may_be_absent
    a_change_of_nothing_keeps_the_version
    a_stale_if_match_changes_nothing
    an_unknown_field_is_pointed_at
    what_must_be_unique_is
    the_past_can_be_read
    what_is_switched_off_is_not_sold
    events_are_read_from_any_point_without_gap_or_repeat
    a_company_serves_from_its_default_location
}

async fn what_is_made_is_shown_as_it_was_sent(world: &'static World) {
    let shop = Shop::open(world).await;
    let email = format!("{}@a.example", unique("u"));
    let user = json!({"email": email, "name": "U", "role": "viewer", "metadata": {"k": "v"}});
    let mut new_user = user.clone();
    new_user["password"] = json!(PASSWORD);
    for (path, sent, shown, object) in [
        ("/customers", shop::customer(), None, "customer"),
        (
            "/document-types",
            shop::document_type(),
            None,
            "document_type",
        ),
        ("/locations", shop::location(), None, "location"),
        ("/products", shop::product(), None, "product"),
        ("/shipments", shop::shipment(), None, "shipment"),
        ("/users", new_user, Some(user), "user"),
    ] {
        let made = shop.admin.post(path, &sent).await.gives(201);
        assert_eq!(made["object"], object);
        assert_eq!(made["version"], 1);
        assert_eq!(made.header("etag"), "\"1\"");
        let place = format!("{path}/{}", made.id());
        assert_eq!(made.header("location"), format!("/api/v1{place}"));
        for (name, value) in shown.as_ref().unwrap_or(&sent).as_object().unwrap() {
            assert_eq!(&made[name.as_str()], value, "{path} {name}");
        }
        let read = shop.admin.get(&place).await.gives(200);
        assert_eq!(read.body, made.body);
        assert_eq!(read.header("etag"), "\"1\"");
        let at = made.text("created_at");
        assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
    }
}

async fn a_change_changes_only_what_it_names(world: &'static World) {
    let shop = Shop::open(world).await;
    let before = shop
        .admin
        .post("/customers", &shop::customer())
        .await
        .gives(201);
    let path = format!("/customers/{}", before.id());
    let change = json!({"name": "Ada", "metadata": {"a": "1"}});
    let after = shop.admin.patch(&path, &change).await.gives(200);
    assert_eq!(after["version"], 2);
    assert_eq!(after.header("etag"), "\"2\"");
    for (name, value) in before.body.as_object().unwrap() {
        match name.as_str() {
            "name" => assert_eq!(after["name"], "Ada"),
            "metadata" => assert_eq!(after["metadata"], json!({"a": "1"})),
            "version" | "updated_at" => assert_ne!(&after[name.as_str()], value),
            name => assert_eq!(&after[name], value, "{name}"),
        }
    }
}

async fn null_clears_what_may_be_absent(world: &'static World) {
    let shop = Shop::open(world).await;
    let made = shop
        .admin
        .post("/customers", &shop::customer())
        .await
        .gives(201);
    let path = format!("/customers/{}", made.id());
    let clear = json!({
        "email": null, "phone": null, "credit_limit": null, "notes": null, "reference": null,
    });
    let cleared = shop.admin.patch(&path, &clear).await.gives(200);
    for name in clear.as_object().unwrap().keys() {
        assert_eq!(cleared[name.as_str()], Value::Null, "{name}");
    }
    for name in ["name", "type", "metadata", "addresses"] {
        let answer = shop.admin.patch(&path, &json!({name: null})).await;
        answer.gives(422).blames(&format!("/{name}"));
    }
    let after = shop.admin.get(&path).await.gives(200);
    assert_eq!(after.body, cleared.body);
}

async fn a_change_of_nothing_keeps_the_version(world: &'static World) {
    let shop = Shop::open(world).await;
    for (path, body) in [
        ("/customers", shop::customer()),
        ("/document-types", shop::document_type()),
        ("/locations", shop::location()),
        ("/products", shop::product()),
    ] {
        let made = shop.admin.post(path, &body).await.gives(201);
        let path = format!("{path}/{}", made.id());
        for same in [json!({}), body] {
            let after = shop.admin.patch(&path, &same).await.gives(200);
            assert_eq!(after.body, made.body);
        }
    }
}

async fn a_stale_if_match_changes_nothing(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(0).await;
    let path = format!("/products/{product}");
    let change = |name: &str| json!({"name": name});
    let first = shop.admin.with("if-match", "\"1\"");
    first.patch(&path, &change("A")).await.gives(200);
    first
        .patch(&path, &change("B"))
        .await
        .refuses(412, "version-mismatch");
    let deactivate = format!("{path}/deactivate");
    first
        .post(&deactivate, &json!({}))
        .await
        .refuses(412, "version-mismatch");
    for nonsense in ["1", "W/\"2\"", "\"2\", \"3\"", "\"-1\""] {
        let client = shop.admin.with("if-match", nonsense);
        client
            .patch(&path, &change("B"))
            .await
            .refuses(412, "version-mismatch");
    }
    shop.admin
        .with("if-match", "*")
        .patch(&path, &change("C"))
        .await
        .gives(200);
    let after = shop.admin.get(&path).await.gives(200);
    assert_eq!(
        (&after["name"], &after["version"]),
        (&json!("C"), &json!(3))
    );
}

async fn an_unknown_field_is_pointed_at(world: &'static World) {
    let shop = Shop::open(world).await;
    let mut nested = shop::customer();
    nested["addresses"][0]["address"]["zip/code"] = json!("1");
    let refusal = shop
        .admin
        .post("/customers", &nested)
        .await
        .refuses(422, "invalid");
    assert_eq!(refusal["errors"][0]["code"], "unknown-field");
    refusal.blames("/addresses/0/address/zip~1code");
    let path = format!("/customers/{}", shop.customer);
    shop.admin
        .patch(&path, &json!({"nam": "A"}))
        .await
        .gives(422)
        .blames("/nam");
    assert_eq!(shop.admin.get(&path).await["version"], 1);
}

async fn what_must_be_unique_is(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    for (path, mut body) in [
        ("/customers", shop::customer()),
        ("/locations", shop::location()),
        ("/products", shop::product()),
        ("/shipments", shop::shipment()),
    ] {
        shop.admin.post(path, &body).await.gives(201);
        if path == "/products" {
            let sku = body["sku"].as_str().unwrap().to_lowercase();
            body["sku"] = json!(sku);
            let refusal = shop.admin.post(path, &body).await.gives(409);
            assert!(
                ["/sku", "/reference"].contains(&refusal["errors"][0]["pointer"].as_str().unwrap())
            );
            body["sku"] = json!(unique("sku-"));
        }
        let refusal = shop.admin.post(path, &body).await;
        refusal.refuses(409, "reference-taken").blames("/reference");
        other.admin.post(path, &body).await.gives(201);
        // Given up, it is free.
        let list = format!("{path}?reference={}", body["reference"].as_str().unwrap());
        let found = shop.admin.get(&list).await.gives(200);
        assert_eq!(found.data().len(), 1);
        if path == "/shipments" {
            continue;
        }
        let holder = format!("{path}/{}", found.data()[0]["id"].as_str().unwrap());
        shop.admin
            .patch(&holder, &json!({"reference": null}))
            .await
            .gives(200);
        if path == "/products" {
            body["sku"] = json!(unique("sku-"));
        }
        shop.admin.post(path, &body).await.gives(201);
    }
    let email = shop.email.to_uppercase();
    let user = json!({"email": email, "name": "U", "password": PASSWORD, "role": "viewer"});
    other
        .admin
        .post("/users", &user)
        .await
        .gives(409)
        .blames("/email");
}

async fn the_past_can_be_read(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(0).await;
    let path = format!("/products/{product}");
    let mut versions = vec![shop.admin.get(&path).await.gives(200).body];
    for name in ["A", "B", "C"] {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let client = shop.admin.with("x-request-id", format!("request-{name}"));
        let after = client.patch(&path, &json!({"name": name})).await.gives(200);
        versions.push(after.body);
    }
    for version in &versions {
        let number = &version["version"];
        let then = shop.admin.get(&format!("{path}?at_version={number}")).await;
        assert_eq!(&then.gives(200).body, version);
        let at = version["updated_at"].as_str().unwrap();
        let then = shop.admin.get(&format!("{path}?at={at}")).await;
        assert_eq!(&then.gives(200).body, version);
    }
    for query in ["at_version=99", "at_version=0", "at=2001-01-01T00:00:00Z"] {
        shop.admin.get(&format!("{path}?{query}")).await.gives(404);
    }
    for query in [
        "at_version=x",
        "at=yesterday",
        "at_version=-1",
        "at=2030-01-01T00:00:00Z&at_version=1",
    ] {
        shop.admin
            .get(&format!("{path}?{query}"))
            .await
            .refuses(422, "invalid");
    }
    let me = shop.admin.get("/auth/me").await.text("principal");
    let history = shop.admin.get(&format!("{path}/history")).await.gives(200);
    let numbers: Vec<_> = history
        .data()
        .iter()
        .map(|event| &event["version"])
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    for (event, name) in history.data().iter().skip(1).zip(["A", "B", "C"]) {
        assert_eq!(event["resource"], product);
        assert_eq!(event["principal"], me);
        assert_eq!(event["request_id"], format!("request-{name}"));
    }
    let rest = format!("{path}/history?after_version=2&limit=1");
    let rest = shop.admin.get(&rest).await.gives(200);
    assert_eq!(rest.data()[0]["version"], 3);
    assert_eq!(rest["next_cursor"], "3");
}

async fn what_is_switched_off_is_not_sold(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(5).await;
    let wants = shop.wants(&[(&product, 1)]);
    for (path, off, on, pointer) in [
        (
            format!("/products/{product}"),
            "deactivate",
            "activate",
            "/lines/0/product",
        ),
        (
            format!("/locations/{}", shop.location),
            "deactivate",
            "activate",
            "/lines/0/location",
        ),
        (
            format!("/customers/{}", shop.customer),
            "block",
            "unblock",
            "/customer",
        ),
    ] {
        shop.admin
            .post(&format!("{path}/{off}"), &json!({}))
            .await
            .gives(200);
        shop.admin
            .post("/orders", &wants)
            .await
            .gives(422)
            .blames(pointer);
        shop.admin
            .post(&format!("{path}/{on}"), &json!({}))
            .await
            .gives(200);
    }
    shop.admin.post("/orders", &wants).await.gives(201);
}

async fn events_are_read_from_any_point_without_gap_or_repeat(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    let product = shop.product(5).await;
    shop.order(&[(&product, 2)]).await;
    other.product(3).await;
    let (mut seen, mut path) = (Vec::new(), "/events?limit=3".to_owned());
    let mut quiet = 0;
    while quiet < 3 {
        let page = shop.admin.get(&path).await.gives(200);
        quiet = if page.data().is_empty() { quiet + 1 } else { 0 };
        seen.extend(page.data().iter().cloned());
        path = format!("/events?limit=3&after={}", page.text("next_cursor"));
    }
    let mut ids: Vec<_> = seen
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "an event came twice");
    let mut versions = std::collections::BTreeMap::<&str, u64>::new();
    for event in &seen {
        let last = versions
            .entry(event["resource"].as_str().unwrap())
            .or_default();
        *last += 1;
        assert_eq!(event["version"], *last, "a gap before {event}");
        assert!(!event.to_string().contains("argon2"), "{event}");
    }
    for wanted in [
        "company.created",
        "user.registered",
        "product.created",
        "order.placed",
        "order.confirmed",
        "stock.reserved",
    ] {
        assert!(
            seen.iter().any(|event| event["type"] == wanted),
            "no {wanted}"
        );
    }
    shop.product(0).await;
    let more = shop.admin.get(&path).await.gives(200);
    assert_eq!(more.data().len(), 1);
    // A cursor is of one company.
    other.admin.get(&path).await.refuses(422, "invalid");
    shop.admin
        .get("/events?after=nonsense")
        .await
        .refuses(422, "invalid");
}

async fn a_company_serves_from_its_default_location(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(5).await;
    let order = json!({"customer": shop.customer, "lines": [{"product": product, "quantity": 1}]});
    shop.admin
        .post("/orders", &order)
        .await
        .gives(422)
        .blames("/lines/0/location");
    let path = format!("/companies/{}", shop.company);
    let settings = json!({"settings": {"default_location": shop.location}});
    shop.admin.patch(&path, &settings).await.gives(200);
    let order = shop.admin.post("/orders", &order).await.gives(201);
    assert_eq!(order["lines"][0]["location"], shop.location);
    assert_eq!(order["lines"][0]["unit_price"], money("10.00"));
    assert_eq!(order["shipping_address"], shop::address());
    let refusal = shop.admin.patch(&path, &json!({"currency": "USD"})).await;
    refusal.problem();
}
