//! Stock: movements, transfers, and a ledger that adds up.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::shop::{self, Shop};
use crate::world::World;

cases! {
    movements_move_the_balance_and_fill_the_ledger
    nothing_leaves_that_is_kept_for_orders
    quantities_have_bounds
    a_movement_has_the_clients_own_reference
    a_transfer_has_its_reference_where_the_goods_leave
    a_count_holds_for_what_was_counted
    a_transfer_arrives_where_it_goes
    concurrent_issues_take_no_more_than_there_is
    a_low_item_says_so
    the_ledger_is_read_page_by_page
}

async fn movements_move_the_balance_and_fill_the_ledger(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(0).await;
    let mut expected = 0;
    for (kind, quantity, change) in [
        ("receipt", 10, 10),
        ("issue", 3, -3),
        ("adjustment", -2, -2),
        ("adjustment", 4, 4),
    ] {
        let movement = shop.moves(kind, &product, quantity).await.gives(201);
        expected += change;
        assert_eq!(movement["object"], "movement");
        assert_eq!(movement["stock"]["on_hand"], expected);
        assert_eq!(shop.balance(&product).await, (expected, 0));
    }
    let place = format!("product={product}&location={}", shop.location);
    let ledger = shop.admin.all(&format!("/stock/movements?{place}")).await;
    let kinds: Vec<_> = ledger
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["receipt", "issue", "adjustment", "adjustment"]);
    assert_eq!(ledger[3]["note"], "counted");
}

async fn nothing_leaves_that_is_kept_for_orders(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    shop.order(&[(&product, 8)]).await;
    for (kind, quantity) in [("issue", 3), ("adjustment", -3)] {
        let refusal = shop.moves(kind, &product, quantity).await;
        refusal
            .refuses(409, "insufficient-stock")
            .blames("/quantity");
    }
    shop.moves("issue", &product, 2).await.gives(201);
    assert_eq!(shop.balance(&product).await, (8, 8));
}

async fn quantities_have_bounds(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(1).await;
    for (kind, quantity) in [
        ("receipt", 0),
        ("receipt", -1),
        ("receipt", 1_000_000_000_001),
        ("receipt", i64::MAX),
        ("issue", 0),
        ("issue", -5),
        ("issue", i64::MIN),
        ("adjustment", 0),
        ("adjustment", i64::MIN),
        ("adjustment", 1_000_000_000_001),
    ] {
        let refusal = shop.moves(kind, &product, quantity).await;
        refusal.gives(422).blames("/quantity");
    }
    // The largest balance, and one more.
    shop.moves("receipt", &product, 999_999_999_999)
        .await
        .gives(201);
    shop.moves("receipt", &product, 1)
        .await
        .gives(422)
        .blames("/quantity");
    assert_eq!(shop.balance(&product).await, (1_000_000_000_000, 0));
    let bare = json!({
        "type": "adjustment", "product": product, "location": shop.location, "quantity": -1,
    });
    shop.admin
        .post("/stock/movements", &bare)
        .await
        .gives(422)
        .blames("/note");
}

async fn a_movement_has_the_clients_own_reference(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    let (product, another) = (shop.product(0).await, shop.product(0).await);
    let receipt = |shop: &Shop, kind: &str, product: &str, reference: &str| {
        json!({
            "type": kind, "product": product, "location": shop.location, "quantity": 5,
            "reference": reference, "metadata": {"pallet": "P-12"},
        })
    };
    let path = "/stock/movements";
    // What is refused takes no reference.
    let issue = receipt(&shop, "issue", &product, "in-1");
    let refused = shop.admin.post(path, &issue).await;
    refused.refuses(409, "insufficient-stock");
    let body = receipt(&shop, "receipt", &product, "in-1");
    let made = shop.admin.keyed("one").post(path, &body).await.gives(201);
    let again = shop.admin.keyed("one").post(path, &body).await.gives(201);
    assert_eq!(again.bytes, made.bytes);
    for product in [&product, &another] {
        let body = receipt(&shop, "receipt", product, "in-1");
        let taken = shop.admin.post(path, &body).await;
        taken.refuses(409, "reference-taken").blames("/reference");
    }
    assert_eq!(shop.balance(&product).await, (5, 0));
    let second = receipt(&shop, "receipt", &product, "in-2");
    shop.admin.post(path, &second).await.gives(201);
    let found = shop
        .admin
        .get("/stock/movements?reference=in-1")
        .await
        .gives(200);
    assert_eq!(found.data().len(), 1);
    let line = &found.data()[0];
    for shown in [&made.body, line] {
        assert_eq!(shown["reference"], "in-1");
        assert_eq!(shown["metadata"], json!({"pallet": "P-12"}));
    }
    assert_eq!(line["movement"], made["id"]);
    let place = format!("product={product}&location={}", shop.location);
    let ledger = shop.admin.all(&format!("/stock/movements?{place}")).await;
    assert_eq!(&ledger[0], line);
    // Another company has references of its own.
    let nothing = other.admin.get("/stock/movements?reference=in-1").await;
    assert!(nothing.gives(200).data().is_empty());
    let product = other.product(0).await;
    let same = receipt(&other, "receipt", &product, "in-1");
    other.admin.post(path, &same).await.gives(201);
    let both = format!("/stock/movements?reference=in-1&{place}");
    shop.admin.get(&both).await.gives(422);
}

