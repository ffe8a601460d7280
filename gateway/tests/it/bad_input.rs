//! Bad input on every route that takes a body: told clearly, and without any effect.

use axum::http::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::shop::{self, Shop, money};
use crate::targets::{Target, census, replaced, targets};
use crate::world::{World, unique};

cases! {
    what_is_no_good_json_is_refused_everywhere
    bodies_where_none_belongs_are_refused
    bodies_of_other_media_types_are_refused
    every_value_of_a_wrong_type_is_pointed_at
    every_unknown_field_is_pointed_at
    amounts_are_decimal_strings_of_their_currency
    what_costs_more_than_an_amount_can_be_is_refused
    quantities_are_whole_and_bounded
    lists_have_bounds
    texts_have_bounds
    ids_that_are_none_name_nothing
    every_route_that_takes_a_body_is_tried
}

/// Values that can never stand where this one does.
fn wrong_for(value: &Value) -> Vec<Value> {
    let never = [json!({"a": 1}), json!([[]]), json!("\0")];
    let own = match value {
        Value::String(_) => vec![json!(7), json!(true), json!(1e28)],
        Value::Number(number) if number.is_f64() => vec![json!("7"), json!(true), json!(1e28)],
        Value::Number(_) => vec![
            json!("7"),
            json!(true),
            json!(-1),
            json!(1.5),
            json!(1e28),
            json!(1_u64 << 63),
        ],
        Value::Bool(_) => vec![json!("true"), json!(0)],
        Value::Array(_) | Value::Object(_) | Value::Null => vec![json!("x"), json!(7), json!(true)],
    };
    own.into_iter().chain(never).collect()
}

#[track_caller]
fn assert_points_near(answer: Answer, place: &str) {
    let answer = answer.gives(422).problem();
    let blamed = answer["errors"][0]["pointer"].as_str().unwrap_or("(none)");
    let is_near = place.starts_with(blamed) || blamed.starts_with(place);
    assert!(is_near && !blamed.is_empty(), "{place} was bad: {answer:?}");
}

async fn what_is_no_good_json_is_refused_everywhere(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    for target in &targets {
        // Where every member is optional, so is the body.
        let is_optional = ["ship", "cancel", "suspend", "block"]
            .iter()
            .any(|step| target.path.ends_with(step));
        for body in malformed(&target.body.to_string()) {
            if !(is_optional && body.is_empty()) {
                target.send(body).await.refuses(400, "malformed");
            }
        }
        for body in ["null", "7", "\"x\"", "true", "[]", "[1,2,3]"] {
            target.send(body).await.refuses(422, "invalid");
        }
        let huge = format!("{}{}", " ".repeat(1 << 20), target.body);
        target.send(huge).await.refuses(413, "too-large");
        let keyed = target.client.keyed(&unique("k"));
        let (method, path) = (target.method.clone(), &target.path);
        keyed
            .send(method, path, "{")
            .await
            .refuses(400, "malformed");
    }
    assert_eq!(census(&shop).await, before);
}

fn malformed(good: &str) -> Vec<Vec<u8>> {
    let deep = format!("{{\"a\":{}", "[".repeat(50_000));
    let twice = format!("{{\"x\":1,\"x\":2,{}", &good[1..]);
    let texts = ["", "{", "{} {}", "\u{feff}{}", "{'a':1}", "{\"a\":NaN}"];
    let texts = texts.into_iter().chain([&good[1..], &twice, &deep]);
    let not_utf8 = b"{\"a\":\"\xff\"}".to_vec();
    texts
        .map(|text| text.as_bytes().to_vec())
        .chain([not_utf8])
        .collect()
}

async fn bodies_where_none_belongs_are_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = format!("/products/{}/deactivate", shop.product(1).await);
    for (body, status, code) in [("{", 400, "malformed"), ("{\"a\":1}", 422, "invalid")] {
        let answer = shop.admin.send(Method::POST, &product, body).await;
        answer.refuses(status, code);
    }
    shop.admin.send(Method::POST, &product, "").await.gives(200);
}

async fn bodies_of_other_media_types_are_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    for target in &targets {
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "jsonp",
            "",
        ] {
            let client = target.client.with("content-type", media_type);
            let (method, body) = (target.method.clone(), target.body.to_string());
            let answer = client.send(method, &target.path, body).await;
            answer.refuses(415, "unsupported-media-type");
        }
    }
    assert_eq!(census(&shop).await, before);
}

