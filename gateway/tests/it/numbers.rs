//! Numbers at and beyond their limits, in every field and parameter of the document that takes one:
//! done only where the document allows them, and never a failure of the server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::companies::one_of_each;
use crate::document::{fields, operations, parameters};
use crate::shop::Shop;
use crate::targets::{Target, census, replaced, targets};
use crate::world::{World, unique};

cases! {
    numbers_in_bodies_are_within_their_limits
    numbers_in_queries_are_within_their_limits
    numbers_in_headers_are_within_their_limits
}

/// Numbers at the limits of those who compute with them, as JSON has them.
const EXTREMES: [&str; 17] = [
    "0",
    "-1",
    "0.5",
    "2147483648",
    "4294967296",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "170141183460469231731687303715884105728",
    "1e308",
    "-1e308",
    "1e400",
];

fn takes_number(schema: &Value) -> bool {
    let kind = &schema["type"];
    let is =
        |name: &str| *kind == name || kind.as_array().is_some_and(|it| it.contains(&json!(name)));
    is("integer") || is("number")
}

/// The extremes, and those at and next to the schema's own limits.
fn numbers(schema: &Value) -> Vec<String> {
    let limits = ["minimum", "maximum"].map(|name| whole(&schema[name]));
    let around = limits
        .iter()
        .flat_map(|limit| [limit - 1, *limit, limit + 1]);
    let all = around.map(|it| it.to_string());
    all.chain(EXTREMES.map(str::to_owned)).collect()
}

/// Every number of the document has both limits, and they are whole.
fn whole(limit: &Value) -> i128 {
    let limit = limit.as_f64().unwrap();
    assert!(limit.fract() == 0.0 && limit.abs() < 1e16, "{limit}");
    format!("{limit:.0}").parse().unwrap()
}

/// Whether the document allows a number.
fn allows(schema: &Value, number: &str) -> bool {
    let [least, most] = ["minimum", "maximum"].map(|name| whole(&schema[name]));
    if let Ok(number) = number.parse::<i128>() {
        return (least..=most).contains(&number);
    }
    let number: f64 = number.parse().unwrap();
    #[expect(
        clippy::cast_precision_loss,
        reason = "no limit of a fraction is large"
    )]
    let is_within = least as f64 <= number && number <= most as f64;
    schema["type"] == "number" && is_within
}

/// Refused for the number's sake: at its place, as no number at all, or in the result of its row.
#[track_caller]
fn assert_refused(answer: &Answer, place: &str, number: &str) {
    let said = format!("{number} at {place}: {answer:?}");
    let problem = match answer["results"].get(0) {
        Some(row) => &row["problem"],
        None => &answer.body,
    };
    if problem["status"] == 400 {
        assert_eq!(problem["code"], "malformed", "{said}");
        return;
    }
    assert_eq!(problem["status"], 422, "{said}");
    let blamed = problem["errors"][0]["pointer"].as_str().unwrap();
    // A row's places begin with it, and two numbers may be one value.
    let is_near = place.ends_with(blamed) || place.starts_with(blamed);
    assert!(is_near && !blamed.is_empty(), "{said}");
}

/// The body with a number at a place, and with names that no body before it had.
fn with_number(target: &Target, place: &str, number: &str) -> String {
    let mut body = replaced(&target.body, place, json!("NUMBER"));
    for name in [
        "/sku",
        "/code",
        "/reference",
        "/products/0/sku",
        "/products/0/reference",
    ] {
        if let Some(there) = body.pointer_mut(name) {
            *there = json!(unique("N-"));
        }
    }
    body.to_string().replace("\"NUMBER\"", number)
}

/// The numbers of a target's body, by their places.
fn places<'a>(document: &'a Value, target: &Target) -> Vec<(String, &'a Value)> {
    let route = target.route();
    let operation = operations(document).find(|(name, _)| *name == route);
    let mut places = fields(document, operation.unwrap().1);
    places.retain(|(_, schema)| takes_number(schema));
    places
}

