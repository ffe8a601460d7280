//! Document types: unique by code and country, filtered, and asked whether a number is well formed.

use serde_json::{Value, json};

use crate::shop::{self, Shop};
use crate::targets::replaced;
use crate::world::World;

cases! {
    a_code_is_unique_in_its_country
    what_another_company_has_is_not_there
    rules_that_no_number_follows_are_refused
    bad_values_are_pointed_at
    what_a_patch_names_is_changed
    lists_filter_by_what_a_type_is
    a_number_is_validated_and_nothing_changes
    is_part_of_the_feed_and_the_export
}

const PATH: &str = "/document-types";

fn of(code: &str, country: Value, category: &str, active: bool) -> Value {
    let mut body = shop::document_type();
    body["code"] = json!(code);
    body["country"] = country;
    body["category"] = json!(category);
    body["active"] = json!(active);
    body
}

async fn make(shop: &Shop, body: &Value) -> String {
    shop.admin.post(PATH, body).await.gives(201).id()
}

async fn a_code_is_unique_in_its_country(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    let brazilian = || of("ID", json!("BR"), "personal", true);
    let mut anywhere = of("ID", Value::Null, "personal", true);
    anywhere.as_object_mut().unwrap().remove("country");
    let first = make(&shop, &brazilian()).await;
    make(&shop, &anywhere).await;
    let portuguese = make(&shop, &of("ID", json!("PT"), "personal", true)).await;
    make(&other, &brazilian()).await;
    anywhere["reference"] = json!("again");
    for twice in [brazilian(), anywhere] {
        let refusal = shop.admin.post(PATH, &twice).await;
        refusal.refuses(409, "code-taken").blames("/code");
    }
    let moved = json!({"country": "BR"});
    let path = format!("{PATH}/{portuguese}");
    let refusal = shop.admin.patch(&path, &moved).await;
    refusal.refuses(409, "code-taken").blames("/code");
    // Given up, it is free.
    let renamed = json!({"code": "RG"});
    let patched = shop.admin.patch(&format!("{PATH}/{first}"), &renamed).await;
    patched.gives(200);
    shop.admin.patch(&path, &moved).await.gives(200);
    let taken = shop.admin.get(&path).await.text("reference");
    let mut body = shop::document_type();
    body["reference"] = json!(taken);
    let refusal = shop.admin.post(PATH, &body).await;
    refusal.refuses(409, "reference-taken").blames("/reference");
}

async fn what_another_company_has_is_not_there(world: &'static World) {
    let (shop, other) = (Shop::open(world).await, Shop::open(world).await);
    let path = format!("{PATH}/{}", shop.document_type().await);
    let (number, patch) = (json!({"number": "1"}), json!({"name": "Mine"}));
    let validate = format!("{path}/validate");
    for answer in [
        other.admin.get(&path).await,
        other.admin.get(&format!("{path}/history")).await,
        other.admin.patch(&path, &patch).await,
        other.admin.post(&validate, &number).await,
    ] {
        answer.refuses(404, "not-found");
    }
    assert!(other.admin.all(PATH).await.is_empty());
    assert_eq!(shop.admin.get(&path).await.gives(200)["version"], 1);
}

async fn rules_that_no_number_follows_are_refused(world: &'static World) {
    let shop = Shop::open(world).await;
    let path = format!("{PATH}/{}", shop.document_type().await);
    let rule = |min: u32, max: u32, characters: &str, check: &str| {
        json!({"rule": {
            "min_length": min, "max_length": max, "characters": characters, "check": check,
        }})
    };
    for (change, code, pointer) in [
        (
            rule(9, 8, "digits", "none"),
            "lengths-reversed",
            "/rule/max_length",
        ),
        (
            rule(9, 9, "letters", "luhn"),
            "check-unsuited",
            "/rule/check",
        ),
        (
            rule(9, 9, "digits", "mod11_cpf"),
            "check-unsuited",
            "/rule/check",
        ),
    ] {
        let mut new = shop::document_type();
        new["rule"] = change["rule"].clone();
        for refusal in [
            shop.admin.post(PATH, &new).await,
            shop.admin.patch(&path, &change).await,
        ] {
            refusal.refuses(422, code).blames(pointer);
        }
        world
            .nobody()
            .get(&format!("//problems/{code}"))
            .await
            .gives(200);
    }
    assert_eq!(shop.admin.get(&path).await.gives(200)["version"], 1);
}

async fn bad_values_are_pointed_at(world: &'static World) {
    let shop = Shop::open(world).await;
    let before = shop.admin.all(PATH).await;
    for (pointer, value, code) in [
        ("/code", json!("cpf"), "invalid-document-code"),
        ("/code", json!("C F"), "invalid-document-code"),
        ("/code", json!(""), "invalid-document-code"),
        ("/code", json!("X".repeat(33)), "invalid-document-code"),
        ("/country", json!("ZZ"), "unknown-country"),
        ("/country", json!("br"), "unknown-country"),
        ("/category", json!("animal"), "invalid-value"),
        ("/rule/min_length", json!(0), "document-length-out-of-range"),
        (
            "/rule/max_length",
            json!(65),
            "document-length-out-of-range",
        ),
        ("/rule/characters", json!("runes"), "invalid-value"),
        ("/rule/check", json!("crc32"), "invalid-value"),
        ("/active", Value::Null, "invalid-type"),
    ] {
        let body = replaced(&shop::document_type(), pointer, value);
        let refusal = shop.admin.post(PATH, &body).await.refuses(422, "invalid");
        assert_eq!(refusal["errors"][0]["code"], code, "{pointer}");
        refusal.blames(pointer);
    }
    assert_eq!(shop.admin.all(PATH).await, before);
}