async fn every_value_of_a_wrong_type_is_pointed_at(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    for target in &targets {
        for (place, value) in target.places() {
            for wrong in wrong_for(&value) {
                // Metadata may have any member, and a bulk any rows.
                let is_free = (place.ends_with("/metadata") && wrong.is_object())
                    || (place == "/products" && wrong.is_array());
                if !is_free {
                    assert_points_near(target.send_with(&place, wrong).await, &place);
                }
            }
        }
    }
    assert_eq!(census(&shop).await, before);
}

async fn every_unknown_field_is_pointed_at(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    for target in &targets {
        let whole = (String::new(), target.body.clone());
        for (place, mut value) in target.places().into_iter().chain([whole]) {
            if value.is_object() && !place.ends_with("/metadata") {
                value["a~b/c"] = json!(1);
                let refusal = target.send_with(&place, value).await.gives(422);
                refusal.blames(&format!("{place}/a~0b~1c"));
            }
        }
    }
    assert_eq!(census(&shop).await, before);
}

/// What is no amount of a product or an order, in any currency.
const NO_AMOUNTS: [&str; 17] = [
    "1.234",
    "1e3",
    "+1",
    "01",
    "",
    " 1",
    "1.",
    ".5",
    "--1",
    "1,5",
    "NaN",
    "0x1",
    "\u{661}",
    "-1",
    "10000000000000000",
    "79228162514264337593543950336",
    "1e28",
];

async fn amounts_are_decimal_strings_of_their_currency(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    let mut tried = 0;
    for target in &targets {
        let places = target.places().into_iter().map(|(place, _)| place);
        for place in places.filter(|place| place.ends_with("/amount")) {
            for amount in NO_AMOUNTS {
                assert_points_near(target.send_with(&place, json!(amount)).await, &place);
                tried += 1;
            }
            let currency = place.replace("/amount", "/currency");
            for unknown in ["XXQ", "brl", "", "R$"] {
                assert_points_near(target.send_with(&currency, json!(unknown)).await, &currency);
            }
        }
    }
    assert!(tried >= 5 * NO_AMOUNTS.len(), "only {tried} were tried");
    let mut yen = shop::product();
    yen["price"] = json!({"amount": "1.5", "currency": "JPY"});
    shop.admin
        .post("/products", &yen)
        .await
        .gives(422)
        .blames("/price");
    assert_eq!(census(&shop).await, before);
}

async fn what_costs_more_than_an_amount_can_be_is_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    let mut dear = shop::product();
    dear["price"] = money("1000000000000000.00");
    let dear = shop.admin.post("/products", &dear).await.gives(201).id();
    let order = async |lines: &[(&str, i64)]| {
        let body = shop.wants(lines);
        shop.admin.post("/orders", &body).await
    };
    order(&[(&dear, 2)])
        .await
        .refuses(422, "amount-out-of-range");
    let sum = order(&[(&dear, 1), (&dear, 1)]).await;
    sum.refuses(422, "total-out-of-range").blames("/lines");
}

/// Numbers that no quantity, weight or length takes, as JSON has them.
const NO_QUANTITIES: [&str; 10] = [
    "0",
    "-1",
    "-0",
    "9223372036854775808",
    "18446744073709551616",
    "9999999999999",
    "1e28",
    "1.5",
    "1.0",
    "1e0",
];

async fn quantities_are_whole_and_bounded(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    let is_one = |place: &str| {
        ["quantity", "_g", "_mm"]
            .iter()
            .any(|it| place.ends_with(it))
    };
    let mut tried = 0;
    for target in &targets {
        let places = target.places().into_iter().map(|(place, _)| place);
        for place in places.filter(|place| is_one(place)) {
            for number in NO_QUANTITIES {
                let marked = replaced(&target.body, &place, json!("MARK")).to_string();
                let body = marked.replace("\"MARK\"", number);
                assert_points_near(target.send(body).await, &place);
                tried += 1;
            }
        }
    }
    assert!(tried >= 10 * NO_QUANTITIES.len(), "only {tried} were tried");
    assert_eq!(census(&shop).await, before);
}