async fn numbers_in_bodies_are_within_their_limits(world: &'static World) {
    let shop = Shop::open(world).await;
    let document = world.nobody().get("//openapi.json").await.gives(200).body;
    let targets = targets(&shop).await;
    let before = census(&shop).await;
    let mut tried = BTreeSet::new();
    for target in &targets {
        for (place, schema) in places(&document, target) {
            for number in numbers(schema).iter().filter(|it| !allows(schema, it)) {
                let answer = target.send(with_number(target, &place, number)).await;
                assert_refused(&answer, &place, number);
            }
            tried.insert(format!("{} {place}", target.route()));
        }
    }
    assert!(tried.len() >= 30, "{tried:?}");
    assert_eq!(census(&shop).await, before);
    // What is allowed may still be refused, by a rule: there are not so many pieces.
    let mut done = BTreeSet::new();
    for target in &targets {
        for (place, schema) in places(&document, target) {
            for number in numbers(schema).iter().filter(|it| allows(schema, it)) {
                let answer = target.send(with_number(target, &place, number)).await;
                if answer.status < 300 {
                    done.insert(format!("{} {place} {number}", target.route()));
                } else {
                    answer.problem();
                }
            }
        }
    }
    assert!(done.len() >= tried.len(), "{done:?}");
}

async fn numbers_in_queries_are_within_their_limits(world: &'static World) {
    let shop = Shop::open(world).await;
    let ids = one_of_each(&shop).await;
    let document = world.nobody().get("//openapi.json").await.gives(200).body;
    let mut tried = 0;
    for (name, operation) in operations(&document) {
        let resource = name.split('/').nth(1).unwrap();
        let id = ids.iter().find(|(it, _)| *it == resource);
        let path = name.trim_start_matches("GET ");
        let path = path.replace("{id}", id.map_or("", |(_, id)| id));
        let asker = if path == "/parked" {
            &world.root
        } else {
            &shop.admin
        };
        let stock = &ids.iter().find(|(it, _)| *it == "stock").unwrap().1;
        for (parameter, schema) in parameters(operation, "query") {
            if !takes_number(schema) {
                continue;
            }
            for number in numbers(schema) {
                let mut question = format!("{path}?{parameter}={number}");
                if path == "/stock/movements" {
                    question += &format!("&stock={stock}");
                }
                let answer = asker.get(&question).await;
                match answer.status {
                    200 => assert!(allows(schema, &number), "{question}"),
                    // A version that there has not been.
                    404 if parameter == "at_version" => {}
                    _ => assert!(
                        !allows(schema, &number),
                        "{:?}",
                        answer.refuses(422, "invalid")
                    ),
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 600, "only {tried} were tried");
}

async fn numbers_in_headers_are_within_their_limits(world: &'static World) {
    let shop = Shop::open(world).await;
    let product = shop.product(0).await;
    let (path, wants) = (format!("/products/{product}"), shop.wants(&[(&product, 1)]));
    let order = shop.order(&[(&shop.product(1).await, 1)]).await.id();
    for number in EXTREMES {
        let stale = shop.admin.with("if-match", format!("\"{number}\""));
        let refusal = stale.patch(&path, &json!({"name": "X"})).await;
        refusal.refuses(412, "version-mismatch");
        let waiting = shop.admin.with("prefer", format!("wait={number}"));
        let answer = waiting.post("/orders", &wants).await;
        let is_whole = number.parse::<u64>().is_ok();
        assert_eq!(answer.status == 422, !is_whole, "{answer:?}");
        assert!(answer.status < 500, "{answer:?}");
        // From version 0 on, the stream would not end.
        if number != "0" {
            let resumed = shop.admin.with("last-event-id", number);
            let stream = format!("/live/sse?topic=order:{order}");
            resumed.get(&stream).await.refuses(422, "invalid-cursor");
        }
    }
}
