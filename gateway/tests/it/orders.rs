//! Orders: from draft to returned, and what may go otherwise.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::shop::{self, Shop, money};
use crate::world::{World, unique};

cases! {
    an_order_lives_its_whole_life
    a_shipment_is_made_of_what_the_order_says
    as_many_orders_are_confirmed_as_there_are_goods
    two_lines_of_one_product_are_judged_on_their_sum
    a_partly_refused_order_keeps_nothing
    cancelling_twice_releases_once
    an_illegal_transition_says_which_are_legal
    a_draft_binds_nobody_until_placed
    an_impatient_client_is_answered_at_once
    a_draft_is_changed_freely
    a_confirmed_order_is_changed_as_far_as_there_are_goods
    what_is_picked_is_changed_no_more
    parts_travel_in_shipments_of_their_own
    what_comes_back_is_sold_again_if_it_is_fit
    totals_are_exact
    a_backorder_waits_for_goods
    a_cancelled_order_calls_its_shipments_off
}

async fn an_order_lives_its_whole_life(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let order = shop.order(&[(&product, 4)]).await;
    let order = order
        .shows("/status", "confirmed")
        .shows("/lines/0/reserved", 4)
        .shows("/totals/total", money("40.00"))
        .shows("/allowed_transitions", vec!["picking", "cancelled"])
        .id();
    assert_eq!(shop.balance(&product).await, (10, 4));
    for (step, status) in [("pick", "picking"), ("pack", "packed")] {
        let after = shop.act(&order, step, &json!({})).await.gives(200);
        after.shows("/status", status);
    }
    let shipment = shop.ship(&order, &json!({"carrier": "dhl"})).await;
    assert_eq!(shop.balance(&product).await, (10, 4));
    let picked_up = shop.scan(&shipment, "picked_up", "2026-01-01T08:00:00Z");
    picked_up.await.gives(200);
    let shipped = shop.until(&order, "shipped").await;
    shipped
        .shows("/lines/0/shipped", 4)
        .shows("/lines/0/reserved", 0);
    shop.until_balance(&product, 6, 0).await;
    let delivered = shop.scan(&shipment, "delivered", "2026-01-02T08:00:00Z");
    delivered.await.gives(200);
    let delivered = shop.until(&order, "delivered").await;
    delivered.shows("/lines/0/delivered", 4);
    let back = json!({"lines": [{"line": 1, "quantity": 4}], "reason": "broken"});
    let returned = shop.act(&order, "return", &back).await.gives(200);
    returned
        .shows("/status", "returned")
        .shows("/allowed_transitions", json!([]));
    shop.until_balance(&product, 10, 0).await;
}

async fn a_shipment_is_made_of_what_the_order_says(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let order = shop.packed(&[(&product, 4)]).await;
    let body = json!({"carrier": "dhl", "service": "express"});
    let shipment = shop.ship(&order, &body).await;
    let parcel = shop.admin.get(&format!("/shipments/{shipment}")).await;
    parcel
        .gives(200)
        .shows("/order", order)
        .shows("/status", "created")
        .shows("/carrier", "dhl")
        .shows("/lines/0/quantity", 4)
        .shows("/parcels/0/weight_g", 1200)
        .shows("/consignee", shop::address());
}

async fn as_many_orders_are_confirmed_as_there_are_goods(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(7).await;
    let wants = shop.wants(&[(&product, 1)]);
    let orders = join_all((0..20).map(|_| shop.admin.post("/orders", &wants))).await;
    let (mut confirmed, mut rejected) = (0, 0);
    for order in orders {
        let order = order.gives(201);
        match order["status"].as_str().unwrap() {
            "confirmed" => confirmed += 1,
            "rejected" => {
                rejected += 1;
                assert_eq!(order["refusals"][0]["reason"], "insufficient_stock");
                assert_eq!(order["refusals"][0]["wanted"], 1);
                assert_eq!(order["lines"][0]["reserved"], 0);
            }
            status => panic!("{status}"),
        }
    }
    assert_eq!((confirmed, rejected), (7, 13));
    assert_eq!(shop.balance(&product).await, (7, 7));
}

