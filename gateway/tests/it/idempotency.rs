//! Idempotency-Key: one effect and one answer, however often a request comes.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::shop::{self, Shop};
use crate::world::{World, unique};

cases! {
    a_repeat_is_answered_byte_for_byte
    an_order_that_moved_on_is_told_as_it_was
    a_refusal_is_repeated_too
    another_body_under_a_key_is_refused
    a_key_is_of_one_caller_and_route
    many_at_once_have_one_effect
    a_secret_is_told_once
    a_bulk_with_bad_rows_is_repeated_whole
    a_key_is_free_after_a_request_that_could_not_be_read
    a_repeated_shipment_is_one_shipment
    a_bad_key_is_refused
}

#[track_caller]
fn assert_replay(first: &Answer, again: &Answer) {
    assert_eq!(again.status, first.status);
    assert_eq!(again.bytes, first.bytes);
    for name in ["etag", "location", "content-type"] {
        assert_eq!(again.headers.get(name), first.headers.get(name), "{name}");
    }
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(again.header("idempotent-replayed"), "true");
}

async fn a_repeat_is_answered_byte_for_byte(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(100).await;
    let order = shop.order(&[(&product, 1)]).await.id();
    let movement =
        json!({"type": "receipt", "product": product, "location": shop.location, "quantity": 7});
    let cancel = format!("/orders/{order}/cancel");
    for (path, body) in [
        ("/customers", shop::customer()),
        ("/locations", shop::location()),
        ("/products", shop::product()),
        ("/shipments", shop::shipment()),
        ("/stock/movements", movement),
        ("/orders", shop.wants(&[(&product, 2)])),
        (cancel.as_str(), json!({"reason": "typo"})),
    ] {
        let client = shop.admin.keyed(&unique("k"));
        let first = client.post(path, &body).await;
        assert!(first.status < 300, "{first:?}");
        assert_replay(&first, &client.post(path, &body).await);
        assert_replay(&first, &client.post(path, &body).await);
    }
    // Stock is released after the cancellation was answered.
    shop.until_balance(&product, 107, 2).await;
    assert_eq!(shop.admin.all("/orders").await.len(), 2);
    // Also when the resource has moved on since.
    let (client, path) = (
        shop.admin.keyed(&unique("k")),
        format!("/customers/{}", shop.customer),
    );
    let first = client.patch(&path, &json!({"name": "A"})).await.gives(200);
    shop.admin
        .patch(&path, &json!({"name": "B"}))
        .await
        .gives(200);
    assert_replay(&first, &client.patch(&path, &json!({"name": "A"})).await);
    assert_eq!(shop.admin.get(&path).await["name"], "B");
}

async fn an_order_that_moved_on_is_told_as_it_was(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(9).await;
    let body = shop.wants(&[(&product, 2), (&shop.product(9).await, 1)]);
    let client = shop.admin.keyed(&unique("k"));
    let placed = client.post("/orders", &body).await.gives(201);
    let order = format!("/orders/{}", placed.id());
    let picking = client.post(&format!("{order}/pick"), &json!({})).await;
    let cancelled = shop
        .admin
        .post(&format!("{order}/cancel"), &json!({}))
        .await;
    cancelled.gives(200);
    let again = client.post(&format!("{order}/pick"), &json!({})).await;
    assert_replay(&picking, &again);
    for wish in ["wait=5", "wait=0", "respond-async"] {
        let again = client.with("prefer", wish).post("/orders", &body).await;
        assert_replay(&placed, &again);
    }
}

async fn a_refusal_is_repeated_too(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(1).await;
    let issue =
        json!({"type": "issue", "product": product, "location": shop.location, "quantity": 5});
    let client = shop.admin.keyed(&unique("k")).with("x-request-id", "r-1");
    let first = client.post("/stock/movements", &issue).await;
    let first = first.refuses(409, "insufficient-stock");
    shop.moves("receipt", &product, 10).await.gives(201);
    let again = client.post("/stock/movements", &issue).await;
    assert_eq!((again.status, &again["code"]), (409, &first["code"]));
    assert_eq!(shop.balance(&product).await, (11, 0));
}

async fn another_body_under_a_key_is_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    let client = shop.admin.keyed(&unique("k"));
    client
        .post("/customers", &shop::customer())
        .await
        .gives(201);
    let other = client.post("/customers", &shop::customer()).await;
    other.refuses(422, "idempotency-key-reused");
    // One route serves many ids: another id is another request.
    let (one, two) = (shop.product(0).await, shop.product(0).await);
    let client = shop.admin.keyed(&unique("k"));
    let change = json!({"name": "X"});
    client
        .patch(&format!("/products/{one}"), &change)
        .await
        .gives(200);
    let other = client.patch(&format!("/products/{two}"), &change).await;
    other.refuses(422, "idempotency-key-reused");
    assert_eq!(
        shop.admin.get(&format!("/products/{two}")).await["version"],
        1
    );
    assert_eq!(shop.admin.all("/customers").await.len(), 2);
}

