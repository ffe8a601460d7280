//! What clients generate code from and look up: the document, its pages, health and keys.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use crate::shop::Shop;
use crate::world::{PASSWORD, World};

/// Every route; a line that changes here changes the contract.
const ROUTES: &str = include_str!("routes.txt");

cases! {
    the_document_has_every_route
    the_document_describes_itself_whole
    the_document_says_what_a_client_may_meet
    what_is_open_is_served_to_anybody
    the_pages_load_nothing_from_elsewhere
    every_problem_has_a_page
    health_is_told
    tokens_are_verified_with_the_published_keys
    every_answer_has_its_headers
    resources_have_all_their_members
}

async fn the_document_has_every_route(world: &'static World) {
    let document = world.nobody().get("//openapi.json").await.gives(200);
    assert!(document.text("openapi").starts_with("3.1."));
    let paths = document["paths"].as_object().unwrap();
    let lines: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{path} {}", method.to_uppercase()))
        })
        .collect();
    let expected: BTreeSet<String> = ROUTES.lines().map(str::to_owned).collect();
    assert_eq!(lines, expected);
}

async fn the_document_describes_itself_whole(world: &'static World) {
    let document = world.nobody().get("//openapi.json").await.gives(200);
    let mut values = vec![&document.body];
    while let Some(value) = values.pop() {
        match value {
            Value::Array(items) => values.extend(items),
            Value::Object(members) => {
                values.extend(members.values());
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').unwrap();
                    let target = document.body.pointer(pointer);
                    assert!(target.is_some(), "{reference} dangles");
                }
            }
            _ => {}
        }
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("default"), "{name}");
            assert!(responses.len() > 1, "{name}");
            // What follows a change of protocols is not described here.
            for (_, response) in responses.iter().filter(|(status, _)| *status != "101") {
                let json = &response["content"]["application/json"];
                assert!(json.is_null() || json["schema"].is_object(), "{name}");
            }
            for part in path.split(['{', '}']).skip(1).step_by(2) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|it| it["name"] == part), "{name}");
            }
        }
    }
}

async fn the_document_says_what_a_client_may_meet(world: &'static World) {
    let document = world.nobody().get("//openapi.json").await.gives(200);
    let parameters = document["paths"]["/api/v1/live/sse"]["get"]["parameters"].as_array();
    for parameter in parameters.unwrap() {
        assert_eq!(
            parameter["required"],
            parameter["name"] == "topic",
            "{parameter}"
        );
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let takes = |name: &str| {
                let mut parameters = operation["parameters"].as_array().into_iter().flatten();
                parameters.any(|it| it["in"] == "header" && it["name"] == name)
            };
            let is_open = operation.get("security").is_none();
            assert_eq!(takes("quenty-company"), !is_open, "{method} {path}");
            let accepted = &operation["responses"]["202"];
            assert_eq!(takes("prefer"), !accepted.is_null(), "{method} {path}");
        }
    }
    let order = &document["paths"]["/api/v1/orders/{id}/place"]["post"]["responses"];
    assert_eq!(order["202"]["content"], order["200"]["content"]);
}

async fn what_is_open_is_served_to_anybody(world: &'static World) {
    let shop = Shop::open(world).await;
    let made = shop.shipment().await;
    let number = made.text("tracking_number");
    let document = world.nobody().get("//openapi.json").await.gives(200);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation.get("security").is_some() {
                continue;
            }
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace("{tracking_number}", &number);
            let answer = world.nobody().send(name, &format!("/{path}"), "{}").await;
            assert!(![401, 404, 405].contains(&answer.status), "{method} {path}");
        }
    }
}