async fn two_lines_of_one_product_are_judged_on_their_sum(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let many = shop.order(&[(&product, 6), (&product, 5)]).await;
    assert_eq!(many["status"], "rejected");
    assert_eq!(many["refusals"][0]["wanted"], 11);
    assert_eq!(many["refusals"][0]["available"], 10);
    assert_eq!(shop.balance(&product).await, (10, 0));
    let fits = shop.order(&[(&product, 6), (&product, 4)]).await;
    assert_eq!(fits["status"], "confirmed");
    assert_eq!(shop.balance(&product).await, (10, 10));
}

async fn a_partly_refused_order_keeps_nothing(world: &'static World) {
    let shop = Shop::open(world).await;
    let (plenty, scarce) = (shop.product(10).await, shop.product(1).await);
    let order = shop.order(&[(&plenty, 5), (&scarce, 2)]).await;
    assert_eq!(order["status"], "rejected");
    assert_eq!(order["allowed_transitions"], json!([]));
    shop.until_balance(&plenty, 10, 0).await;
    shop.until_balance(&scarce, 1, 0).await;
    assert_eq!(
        shop.order(&[(&plenty, 10), (&scarce, 1)]).await["status"],
        "confirmed"
    );
}

async fn cancelling_twice_releases_once(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let (one, _two) = (
        shop.order(&[(&product, 3)]).await.id(),
        shop.order(&[(&product, 4)]).await,
    );
    let (reason, none) = (json!({"reason": "changed my mind"}), json!({}));
    let both = join_all([&reason, &none].map(|body| shop.act(&one, "cancel", body))).await;
    for answer in both {
        assert_eq!(answer.gives(200)["status"], "cancelled");
    }
    let third = shop.act(&one, "cancel", &none).await.gives(200);
    assert_eq!(third["lines"][0]["cancelled"], 3);
    shop.until_balance(&product, 10, 4).await;
}

async fn an_illegal_transition_says_which_are_legal(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let order = shop.order(&[(&product, 1)]).await.id();
    let back = json!({"lines": [{"line": 1, "quantity": 1}]});
    for (step, body) in [
        ("pack", json!({})),
        ("ship", json!({})),
        ("place", json!({})),
        ("return", back),
    ] {
        let refusal = shop.act(&order, step, &body).await;
        let refusal = refusal.refuses(409, "illegal-transition");
        assert_eq!(
            refusal["allowed_transitions"],
            json!(["picking", "cancelled"]),
            "{step}"
        );
    }
    shop.act(&order, "cancel", &json!({})).await.gives(200);
    let refusal = shop.act(&order, "pick", &json!({})).await;
    let refusal = refusal.refuses(409, "illegal-transition");
    assert_eq!(refusal["allowed_transitions"], json!([]));
}

async fn a_draft_binds_nobody_until_placed(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let mut body = shop.wants(&[(&product, 2)]);
    body["draft"] = json!(true);
    let draft = shop.admin.post("/orders", &body).await.gives(201);
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["placed_at"], Value::Null);
    assert_eq!(shop.balance(&product).await, (10, 0));
    let placed = shop.act(&draft.id(), "place", &json!({})).await.gives(200);
    assert_eq!(placed["status"], "confirmed");
    assert_eq!(shop.balance(&product).await, (10, 2));
}

async fn an_impatient_client_is_answered_at_once(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let impatient = shop.admin.with("prefer", "respond-async");
    let order = impatient
        .post("/orders", &shop.wants(&[(&product, 2)]))
        .await
        .gives(202);
    assert_eq!(order["status"], "placed");
    assert_eq!(order.header("etag"), format!("\"{}\"", order["version"]));
    shop.until(&order.id(), "confirmed").await;
    let patient = shop.admin.with("prefer", "wait=5");
    let order = patient
        .post("/orders", &shop.wants(&[(&product, 2)]))
        .await
        .gives(201);
    assert_eq!(order["status"], "confirmed");
    let odd = shop.admin.with("prefer", "wait=soon");
    odd.post("/orders", &shop.wants(&[(&product, 2)]))
        .await
        .refuses(422, "invalid");
}