async fn a_transfer_has_its_reference_where_the_goods_leave(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let there = shop.admin.post("/locations", &shop::location()).await.id();
    let transfer = json!({
        "type": "transfer", "product": product, "location": shop.location, "to": there,
        "quantity": 4, "reference": "t-1", "metadata": {"van": "3"},
    });
    let made = shop
        .admin
        .post("/stock/movements", &transfer)
        .await
        .gives(201);
    let arrival = format!("/stock/movements?product={product}&location={there}");
    let arrived = shop
        .admin
        .until(&arrival, |page| page["data"][0].is_object())
        .await;
    let arrived = &arrived["data"][0];
    assert_eq!(arrived["movement"], made["id"]);
    assert_eq!(
        (&arrived["reference"], &arrived["metadata"]),
        (&Value::Null, &json!({}))
    );
    let found = shop
        .admin
        .get("/stock/movements?reference=t-1")
        .await
        .gives(200);
    assert_eq!(found.data().len(), 1);
    assert_eq!(found.data()[0]["type"], "transfer_out");
    assert_eq!(found.data()[0]["metadata"], json!({"van": "3"}));
}

async fn a_count_holds_for_what_was_counted(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let item = shop.admin.get("/stock").await.data()[0].clone();
    let counted = json!({
        "type": "adjustment", "product": product, "location": shop.location, "quantity": -1,
        "note": "counted",
    });
    let client = shop
        .admin
        .with("if-match", format!("\"{}\"", item["version"]));
    client.post("/stock/movements", &counted).await.gives(201);
    let stale = client.post("/stock/movements", &counted).await;
    stale.refuses(412, "version-mismatch");
    assert_eq!(shop.balance(&product).await, (9, 0));
}

async fn a_transfer_arrives_where_it_goes(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let there = shop
        .admin
        .post("/locations", &shop::location())
        .await
        .gives(201)
        .id();
    let transfer = |to: &Value, quantity: i64| {
        let (kind, from) = ("transfer", &shop.location);
        json!({"type": kind, "product": product, "location": from, "to": to, "quantity": quantity})
    };
    let post = async |body: &Value| shop.admin.post("/stock/movements", body).await;
    post(&transfer(&json!(there), 11))
        .await
        .refuses(409, "insufficient-stock");
    post(&transfer(&json!(shop.location), 1))
        .await
        .gives(422)
        .blames("/to");
    post(&transfer(&Value::Null, 1))
        .await
        .gives(422)
        .blames("/to");
    let moved = post(&transfer(&json!(there), 4)).await.gives(201);
    assert_eq!(moved["stock"]["on_hand"], 6);
    let arrived = format!("/stock?product={product}&location={there}");
    shop.admin
        .until(&arrived, |page| page["data"][0]["on_hand"] == 4)
        .await;
    assert_eq!(shop.balance(&product).await, (6, 0));
    let ledger = format!("/stock/movements?product={product}&location={there}");
    // Lists show what is durable a moment before single reads do.
    let ledger = shop
        .admin
        .until(&ledger, |page| page["data"][0].is_object())
        .await;
    let ledger = ledger["data"].as_array().unwrap();
    assert_eq!(ledger.len(), 1);
    assert_eq!(
        (&ledger[0]["type"], &ledger[0]["movement"]),
        (&json!("transfer_in"), &moved["id"])
    );
}

async fn concurrent_issues_take_no_more_than_there_is(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let answers = join_all((0..8).map(|_| shop.moves("issue", &product, 3))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 3);
    assert_eq!(shop.balance(&product).await, (1, 0));
}

async fn a_low_item_says_so(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let item = shop.admin.get("/stock").await.data()[0].clone();
    assert_eq!(
        (&item["low"], &item["reorder_point"]),
        (&json!(false), &Value::Null)
    );
    let path = format!("/stock/{}", item["id"].as_str().unwrap());
    for (point, is_low) in [(json!(10), true), (json!(9), false), (Value::Null, false)] {
        let after = shop
            .admin
            .patch(&path, &json!({"reorder_point": point}))
            .await;
        assert_eq!(after.gives(200)["low"], is_low, "{point}");
    }
    let after = shop
        .admin
        .patch(&path, &json!({"reorder_point": 8}))
        .await
        .gives(200);
    shop.order(&[(&product, 2)]).await;
    assert_eq!(shop.admin.get(&path).await["low"], true);
    let stale = shop.admin.with("if-match", after.header("etag"));
    stale
        .patch(&path, &json!({"reorder_point": 1}))
        .await
        .gives(412);
    for point in [
        json!(-1),
        json!(1_000_000_000_001_i64),
        json!(1.5),
        json!("1"),
    ] {
        let refusal = shop
            .admin
            .patch(&path, &json!({"reorder_point": point}))
            .await;
        refusal.gives(422).blames("/reorder_point");
    }
    shop.admin
        .patch(&path, &json!({}))
        .await
        .gives(422)
        .blames("/reorder_point");
}

async fn the_ledger_is_read_page_by_page(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(1).await;
    for quantity in 2..=7 {
        shop.moves("receipt", &product, quantity).await.gives(201);
    }
    let base = format!(
        "/stock/movements?product={product}&location={}",
        shop.location
    );
    let (mut path, mut changes) = (format!("{base}&limit=3"), Vec::new());
    loop {
        let page = shop.admin.get(&path).await.gives(200);
        let change = |it: &Value| it["on_hand"].as_i64().unwrap();
        changes.extend(page.data().iter().map(change));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{base}&limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(changes, [1, 2, 3, 4, 5, 6, 7]);
    let halves = format!("/stock/movements?product={product}");
    shop.admin.get(&halves).await.refuses(422, "invalid");
}
