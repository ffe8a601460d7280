//! Lists: pages without gap or repeat, filters, and what is refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::shop::{self, Shop};
use crate::world::{World, unique};

cases! {
    pages_neither_skip_nor_repeat
    pages_stay_whole_while_others_write
    orders_are_found_by_what_they_are
    stock_is_found_by_what_and_where_it_is
    a_search_finds_parts_without_case
    fields_leave_out_the_rest
    bad_questions_are_refused
    a_cursor_is_of_one_question
    own_writes_are_listed_at_once
}

async fn products(shop: &Shop, count: usize) -> BTreeSet<String> {
    let rows: Vec<Value> = (0..count).map(|_| shop::product()).collect();
    let report = shop
        .admin
        .post("/products/bulk", &json!({"products": rows}))
        .await;
    let report = report.gives(200);
    assert_eq!(report["succeeded"], count);
    let results = report["results"].as_array().unwrap();
    let id = |row: &Value| row["product"]["id"].as_str().unwrap().to_owned();
    results.iter().map(id).collect()
}

/// The ids of all pages of this size, in order, and what is done between pages.
async fn walk(shop: &Shop, path: &str, between: impl AsyncFn()) -> Vec<String> {
    let mut ids = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = shop.admin.get(&next).await.gives(200);
        let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
        ids.extend(page.data().iter().map(id));
        let Some(cursor) = page["next_cursor"].as_str() else {
            return ids;
        };
        assert!(!page.data().is_empty());
        next = format!("{path}&cursor={cursor}");
        between().await;
    }
}

async fn pages_neither_skip_nor_repeat(world: &'static World) {
    let shop = Shop::open(world).await;
    let all = products(&shop, 23).await;
    let mut walks = Vec::new();
    for (sort, limit) in [
        ("created_at", 1),
        ("created_at", 23),
        ("-created_at", 7),
        ("-created_at", 100),
    ] {
        let ids = walk(
            &shop,
            &format!("/products?sort={sort}&limit={limit}"),
            async || (),
        )
        .await;
        assert_eq!(ids.len(), all.len(), "{sort} {limit}");
        assert_eq!(ids.iter().cloned().collect::<BTreeSet<_>>(), all);
        walks.push(ids);
    }
    assert_eq!(walks[0], walks[1]);
    assert_eq!(walks[2], walks[3]);
    walks[2].reverse();
    assert_eq!(walks[0], walks[2]);
}

async fn pages_stay_whole_while_others_write(world: &'static World) {
    let shop = Shop::open(world).await;
    let all = products(&shop, 12).await;
    for sort in ["created_at", "-created_at"] {
        let write = async || drop(products(&shop, 1).await);
        // Oldest first, the walk also meets what is written meanwhile: it must end all the same.
        let before = chrono::Utc::now() + chrono::TimeDelta::milliseconds(200);
        let before = before.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let path = format!("/products?sort={sort}&limit=5&created_before={before}");
        let ids = walk(&shop, &path, write).await;
        let set: BTreeSet<_> = ids.iter().cloned().collect();
        assert_eq!(set.len(), ids.len(), "{sort}: an id came twice");
        assert!(set.is_superset(&all), "{sort}: an id is missing");
    }
}

/// The ids on all pages.
async fn found(shop: &Shop, path: &str) -> Vec<String> {
    let all = shop.admin.all(path).await;
    let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
    all.iter().map(id).collect()
}

async fn orders_are_found_by_what_they_are(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(9).await;
    let customer = shop.admin.post("/customers", &shop::customer()).await;
    let (mine, other) = (&shop.customer, customer.gives(201).id());
    let first = shop.order(&[(&product, 5)]).await.id();
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let mut body = shop.wants(&[(&product, 1)]);
    body["customer"] = json!(other);
    body["reference"] = json!("po 4/7&x");
    let second = shop.admin.post("/orders", &body).await.gives(201);
    let (second, at) = (second.id(), second.text("created_at"));
    let cancelled = shop.act(&second, "cancel", &json!({})).await;
    cancelled.gives(200);
    let (one, two) = (vec![first.clone()], vec![second.clone()]);
    for (query, expected) in [
        (format!("customer={mine}"), &one),
        (format!("customer={other}"), &two),
        (format!("customer={mine}&status=cancelled"), &vec![]),
        ("status=cancelled".to_owned(), &two),
        (
            "status=cancelled,confirmed".to_owned(),
            &vec![second, first],
        ),
        ("status=draft".to_owned(), &vec![]),
        ("reference=po+4%2F7%26x".to_owned(), &two),
        ("reference=po".to_owned(), &vec![]),
        (format!("created_from={at}"), &two),
        (format!("created_before={at}"), &one),
    ] {
        assert_eq!(
            &found(&shop, &format!("/orders?{query}")).await,
            expected,
            "{query}"
        );
    }
}