async fn lists_have_bounds(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(9).await;
    let before = census(&shop).await;
    let line = shop.lines(&[(&product, 1)]).remove(0);
    let addresses = vec![json!({"address": shop::address()}); 21];
    let customer = json!({"type": "business", "name": "B", "addresses": addresses});
    let mut parcels = shop::shipment();
    parcels["parcels"] = json!([]);
    let mut address = shop::location();
    address["address"]["lines"] = json!(["1", "2", "3", "4", "5"]);
    for (path, body, pointer) in [
        (
            "/orders",
            json!({"customer": shop.customer, "lines": []}),
            "/lines",
        ),
        (
            "/orders",
            json!({"customer": shop.customer, "lines": vec![&line; 201]}),
            "/lines",
        ),
        ("/products/bulk", json!({"products": []}), "/products"),
        (
            "/products/bulk",
            json!({"products": vec![json!({}); 1001]}),
            "/products",
        ),
        ("/customers", customer, "/addresses"),
        ("/shipments", parcels, "/parcels"),
        ("/locations", address, "/address/lines"),
    ] {
        shop.admin
            .post(path, &body)
            .await
            .gives(422)
            .blames(pointer);
    }
    assert_eq!(census(&shop).await, before);
    // As many as may be.
    let wants = json!({"customer": shop.customer, "lines": vec![&line; 200], "draft": true});
    shop.admin.post("/orders", &wants).await.gives(201);
}

async fn texts_have_bounds(world: &'static World) {
    let shop = Shop::open(world).await;
    let before = census(&shop).await;
    let long = "x".repeat(5_000);
    let pairs: Value = (0..21)
        .map(|it| (it.to_string(), json!("v")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for (pointer, value) in [
        ("/name", json!("")),
        ("/name", json!("  ")),
        ("/name", json!(long)),
        ("/name", json!("a\nb")),
        ("/name", json!("a\u{7f}b")),
        ("/email", json!("nobody")),
        ("/email", json!("a@b@c")),
        ("/phone", json!("call me")),
        ("/reference", json!(" r")),
        ("/reference", json!("")),
        ("/notes", json!(long)),
        ("/addresses/0/address/country", json!("ZZ")),
        ("/addresses/0/address/country", json!("Brazil")),
        ("/addresses/0/address/lines/0", json!("")),
        ("/metadata", pairs),
        ("/metadata", json!({"": "v"})),
        ("/metadata", json!({"k": long})),
        ("/metadata", json!({"k": "a\u{0}"})),
        ("/type", json!("robot")),
    ] {
        let body = replaced(&shop::customer(), pointer, value);
        assert_points_near(shop.admin.post("/customers", &body).await, pointer);
    }
    for (pointer, value) in [
        ("/sku", json!("a b")),
        ("/sku", json!("ü")),
        ("/weight_g", json!(0)),
        ("/category", json!(long)),
    ] {
        let body = replaced(&shop::product(), pointer, value);
        assert_points_near(shop.admin.post("/products", &body).await, pointer);
    }
    let short =
        json!({"email": "u@acme.example", "name": "U", "password": "1234567", "role": "viewer"});
    let refusal = shop
        .admin
        .post("/users", &short)
        .await
        .gives(422)
        .blames("/password");
    assert!(!refusal.body.to_string().contains("1234567"));
    assert_eq!(census(&shop).await, before);
}

async fn ids_that_are_none_name_nothing(world: &'static World) {
    let shop = Shop::open(world).await;
    let order = shop.order(&[(&shop.product(1).await, 1)]).await.id();
    let other_kind = order.replace("ord_", "shp_");
    for id in [
        "x",
        "ord_",
        &other_kind,
        &order.to_uppercase(),
        &format!("{order}0"),
        "ord_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "%00",
        "..%2F..",
        "ord_00000000000000000000000001",
    ] {
        shop.admin
            .get(&format!("/orders/{id}"))
            .await
            .gives(404)
            .problem();
        shop.admin
            .get(&format!("/orders/{id}/history"))
            .await
            .gives(404)
            .problem();
        shop.act(id, "cancel", &json!({}))
            .await
            .gives(404)
            .problem();
        shop.admin
            .delete(&format!("/sessions/{id}"))
            .await
            .gives(404)
            .problem();
    }
    let wrong = json!({"customer": order, "lines": []});
    shop.admin
        .post("/orders", &wrong)
        .await
        .gives(422)
        .blames("/customer");
    shop.admin.get("/nowhere").await.refuses(404, "not-found");
    let answer = shop.admin.delete("/orders").await;
    answer.refuses(405, "method-not-allowed");
}

async fn every_route_that_takes_a_body_is_tried(world: &'static World) {
    let shop = Shop::open(world).await;
    let targets = targets(&shop).await;
    let tried: Vec<_> = targets.iter().map(Target::route).collect();
    let document = world.nobody().get("//openapi.json").await.gives(200);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.trim_start_matches("/api/v1");
        for (method, operation) in methods.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            let takes_body = operation.get("requestBody").is_some();
            assert_eq!(tried.contains(&name), takes_body, "{name}");
        }
    }
}
