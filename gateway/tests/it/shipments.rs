//! Shipments: carriers' events in any order, and what the public sees of them.

use serde_json::{Value, json};

use crate::shop::{self, Shop};
use crate::world::{World, unique};

cases! {
    scans_may_come_late_twice_and_in_any_order
    a_final_status_never_regresses
    the_public_sees_no_person
    a_tracking_number_is_one_shipments
    of_orders_shipped_at_once_with_a_number_one_gets_it_and_all_leave
    a_batch_of_scans_is_filed_whole_or_not_at_all
    a_shipment_is_called_off_until_it_leaves
    a_late_departure_of_a_cancelled_shipment_does_not_revive_it
    a_lost_parcel_that_turns_up_is_delivered
}

async fn scans_may_come_late_twice_and_in_any_order(world: &'static World) {
    let shop = Shop::open(world).await;
    let shipment = shop.shipment().await.id();
    let scans = [
        (
            "out_for_delivery",
            "2026-01-04T08:00:00.000Z",
            "out_for_delivery",
        ),
        ("picked_up", "2026-01-01T08:00:00.000Z", "out_for_delivery"),
        ("in_transit", "2026-01-03T08:00:00.000Z", "out_for_delivery"),
        ("booked", "2025-12-31T08:00:00.000Z", "out_for_delivery"),
        ("delivered", "2026-01-05T08:00:00.000Z", "delivered"),
        ("exception", "2026-01-02T08:00:00.000Z", "delivered"),
    ];
    for (status, at, expected) in scans {
        let after = shop.scan(&shipment, status, at).await.gives(200);
        assert_eq!(after["status"], expected, "{status}");
    }
    let path = format!("/shipments/{shipment}");
    let before = shop.admin.get(&path).await.gives(200);
    for (status, at, _) in scans {
        shop.scan(&shipment, status, at).await.gives(200);
    }
    let after = shop.admin.get(&path).await.gives(200);
    assert_eq!(after.body, before.body, "a duplicate had an effect");
    let times: Vec<_> = after["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["occurred_at"].as_str().unwrap())
        .collect();
    assert_eq!(times.len(), scans.len());
    assert!(times.is_sorted(), "{times:?}");
}

async fn a_final_status_never_regresses(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(5).await;
    let order = shop.packed(&[(&product, 5)]).await;
    let shipment = shop.ship(&order, &json!({})).await;
    shop.scan(&shipment, "delivered", "2026-01-05T08:00:00Z")
        .await
        .gives(200);
    shop.until(&order, "delivered").await;
    for status in [
        "booked",
        "picked_up",
        "in_transit",
        "exception",
        "returning",
        "lost",
        "cancelled",
    ] {
        let after = shop
            .scan(&shipment, status, "2026-01-06T08:00:00Z")
            .await
            .gives(200);
        assert_eq!(after["status"], "delivered", "{status}");
        assert_eq!(after["allowed_transitions"], json!(["returned"]));
    }
    let cancel = format!("/shipments/{shipment}/cancel");
    let refusal = shop.admin.post(&cancel, &json!({})).await;
    refusal.refuses(409, "illegal-transition");
    assert_eq!(
        shop.admin.get(&format!("/orders/{order}")).await["status"],
        "delivered"
    );
    shop.until_balance(&product, 0, 0).await;
}

async fn the_public_sees_no_person(world: &'static World) {
    let shop = Shop::open(world).await;
    let made = shop.shipment().await;
    let events = json!({"events": [{
        "code": "PU", "status": "out_for_delivery", "occurred_at": "2026-01-01T08:00:00Z",
        "place": {"city": "Campinas", "country": "BR"}, "description": "signed by Grace",
        "reason": "gate of Grace", "coordinates": {"latitude": -23.561414, "longitude": -46.6},
    }]});
    let path = format!("/shipments/{}/events", made.id());
    shop.admin.post(&path, &events).await.gives(200);
    let number = made.text("tracking_number");
    let nobody = world.nobody();
    let tracking = nobody.get(&format!("/tracking/{number}")).await.gives(200);
    assert_eq!(tracking["status"], "out_for_delivery");
    assert_eq!(tracking["destination"], "BR");
    assert_eq!(tracking["events"][0]["place"]["city"], "Campinas");
    let scans = nobody
        .get(&format!("/tracking/{number}/events"))
        .await
        .gives(200);
    assert_eq!(&scans["data"], &tracking["events"]);
    for shown in [&tracking, &scans] {
        // The number is chance, and may have anything in it.
        let text = shown.body.to_string().replace(&number, "");
        for private in [
            "Grace",
            "Augusta",
            "Paulo",
            "01304",
            "55550000",
            "23.5614",
            &made.id(),
            &shop.company,
        ] {
            assert!(!text.contains(private), "{private} in {text}");
        }
    }
    for wrong in [
        "QY000000000000000000000000",
        "nonsense!",
        "%00",
        "1Z999AA10123456784",
    ] {
        nobody
            .get(&format!("/tracking/{wrong}"))
            .await
            .refuses(404, "not-found");
    }
}

async fn a_tracking_number_is_one_shipments(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    let number = unique("1Z999AA1012345");
    let mut body = shop::shipment();
    body["tracking_number"] = json!(number);
    let made = shop.admin.post("/shipments", &body).await.gives(201);
    body["reference"] = Value::Null;
    let refusal = other.admin.post("/shipments", &body).await;
    refusal
        .refuses(409, "tracking-number-taken")
        .blames("/tracking_number");
    // Numbers of our own form are ours to give.
    body["tracking_number"] =
        shop.admin.post("/shipments", &shop::shipment()).await["tracking_number"].clone();
    let refusal = other.admin.post("/shipments", &body).await;
    refusal.gives(422).blames("/tracking_number");
    let tracking = world
        .nobody()
        .get(&format!("/tracking/{}", number.to_lowercase()))
        .await;
    assert_eq!(
        tracking.gives(200)["tracking_number"],
        made["tracking_number"]
    );
}

async fn of_orders_shipped_at_once_with_a_number_one_gets_it_and_all_leave(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(2).await;
    let orders = [
        shop.packed(&[(&product, 1)]).await,
        shop.packed(&[(&product, 1)]).await,
    ];
    let number = unique("1Z999AA1099999");
    let body = json!({"tracking_number": number});
    // Both are asked for before either shipment is there, and so before either can have the number.
    let (one, other) = tokio::join!(shop.ship(&orders[0], &body), shop.ship(&orders[1], &body));
    let shipments = [one, other];
    let mut named = Vec::new();
    for (order, shipment) in orders.iter().zip(&shipments) {
        named.push(outcome_of_numbering(&shop, shipment, &number).await);
        let left = shop.scan(shipment, "picked_up", "2026-01-01T08:00:00Z");
        left.await.gives(200);
        shop.until(order, "shipped").await;
    }
    named.sort();
    assert_eq!(named, ["shipment.number_refused", "shipment.numbered"]);
    shop.until_balance(&product, 0, 0).await;
    let parked = world.root.all("/parked").await;
    let ours = |it: &&Value| {
        let mut ours = orders.iter().chain(&shipments);
        ours.any(|id| it["event"]["resource"] == id.as_str())
    };
    assert_eq!(parked.iter().find(ours), None);
}

/// The event that says what became of the number that a shipment was to have; its present number
/// is that one only if it got it.
async fn outcome_of_numbering(shop: &Shop, shipment: &str, number: &str) -> String {
    let is_told = |page: &Value| page["data"][1]["data"]["tracking_number"] == number;
    let history = format!("/shipments/{shipment}/history");
    let history = shop.admin.until(&history, is_told).await;
    let outcome = history.data()[1]["type"].as_str().unwrap().to_owned();
    let shipment = shop.admin.get(&format!("/shipments/{shipment}")).await;
    let got_it = shipment.gives(200)["tracking_number"] == number;
    assert_eq!(got_it, outcome == "shipment.numbered", "{outcome}");
    outcome
}

async fn a_batch_of_scans_is_filed_whole_or_not_at_all(world: &'static World) {
    let shop = Shop::open(world).await;
    let shipment = shop.shipment().await.id();
    let path = format!("/shipments/{shipment}");
    let scan = |status: &str, at: &str| json!({"code": "X", "status": status, "occurred_at": at});
    let good = scan("booked", "2026-01-01T08:00:00Z");
    for (bad, field) in [
        (scan("created", "2026-01-01T08:00:00Z"), "/status"),
        (scan("booked", "1999-01-01T08:00:00Z"), "/occurred_at"),
        (scan("booked", "2126-01-01T08:00:00Z"), "/occurred_at"),
        (scan("booked", "yesterday"), "/occurred_at"),
        (scan("teleported", "2026-01-01T08:00:00Z"), "/status"),
    ] {
        let events = json!({"events": [good, bad]});
        let refusal = shop.admin.post(&format!("{path}/events"), &events).await;
        refusal.gives(422).blames(&format!("/events/1{field}"));
    }
    assert_eq!(shop.admin.get(&path).await["version"], 1);
    let many: Vec<_> = (0..101).map(|_| good.clone()).collect();
    let refusal = shop
        .admin
        .post(&format!("{path}/events"), &json!({"events": many}))
        .await;
    refusal.gives(422).blames("/events");
}

async fn a_shipment_is_called_off_until_it_leaves(world: &'static World) {
    let shop = Shop::open(world).await;
    let made = async || shop.shipment().await.id();
    let (one, two) = (made().await, made().await);
    let cancel = async |id: &str| {
        let body = json!({"reason": "not needed"});
        shop.admin
            .post(&format!("/shipments/{id}/cancel"), &body)
            .await
    };
    shop.scan(&one, "booked", "2026-01-01T08:00:00Z")
        .await
        .gives(200);
    let called_off = cancel(&one).await.gives(200);
    called_off
        .shows("/status", "cancelled")
        .shows("/cancel_reason", "not needed");
    cancel(&one).await.gives(200);
    shop.scan(&two, "picked_up", "2026-01-01T08:00:00Z")
        .await
        .gives(200);
    let refusal = cancel(&two).await.refuses(409, "illegal-transition");
    assert!(
        refusal["allowed_transitions"]
            .as_array()
            .unwrap()
            .contains(&json!("delivered"))
    );
}

async fn a_late_departure_of_a_cancelled_shipment_does_not_revive_it(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(5).await;
    let order = shop.packed(&[(&product, 5)]).await;
    let shipment = shop.ship(&order, &json!({})).await;
    shop.act(&order, "cancel", &json!({})).await.gives(200);
    shop.until_balance(&product, 5, 0).await;
    let after = shop
        .scan(&shipment, "in_transit", "2026-01-01T08:00:00Z")
        .await
        .gives(200);
    assert_eq!(after["status"], "cancelled");
    assert_eq!(after["events"].as_array().unwrap().len(), 1);
    let order = shop.admin.get(&format!("/orders/{order}")).await;
    assert_eq!(order["status"], "cancelled");
    // The goods are gone all the same, whatever was decided: the balance tells what is there.
    shop.until_balance(&product, 0, 0).await;
}

async fn a_lost_parcel_that_turns_up_is_delivered(world: &'static World) {
    let shop = Shop::open(world).await;
    let shipment = shop.shipment().await.id();
    for (status, expected) in [
        ("lost", "lost"),
        ("in_transit", "lost"),
        ("delivered", "delivered"),
        ("returned", "returned"),
        ("delivered", "returned"),
    ] {
        let at = format!("2026-01-0{}T08:00:00Z", expected.len() % 9 + 1);
        let after = shop.scan(&shipment, status, &at).await.gives(200);
        assert_eq!(after["status"], expected, "{status}");
    }
}