async fn a_draft_is_changed_freely(world: &'static World) {
    let shop = Shop::open(world).await;
    let (one, two) = (shop.product(10).await, shop.product(0).await);
    let mut body = shop.wants(&[(&one, 2)]);
    body["draft"] = json!(true);
    let draft = shop.admin.post("/orders", &body).await.gives(201).id();
    let path = format!("/orders/{draft}");
    let lines = shop.lines(&[(&two, 9), (&one, 1)]);
    let change = json!({"lines": lines, "notes": "ring twice", "reference": unique("po-")});
    let after = shop.admin.patch(&path, &change).await.gives(200);
    assert_eq!(after["totals"]["total"], money("100.00"));
    after
        .shows("/status", "draft")
        .shows("/notes", "ring twice");
    let after = shop
        .admin
        .patch(&path, &json!({"notes": null}))
        .await
        .gives(200);
    assert_eq!(after["notes"], Value::Null);
    assert_eq!(after["lines"].as_array().unwrap().len(), 2);
    assert_eq!(shop.balance(&one).await, (10, 0));
}

async fn a_confirmed_order_is_changed_as_far_as_there_are_goods(world: &'static World) {
    let shop = Shop::open(world).await;
    let (one, two) = (shop.product(10).await, shop.product(3).await);
    let order = shop.order(&[(&one, 5)]).await.id();
    let path = format!("/orders/{order}");
    let change = async |lines: &[(&str, i64)]| {
        let body = json!({"lines": shop.lines(lines)});
        shop.admin.patch(&path, &body).await.gives(200)
    };
    assert_eq!(change(&[(&one, 2)]).await["lines"][0]["reserved"], 2);
    shop.until_balance(&one, 10, 2).await;
    let more = change(&[(&one, 8), (&two, 3)]).await;
    let more = more
        .shows("/lines/0/quantity", 8)
        .shows("/lines/1/reserved", 3);
    assert_eq!(more["status"], "confirmed");
    assert_eq!(shop.balance(&one).await, (10, 8));
    assert_eq!(shop.balance(&two).await, (3, 3));
    // More than there is: the order stays as it was, and says what was lacking.
    let kept = change(&[(&one, 9), (&two, 4)]).await;
    assert_eq!(kept["lines"], more["lines"]);
    assert_eq!(kept["refusals"][0]["product"], two);
    assert_eq!(kept["refusals"][0]["wanted"], 4);
    shop.until_balance(&one, 10, 8).await;
    shop.until_balance(&two, 3, 3).await;
    let fewer = change(&[(&two, 1)]).await;
    assert_eq!(fewer["refusals"], json!([]));
    shop.until_balance(&one, 10, 0).await;
    shop.until_balance(&two, 3, 1).await;
}

async fn what_is_picked_is_changed_no_more(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let order = shop.order(&[(&product, 1)]).await.id();
    shop.act(&order, "pick", &json!({})).await.gives(200);
    let change = json!({"lines": shop.lines(&[(&product, 2)])});
    let refusal = shop.admin.patch(&format!("/orders/{order}"), &change).await;
    refusal.refuses(409, "too-late-to-change");
    let cancelled = shop.act(&order, "cancel", &json!({})).await.gives(200);
    assert_eq!(cancelled["status"], "cancelled");
    shop.until_balance(&product, 10, 0).await;
}

async fn parts_travel_in_shipments_of_their_own(world: &'static World) {
    let shop = Shop::open(world).await;
    let (one, two) = (shop.product(10).await, shop.product(10).await);
    let order = shop.packed(&[(&one, 4), (&two, 2)]).await;
    let part = |line: i64, quantity: i64| json!({"lines": [{"line": line, "quantity": quantity}]});
    shop.act(&order, "ship", &part(1, 5))
        .await
        .gives(422)
        .blames("/lines/0/quantity");
    shop.act(&order, "ship", &part(3, 1))
        .await
        .gives(422)
        .blames("/lines/0/line");
    let twice = json!({"lines": [{"line": 1, "quantity": 1}, {"line": 1, "quantity": 1}]});
    shop.act(&order, "ship", &twice)
        .await
        .gives(422)
        .blames("/lines/1/line");
    let first = shop.ship(&order, &part(1, 3)).await;
    shop.act(&order, "ship", &part(1, 2))
        .await
        .gives(422)
        .blames("/lines/0/quantity");
    let rest = shop.ship(&order, &json!({})).await;
    shop.act(&order, "ship", &json!({}))
        .await
        .refuses(409, "nothing-to-ship");
    shop.scan(&first, "in_transit", "2026-01-01T08:00:00Z")
        .await
        .gives(200);
    let partly = shop.until(&order, "partially_shipped").await;
    partly
        .shows("/lines/0/shipped", 3)
        .shows("/lines/0/reserved", 1);
    shop.until_balance(&one, 7, 1).await;
    shop.scan(&first, "delivered", "2026-01-02T08:00:00Z")
        .await
        .gives(200);
    shop.until(&order, "partially_delivered").await;
    shop.scan(&rest, "delivered", "2026-01-03T08:00:00Z")
        .await
        .gives(200);
    shop.until(&order, "delivered").await;
    shop.until_balance(&one, 6, 0).await;
    shop.until_balance(&two, 8, 0).await;
    assert_eq!(
        shop.admin
            .all(&format!("/shipments?order={order}"))
            .await
            .len(),
        2
    );
}