async fn the_pages_load_nothing_from_elsewhere(world: &'static World) {
    let nobody = world.nobody();
    let page = nobody.get("//docs/").await.gives(200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(!policy.contains("http"), "{policy}");
    let html = String::from_utf8(page.bytes.to_vec()).unwrap();
    let links = html.split(['"', '\'']).skip(1).step_by(2);
    let assets: Vec<_> = links
        .filter(|it| it.ends_with(".js") || it.ends_with(".css"))
        .collect();
    assert!(assets.len() >= 3, "{html}");
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    for asset in assets {
        assert!(!asset.starts_with("//"), "{asset}");
        let path = format!("//docs/{}", asset.trim_start_matches("./"));
        let asset = nobody.get(&path).await.gives(200);
        assert!(!asset.bytes.is_empty(), "{path}");
    }
    let start = nobody.get("//docs/swagger-initializer.js").await.gives(200);
    let start = String::from_utf8(start.bytes.to_vec()).unwrap();
    assert!(start.contains("/openapi.json"), "{start}");
    assert!(!start.contains("https://"), "{start}");
}

async fn every_problem_has_a_page(world: &'static World) {
    let shop = Shop::open(world).await;
    let kinds = [
        shop.admin.get("/nowhere").await,
        shop.admin.post("/orders", &json!({})).await,
        shop.act("ord_00000000000000000000000001", "cancel", &json!({}))
            .await,
        world.nobody().get("/orders").await,
    ];
    for problem in kinds {
        let problem = problem.problem();
        let page = world
            .nobody()
            .get(&format!("/{}", problem.text("type")))
            .await
            .gives(200);
        assert!(page.header("content-type").starts_with("text/html"));
        let html = String::from_utf8(page.bytes.to_vec()).unwrap();
        assert!(html.contains(&problem.text("code")), "{html}");
    }
    for wrong in ["A", "a%3Cb", "%00", "not-a-code", &"a".repeat(65)] {
        world
            .nobody()
            .get(&format!("//problems/{wrong}"))
            .await
            .gives(404)
            .problem();
    }
}

async fn health_is_told(world: &'static World) {
    assert_eq!(
        world.nobody().get("//health/live").await.gives(200)["status"],
        "live"
    );
    assert_eq!(
        world.nobody().get("//health/ready").await.gives(200)["status"],
        "ready"
    );
}

async fn tokens_are_verified_with_the_published_keys(world: &'static World) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let set = world
        .nobody()
        .get("//.well-known/jwks.json")
        .await
        .gives(200);
    let key = &set["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"]),
        (&json!("OKP"), &json!("Ed25519"))
    );
    assert!(key.get("d").is_none(), "the private part is published");
    let (_, email) = world.company().await;
    let token = world
        .nobody()
        .login(&email, PASSWORD)
        .await
        .text("access_token");
    let header = token.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        (&header["alg"], &header["kid"]),
        (&json!("EdDSA"), &key["kid"])
    );
    // A token whose last signature byte was changed.
    let (body, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[0] ^= 1;
    let forged = format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature));
    let refusal = world.nobody().bearing(&forged).get("/auth/me").await;
    refusal.refuses(401, "unauthenticated");
}

async fn every_answer_has_its_headers(world: &'static World) {
    let shop = Shop::open(world).await;
    for path in ["/orders", "/nowhere", "//health/live", "//problems/invalid"] {
        let answer = shop.admin.with("x-request-id", "mine-1").get(path).await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.headers.contains_key("content-security-policy"));
    }
    let refusal = world.nobody().get("/orders").await.gives(401);
    assert_eq!(refusal.header("www-authenticate"), "Bearer");
}

/// What is absent is null: a client need not know two ways to say nothing.
async fn resources_have_all_their_members(world: &'static World) {
    let shop = Shop::open(world).await;
    let document = world.nobody().get("//openapi.json").await.gives(200).body;
    let product = shop.product(5).await;
    shop.order(&[(&product, 1)]).await;
    let shipment = shop.shipment().await.id();
    shop.scan(&shipment, "picked_up", "2026-01-01T00:00:00Z")
        .await
        .gives(200);
    let key = json!({"name": "x", "scopes": ["read"]});
    shop.admin.post("/api-keys", &key).await.gives(201);
    let lists = [
        "companies",
        "users",
        "customers",
        "locations",
        "products",
        "stock",
        "orders",
    ];
    for name in lists
        .into_iter()
        .chain(["shipments", "sessions", "api-keys"])
    {
        let list = &document["paths"][format!("/api/v1/{name}")]["get"]["responses"]["200"];
        let list = &list["content"]["application/json"]["schema"];
        let page = shop.admin.get(&format!("/{name}")).await.gives(200);
        assert!(!page.data().is_empty(), "{name}");
        assert_whole(&document, list, &page.body, name);
    }
    let me = shop.admin.get("/auth/me").await.gives(200);
    let schema = json!({"$ref": "#/components/schemas/Me"});
    assert_whole(&document, &schema, &me.body, "me");
}

/// Fails where a property of the schema is no member of the value.
fn assert_whole(document: &Value, schema: &Value, value: &Value, at: &str) {
    if value.is_null() {
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(&reference[1..]).unwrap();
        assert_whole(document, target, value, at);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        assert_whole(document, part, value, at);
    }
    // An optional value is one of null and what it may be; variants of a choice are not looked at.
    if let Some([null, part]) = schema["oneOf"].as_array().map(Vec::as_slice)
        && null["type"] == "null"
    {
        assert_whole(document, part, value, at);
    }
    for item in value.as_array().into_iter().flatten() {
        assert_whole(document, &schema["items"], item, at);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        // A key is shown by the answer that made it, and by no other.
        if at != "api-keys/data/secret" {
            let member = value
                .get(name)
                .unwrap_or_else(|| panic!("{at} is not there: {value}"));
            assert_whole(document, property, member, &at);
        }
    }
}