async fn what_a_patch_names_is_changed(world: &'static World) {
    let shop = Shop::open(world).await;
    let made = shop
        .admin
        .post(PATH, &shop::document_type())
        .await
        .gives(201);
    let path = format!("{PATH}/{}", made.id());
    let change = json!({"country": null, "active": false, "metadata": {}});
    let after = shop.admin.patch(&path, &change).await.gives(200);
    assert_eq!(after["version"], 2);
    assert_eq!(
        (&after["country"], &after["active"]),
        (&Value::Null, &json!(false))
    );
    for same in ["code", "category", "name", "rule", "reference"] {
        assert_eq!(after[same], made[same], "{same}");
    }
    let stale = shop.admin.with("if-match", "\"1\"");
    stale
        .patch(&path, &json!({"name": "X"}))
        .await
        .refuses(412, "version-mismatch");
    assert_eq!(shop.admin.get(&path).await.gives(200).body, after.body);
}

async fn lists_filter_by_what_a_type_is(world: &'static World) {
    let shop = Shop::open(world).await;
    let mut ids = Vec::new();
    for body in [
        of("ID", json!("BR"), "personal", true),
        of("ID", json!("PT"), "personal", false),
        of("VAT", json!("PT"), "business", true),
        of("LEI", Value::Null, "government", true),
    ] {
        ids.push(make(&shop, &body).await);
    }
    for (query, expected) in [
        ("country=PT", &[1, 2][..]),
        ("country=DE", &[]),
        ("category=personal", &[0, 1]),
        ("category=business,government", &[2, 3]),
        ("active=false", &[1]),
        ("active=true", &[0, 2, 3]),
        ("code=ID", &[0, 1]),
        // A code that looks like a country is none.
        ("code=PT", &[]),
        ("country=PT&category=personal&code=ID&active=false", &[1]),
        ("q=vat", &[2]),
    ] {
        let found = shop
            .admin
            .all(&format!("{PATH}?sort=created_at&{query}"))
            .await;
        let found: Vec<_> = found.iter().map(|it| it["id"].as_str().unwrap()).collect();
        let expected: Vec<_> = expected.iter().map(|it| ids[*it].as_str()).collect();
        assert_eq!(found, expected, "{query}");
    }
    // A type that has changed is found as what it is now.
    let change = json!({"code": "NIF", "country": "ES", "category": "business", "active": true});
    let changed = shop
        .admin
        .patch(&format!("{PATH}/{}", ids[1]), &change)
        .await;
    changed.gives(200);
    let now = format!("{PATH}?country=ES&category=business&code=NIF&active=true");
    assert_eq!(shop.admin.all(&now).await.len(), 1);
    assert_eq!(shop.admin.all(&format!("{PATH}?code=ID")).await.len(), 1);
    for bad in [
        "country=brazil",
        "category=animal",
        "active=1",
        "code=cpf",
        "status=active",
    ] {
        let refusal = shop
            .admin
            .get(&format!("{PATH}?{bad}"))
            .await
            .refuses(422, "invalid");
        let parameter = bad.split('=').next().unwrap();
        assert_eq!(refusal["errors"][0]["parameter"], parameter);
    }
}

async fn a_number_is_validated_and_nothing_changes(world: &'static World) {
    let shop = Shop::open(world).await;
    let path = format!("{PATH}/{}", shop.document_type().await);
    let inactive = json!({"active": false});
    let before = shop.admin.patch(&path, &inactive).await.gives(200);
    // Reading is enough: nothing is written.
    let viewer = world.user(&shop.company, "viewer").await;
    let viewer = world.nobody().sign_in(&viewer).await;
    let validate = format!("{path}/validate");
    for (number, normalised, problem) in [
        ("529.982.247-25", "52998224725", Value::Null),
        (" 529 982/247.25 ", "52998224725", Value::Null),
        ("529.982.247-26", "52998224726", json!("wrong-check-digit")),
        ("529.982.247-2a", "5299822472A", json!("wrong-character")),
        ("529", "529", json!("too-short")),
        ("529982247250", "529982247250", json!("too-long")),
    ] {
        let verdict = viewer
            .post(&validate, &json!({"number": number}))
            .await
            .gives(200);
        let expected = json!({
            "valid": problem.is_null(), "normalised": normalised, "problem": problem,
        });
        assert_eq!(verdict.body, expected);
    }
    let too_long = json!({"number": "1".repeat(201)});
    for (body, pointer) in [(json!({}), "/number"), (too_long, "/number")] {
        viewer
            .post(&validate, &body)
            .await
            .gives(422)
            .blames(pointer);
    }
    assert_eq!(shop.admin.get(&path).await.gives(200).body, before.body);
}

async fn is_part_of_the_feed_and_the_export(world: &'static World) {
    let shop = Shop::open(world).await;
    let id = shop.document_type().await;
    let export = shop.admin.get("/export").await.gives(200);
    let text = String::from_utf8(export.bytes.to_vec()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|it| it["object"] == "document_type" && it["id"] == id)
    );
    let event = lines
        .iter()
        .find(|it| it["type"] == "document_type.created");
    let event = event.unwrap();
    assert_eq!(
        (&event["resource"], &event["context"]),
        (&json!(id), &json!("customer"))
    );
}