async fn what_comes_back_is_sold_again_if_it_is_fit(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(5).await;
    let order = shop.packed(&[(&product, 5)]).await;
    let shipment = shop.ship(&order, &json!({})).await;
    shop.scan(&shipment, "delivered", "2026-01-02T08:00:00Z")
        .await
        .gives(200);
    shop.until(&order, "delivered").await;
    let back = |quantity: i64, restock: bool| json!({"lines": [{"line": 1, "quantity": quantity}], "restock": restock});
    let partly = shop.act(&order, "return", &back(2, true)).await.gives(200);
    partly
        .shows("/status", "partially_returned")
        .shows("/lines/0/returned", 2);
    shop.until_balance(&product, 2, 0).await;
    shop.act(&order, "return", &back(4, true))
        .await
        .gives(422)
        .blames("/lines/0/quantity");
    let all = shop.act(&order, "return", &back(3, false)).await.gives(200);
    assert_eq!(all["status"], "returned");
    shop.until_balance(&product, 2, 0).await;
}

async fn totals_are_exact(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let mut body = shop.wants(&[(&product, 3), (&product, 1)]);
    body["lines"][0]["unit_price"] = money("0.10");
    body["lines"][0]["discount"] = money("0.05");
    body["lines"][0]["tax"] = money("0.03");
    body["lines"][0]["freight"] = money("1.01");
    let order = shop.admin.post("/orders", &body).await.gives(201);
    assert_eq!(order["lines"][0]["total"], money("1.29"));
    let totals = json!({
        "goods": money("10.30"), "discount": money("0.05"), "tax": money("0.03"),
        "freight": money("1.01"), "total": money("11.29"),
    });
    assert_eq!(order["totals"], totals);
    body["lines"][0]["discount"] = money("0.31");
    shop.admin
        .post("/orders", &body)
        .await
        .refuses(422, "discount-too-large")
        .blames("/lines/0/discount");
    body["lines"][0]["discount"] = json!({"amount": "0.01", "currency": "USD"});
    shop.admin
        .post("/orders", &body)
        .await
        .refuses(422, "currency-mismatch")
        .blames("/lines/0/discount");
}

async fn a_backorder_waits_for_goods(world: &'static World) {
    let shop = Shop::open(world).await;
    let mut body = shop::product();
    body["backorderable"] = json!(true);
    let product = shop.admin.post("/products", &body).await.gives(201).id();
    shop.moves("receipt", &product, 1).await.gives(201);
    assert_eq!(shop.order(&[(&product, 5)]).await["status"], "confirmed");
    let item = shop.admin.get(&format!("/stock?product={product}")).await;
    assert_eq!(item.data()[0]["available"], -4);
    assert_eq!(shop.balance(&product).await, (1, 5));
}

async fn a_cancelled_order_calls_its_shipments_off(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(10).await;
    let order = shop.packed(&[(&product, 4)]).await;
    let shipment = shop.ship(&order, &json!({})).await;
    let cancelled = shop.act(&order, "cancel", &json!({})).await.gives(200);
    assert_eq!(cancelled["status"], "cancelled");
    let parcel = shop
        .admin
        .get(&format!("/shipments/{shipment}"))
        .await
        .gives(200);
    assert_eq!(parcel["status"], "cancelled");
    shop.until_balance(&product, 10, 0).await;
    // What has left is not called off any more.
    let order = shop.packed(&[(&product, 4)]).await;
    let shipment = shop.ship(&order, &json!({})).await;
    shop.scan(&shipment, "in_transit", "2026-01-02T08:00:00Z")
        .await
        .gives(200);
    shop.until(&order, "shipped").await;
    let refusal = shop.act(&order, "cancel", &json!({})).await;
    refusal.refuses(409, "illegal-transition");
    shop.until_balance(&product, 6, 0).await;
}