async fn a_key_is_of_one_caller_and_route(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    let key = unique("k");
    let body = json!({"name": "erp", "scopes": ["write"]});
    let secret = shop
        .admin
        .post("/api-keys", &body)
        .await
        .gives(201)
        .text("secret");
    let mut body = shop::customer();
    body.as_object_mut().unwrap().remove("reference");
    let mut ids = Vec::new();
    for client in [&shop.admin, &other.admin, &world.nobody().bearing(&secret)] {
        ids.push(
            client
                .keyed(&key)
                .post("/customers", &body)
                .await
                .gives(201)
                .id(),
        );
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    shop.admin
        .keyed(&key)
        .post("/locations", &shop::location())
        .await
        .gives(201);
    // The same user with a fresh token is the same caller.
    let again = world.nobody().sign_in(&shop.email).await;
    let again = again.keyed(&key).post("/customers", &body).await.gives(201);
    assert_eq!(again.id(), ids[0]);
}

async fn many_at_once_have_one_effect(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(100).await;
    let body = shop.wants(&[(&product, 3)]);
    let client = shop.admin.keyed(&unique("k"));
    let answers = join_all((0..12).map(|_| client.post("/orders", &body))).await;
    let mut made = None;
    for answer in answers {
        match answer.status {
            201 => assert_eq!(
                made.get_or_insert_with(|| answer.bytes.clone()),
                &answer.bytes
            ),
            _ => drop(answer.refuses(409, "request-in-progress")),
        }
    }
    let last = client.post("/orders", &body).await.gives(201);
    assert_eq!(Some(last.bytes), made);
    assert_eq!(shop.balance(&product).await, (100, 3));
}

async fn a_secret_is_told_once(world: &'static World) {
    let shop = Shop::open(world).await;
    let client = shop.admin.keyed(&unique("k"));
    let body = json!({"name": "erp", "scopes": ["read"]});
    let first = client.post("/api-keys", &body).await.gives(201);
    let mut expected = first.body.clone();
    expected.as_object_mut().unwrap().remove("secret").unwrap();
    let again = client.post("/api-keys", &body).await.gives(201);
    assert_eq!(again.body, expected);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(shop.admin.all("/api-keys").await.len(), 1);
}

async fn a_bulk_with_bad_rows_is_repeated_whole(world: &'static World) {
    let shop = Shop::open(world).await;
    let (good, mut twice) = (shop::product(), shop::product());
    twice["sku"] = good["sku"].clone();
    let mut bad = shop::product();
    bad["price"]["amount"] = json!("1.234");
    let rows: Vec<Value> = vec![bad, good, json!(7), twice, shop::product(), json!({})];
    let client = shop.admin.keyed(&unique("k"));
    let first = client
        .post("/products/bulk", &json!({"products": rows}))
        .await;
    let first = first.gives(200);
    assert_eq!(
        (&first["succeeded"], &first["failed"]),
        (&json!(2), &json!(4))
    );
    let mut statuses: Vec<_> = first["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["status"].as_u64().unwrap())
        .collect();
    // Which of the two with one SKU comes first is open.
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 409, 422, 422, 422]);
    assert_eq!(
        first["results"][0]["problem"]["errors"][0]["pointer"],
        "/price"
    );
    assert_eq!(
        first["results"][5]["problem"]["errors"][0]["code"],
        "missing-field"
    );
    let again = client
        .post("/products/bulk", &json!({"products": rows}))
        .await;
    assert_replay(&first, &again);
    assert_eq!(shop.admin.all("/products").await.len(), 2);
}

async fn a_key_is_free_after_a_request_that_could_not_be_read(world: &'static World) {
    let shop = Shop::open(world).await;
    let client = shop.admin.keyed(&unique("k"));
    let mut body = shop::customer();
    body["nam"] = json!("typo");
    client
        .post("/customers", &body)
        .await
        .gives(422)
        .blames("/nam");
    client
        .post("/customers", &body)
        .await
        .gives(422)
        .blames("/nam");
    // Nothing came of it, so the mended request may have the key.
    client
        .post("/customers", &shop::customer())
        .await
        .gives(201);
    assert_eq!(shop.admin.all("/customers").await.len(), 2);
}

async fn a_repeated_shipment_is_one_shipment(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let order = shop.packed(&[(&product, 4)]).await;
    let body = json!({"lines": [{"line": 1, "quantity": 2}]});
    let (client, path) = (
        shop.admin.keyed(&unique("k")),
        format!("/orders/{order}/ship"),
    );
    let first = client.post(&path, &body).await.gives(200);
    assert_replay(&first, &client.post(&path, &body).await);
    assert_eq!(shop.admin.all("/shipments").await.len(), 1);
}

async fn a_bad_key_is_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    for key in ["", &"k".repeat(256), "a\tb"] {
        let refusal = shop
            .admin
            .keyed(key)
            .post("/customers", &shop::customer())
            .await;
        let refusal = refusal.refuses(422, "invalid");
        assert_eq!(refusal["errors"][0]["parameter"], "idempotency-key");
    }
    let twice = shop.admin.keyed("a").keyed("b");
    twice
        .post("/customers", &shop::customer())
        .await
        .refuses(422, "invalid");
    assert_eq!(shop.admin.all("/customers").await.len(), 1);
}