async fn stock_is_found_by_what_and_where_it_is(world: &'static World) {
    let shop = Shop::open(world).await;
    let (scarce, plenty) = (shop.product(5).await, shop.product(50).await);
    let elsewhere = shop.admin.post("/locations", &shop::location()).await;
    let (here, elsewhere) = (&shop.location, elsewhere.gives(201).id());
    let items = found(&shop, "/stock?sort=created_at").await;
    for item in &items {
        let point = json!({"reorder_point": 10});
        let patched = shop.admin.patch(&format!("/stock/{item}"), &point).await;
        patched.gives(200);
    }
    let (low, high) = (vec![items[0].clone()], vec![items[1].clone()]);
    for (query, expected) in [
        (format!("product={scarce}"), &low),
        (format!("product={plenty}&location={here}"), &high),
        (format!("location={here}&sort=created_at"), &items),
        (format!("location={elsewhere}"), &vec![]),
        ("low=true".to_owned(), &low),
        ("low=false".to_owned(), &high),
        (format!("product={scarce}&low=false"), &vec![]),
    ] {
        assert_eq!(
            &found(&shop, &format!("/stock?{query}")).await,
            expected,
            "{query}"
        );
    }
}

async fn a_search_finds_parts_without_case(world: &'static World) {
    let shop = Shop::open(world).await;
    let mut body = shop::customer();
    body["name"] = json!("Ångström & 100% Söhne_x");
    body["email"] = json!("orders@angstrom.example");
    let id = shop.admin.post("/customers", &body).await.gives(201).id();
    for (q, is_found) in [
        ("%C3%A5ngSTR%C3%B6m", true),
        ("100%25+s", true),
        ("e_x", true),
        ("1_0", false),
        ("100%25%25", false),
        ("%27+OR+1%3D1--", false),
        ("hopper+gr", false),
    ] {
        let found = shop.admin.all(&format!("/customers?q={q}")).await;
        let is_there = found.iter().any(|it| it["id"] == id);
        assert_eq!(is_there, is_found, "{q}");
    }
}

async fn fields_leave_out_the_rest(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(0).await;
    let cut = json!({"id": product, "name": "Mug", "price": shop::money("10.00")});
    let list = shop
        .admin
        .get("/products?fields=name,price,nonsense")
        .await
        .gives(200);
    assert_eq!(list.data(), std::slice::from_ref(&cut));
    let one = shop
        .admin
        .get(&format!("/products/{product}?fields=name,price"))
        .await;
    let one = one.gives(200);
    assert_eq!(one.header("etag"), "\"1\"");
    assert_eq!(one.body, cut);
}

async fn bad_questions_are_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    products(&shop, 2).await;
    for (query, parameter, code) in [
        ("limit=0", "limit", "invalid-value"),
        ("limit=101", "limit", "invalid-value"),
        ("limit=-1", "limit", "invalid-value"),
        ("limit=1e1", "limit", "invalid-value"),
        ("sort=name", "sort", "invalid-value"),
        ("status=sold", "status", "invalid-value"),
        ("created_from=yesterday", "created_from", "invalid-value"),
        ("cursor=nonsense", "cursor", "invalid-cursor"),
        ("cursor=", "cursor", "invalid-cursor"),
        ("colour=red", "colour", "unknown-parameter"),
        ("limit=1&limit=2", "limit", "duplicate-parameter"),
        ("q=%00", "", "invalid-value"),
    ] {
        let refusal = shop.admin.get(&format!("/products?{query}")).await;
        let refusal = refusal.refuses(422, "invalid");
        assert_eq!(refusal["errors"][0]["parameter"], parameter, "{query}");
        assert_eq!(refusal["errors"][0]["code"], code, "{query}");
    }
    let long = format!("/products?q={}", "x".repeat(201));
    shop.admin.get(&long).await.refuses(422, "invalid");
    for query in [
        "customer=nonsense",
        "customer=prd_00000000000000000000000001",
    ] {
        shop.admin
            .get(&format!("/orders?{query}"))
            .await
            .refuses(422, "invalid");
    }
    assert_eq!(shop.admin.get("/products?limit=1").await.data().len(), 1);
    assert_eq!(shop.admin.get("/products?limit=100").await.data().len(), 2);
}

async fn a_cursor_is_of_one_question(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    products(&shop, 3).await;
    let page = shop
        .admin
        .get("/products?limit=1&status=active")
        .await
        .gives(200);
    let cursor = page.text("next_cursor");
    for path in [
        "/products?limit=1",
        "/products?status=inactive",
        "/products?status=active&sort=created_at",
        "/products?status=active&q=m",
        "/customers?status=active",
    ] {
        let refusal = shop.admin.get(&format!("{path}&cursor={cursor}")).await;
        let refusal = refusal.refuses(422, "invalid");
        assert_eq!(refusal["errors"][0]["code"], "invalid-cursor", "{path}");
    }
    let same = format!("/products?cursor={cursor}&status=active&limit=2&fields=id");
    other.admin.get(&same).await.refuses(422, "invalid");
    assert_eq!(shop.admin.get(&same).await.gives(200).data().len(), 2);
}

async fn own_writes_are_listed_at_once(world: &'static World) {
    let shop = Shop::open(world).await;
    for _ in 0..10 {
        let reference = unique("mine-");
        let mut body = shop::customer();
        body["reference"] = json!(reference);
        let id = shop.admin.post("/customers", &body).await.gives(201).id();
        let path = format!("/customers?reference={reference}");
        assert_eq!(shop.admin.get(&path).await.data()[0]["id"], id);
        let change = json!({"name": reference});
        shop.admin
            .patch(&format!("/customers/{id}"), &change)
            .await
            .gives(200);
        assert_eq!(shop.admin.get(&path).await.data()[0]["name"], reference);
        assert_eq!(
            shop.admin.get("/customers?limit=1").await.data()[0]["id"],
            id
        );
    }
}
