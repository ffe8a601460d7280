//! Who comes in, how far, and how fast somebody is out.

use axum::http::Method;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::client::Client;
use crate::shop::{self, Shop};
use crate::world::{PASSWORD, TOKEN_S, World};

cases! {
    signing_in_gives_tokens_that_hold
    a_wrong_password_and_an_unknown_address_look_alike
    five_failures_lock_an_account
    a_refresh_token_is_good_once
    of_many_uses_of_a_refresh_token_one_wins_and_all_end
    what_ends_a_session_ends_its_tokens_at_once
    a_deactivated_user_is_out_at_once
    a_new_password_ends_all_sessions
    a_user_changes_their_own_password
    guessing_the_current_password_locks_the_account
    a_viewer_only_reads
    an_api_key_reaches_as_far_as_its_scopes
    an_api_key_ends_at_once
    without_a_credential_there_is_nothing
}

async fn signing_in_gives_tokens_that_hold(world: &'static World) {
    let (company, email) = world.company().await;
    let tokens = world.nobody().login(&email.to_uppercase(), PASSWORD).await;
    let tokens = tokens.gives(200);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], TOKEN_S);
    assert_eq!(tokens["user"]["email"], email);
    assert!(!tokens.body.to_string().contains("argon2"));
    let client = world.nobody().bearing(&tokens.text("access_token"));
    let me = client.get("/auth/me").await.gives(200);
    assert_eq!(me["role"], "admin");
    assert_eq!(me["company"], company);
    assert_eq!(me["principal"], tokens["user"]["id"]);
}

async fn a_wrong_password_and_an_unknown_address_look_alike(world: &'static World) {
    let (_, email) = world.company().await;
    let nobody = world.nobody();
    let mut said = Vec::new();
    for (email, password) in [
        (email.as_str(), "wrong horse"),
        ("no@acme.example", PASSWORD),
    ] {
        let refusal = nobody.login(email, password).await;
        let mut body = refusal.refuses(401, "invalid-credentials").body;
        body["request_id"] = Value::Null;
        said.push(body);
    }
    assert_eq!(said[0], said[1]);
}

async fn five_failures_lock_an_account(world: &'static World) {
    let (_, email) = world.company().await;
    let nobody = world.nobody();
    let signed_in = nobody.sign_in(&email).await;
    for _ in 0..4 {
        nobody.login(&email, "wrong horse").await.gives(401);
    }
    // A success forgives what was before it.
    nobody.login(&email, PASSWORD).await.gives(200);
    for _ in 0..5 {
        nobody.login(&email, "wrong horse").await.gives(401);
    }
    let locked = nobody.login(&email, PASSWORD).await;
    locked.refuses(401, "invalid-credentials");
    // Whoever is in already is not thrown out by somebody who guesses.
    signed_in.get("/auth/me").await.gives(200);
}

async fn a_refresh_token_is_good_once(world: &'static World) {
    let (_, email) = world.company().await;
    let nobody = world.nobody();
    let refresh = async |token: &str| {
        let body = json!({"refresh_token": token});
        nobody.post("/auth/refresh", &body).await
    };
    let first = nobody
        .login(&email, PASSWORD)
        .await
        .gives(200)
        .text("refresh_token");
    let second = refresh(&first).await.gives(200);
    let third = refresh(&second.text("refresh_token")).await.gives(200);
    let client = nobody.bearing(&third.text("access_token"));
    client.get("/auth/me").await.gives(200);
    // The first was spent long ago: somebody else has it, so nobody may go on.
    refresh(&first).await.refuses(401, "session-revoked");
    client.get("/auth/me").await.refuses(401, "session-revoked");
    let third = third.text("refresh_token");
    refresh(&third).await.refuses(401, "session-revoked");
    refresh("nonsense").await.refuses(401, "session-revoked");
}

async fn of_many_uses_of_a_refresh_token_one_wins_and_all_end(world: &'static World) {
    let (_, email) = world.company().await;
    let nobody = world.nobody();
    let tokens = nobody.login(&email, PASSWORD).await.gives(200);
    let other = nobody.sign_in(&email).await;
    let ask = async |token: &str| {
        let body = json!({"refresh_token": token});
        nobody.post("/auth/refresh", &body).await
    };
    let token = tokens.text("refresh_token");
    let answers = futures::future::join_all((0..20).map(|_| ask(&token))).await;
    let (winners, losers): (Vec<_>, Vec<_>) = answers.into_iter().partition(|it| it.status == 200);
    assert_eq!(winners.len(), 1);
    for loser in losers {
        loser.refuses(401, "session-revoked");
    }
    let won = winners[0].text("refresh_token");
    ask(&won).await.refuses(401, "session-revoked");
    for access in [&tokens, &winners[0]].map(|it| it.text("access_token")) {
        let client = nobody.bearing(&access);
        client.get("/auth/me").await.refuses(401, "session-revoked");
    }
    // The user's other sessions are families of their own.
    other.get("/auth/me").await.gives(200);
}

async fn what_ends_a_session_ends_its_tokens_at_once(world: &'static World) {
    let (_, email) = world.company().await;
    let nobody = world.nobody();
    let (one, tokens) = (
        nobody.sign_in(&email).await,
        nobody.login(&email, PASSWORD).await,
    );
    let other = nobody.bearing(&tokens.text("access_token"));
    let session = format!("/sessions/{}", tokens.text("session"));
    one.delete(&session).await.gives(204);
    other
        .get("/customers")
        .await
        .refuses(401, "session-revoked");
    one.post("/auth/logout", &json!({})).await.gives(204);
    one.get("/customers").await.refuses(401, "session-revoked");
    let again = nobody.sign_in(&email).await;
    let statuses = again.all("/sessions").await;
    let active = statuses
        .iter()
        .filter(|it| it["status"] == "active")
        .count();
    assert_eq!(active, 1, "{statuses:?}");
}

async fn a_deactivated_user_is_out_at_once(world: &'static World) {
    let shop = Shop::open(world).await;
    let email = world.user(&shop.company, "viewer").await;
    let login = world.nobody().login(&email, PASSWORD).await.gives(200);
    let user = world.nobody().bearing(&login.text("access_token"));
    let path = format!("/users/{}", login["user"]["id"].as_str().unwrap());
    user.get("/customers").await.gives(200);
    let off = format!("{path}/deactivate");
    shop.admin.post(&off, &json!({})).await.gives(200);
    user.get("/customers").await.refuses(401, "session-revoked");
    let token = json!({"refresh_token": login["refresh_token"]});
    world
        .nobody()
        .post("/auth/refresh", &token)
        .await
        .gives(401);
    world.nobody().login(&email, PASSWORD).await.gives(401);
    let on = format!("{path}/activate");
    shop.admin.post(&on, &json!({})).await.gives(200);
    // Let in again, but not with what was good before.
    user.get("/customers").await.gives(401);
    world.nobody().login(&email, PASSWORD).await.gives(200);
}

async fn a_new_password_ends_all_sessions(world: &'static World) {
    let shop = Shop::open(world).await;
    let email = world.user(&shop.company, "viewer").await;
    let login = world.nobody().login(&email, PASSWORD).await.gives(200);
    let user = world.nobody().bearing(&login.text("access_token"));
    let path = format!("/users/{}", login["user"]["id"].as_str().unwrap());
    let change = json!({"password": "another good one", "name": "Ada L."});
    let changed = shop.admin.patch(&path, &change).await.gives(200);
    assert_eq!(changed["name"], "Ada L.");
    user.get("/auth/me").await.refuses(401, "session-revoked");
    world.nobody().login(&email, PASSWORD).await.gives(401);
    world
        .nobody()
        .login(&email, "another good one")
        .await
        .gives(200);
}

fn change(current: &str, new: &str) -> Value {
    json!({"current_password": current, "new_password": new})
}

async fn a_user_changes_their_own_password(world: &'static World) {
    let shop = Shop::open(world).await;
    let email = world.user(&shop.company, "viewer").await;
    let nobody = world.nobody();
    let (one, other) = (nobody.sign_in(&email).await, nobody.sign_in(&email).await);
    let new = "another good one";
    let path = "/auth/password";
    let short = one.post(path, &change(PASSWORD, "short")).await;
    short.gives(422).blames("/new_password");
    let wrong = one.post(path, &change("wrong horse", new)).await;
    wrong.gives(422).blames("/current_password");
    other.get("/auth/me").await.gives(200);
    let tokens = one.post(path, &change(PASSWORD, new)).await.gives(200);
    for ended in [&one, &other] {
        ended.get("/auth/me").await.refuses(401, "session-revoked");
    }
    let going_on = nobody.bearing(&tokens.text("access_token"));
    going_on.get("/auth/me").await.gives(200);
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    nobody.post("/auth/refresh", &refresh).await.gives(200);
    nobody.login(&email, PASSWORD).await.gives(401);
    nobody.login(&email, new).await.gives(200);
    let key = json!({"name": "x", "scopes": ["write"]});
    let key = shop.admin.post("/api-keys", &key).await.gives(201);
    let key = nobody.bearing(&key.text("secret"));
    key.post(path, &change(new, PASSWORD))
        .await
        .refuses(403, "forbidden");
    nobody.post(path, &change(new, PASSWORD)).await.gives(401);
}

async fn guessing_the_current_password_locks_the_account(world: &'static World) {
    let (_, email) = world.company().await;
    let nobody = world.nobody();
    let thief = nobody.sign_in(&email).await;
    for _ in 0..5 {
        let wrong = thief
            .post("/auth/password", &change("wrong horse", "a new one"))
            .await;
        wrong.gives(422).blames("/current_password");
    }
    let right = thief
        .post("/auth/password", &change(PASSWORD, "a new one"))
        .await;
    right.gives(422).blames("/current_password");
    nobody
        .login(&email, PASSWORD)
        .await
        .refuses(401, "invalid-credentials");
    nobody.login(&email, "a new one").await.gives(401);
}

async fn a_viewer_only_reads(world: &'static World) {
    let shop = Shop::open(world).await;
    let email = world.user(&shop.company, "viewer").await;
    let viewer = world.nobody().sign_in(&email).await;
    let product = shop.product(5).await;
    let order = shop.order(&[(&product, 1)]).await.id();
    let user =
        json!({"email": "x@acme.example", "name": "X", "password": PASSWORD, "role": "admin"});
    let movement =
        json!({"type": "receipt", "product": product, "location": shop.location, "quantity": 1});
    let cancel = format!("/orders/{order}/cancel");
    for (path, body) in [
        ("/customers", shop::customer()),
        ("/locations", shop::location()),
        ("/products", shop::product()),
        ("/products/bulk", json!({"products": [shop::product()]})),
        ("/stock/movements", movement),
        ("/orders", shop.wants(&[(&product, 1)])),
        (cancel.as_str(), json!({})),
        ("/shipments", shop::shipment()),
        ("/users", user),
        ("/api-keys", json!({"name": "x", "scopes": ["write"]})),
        ("/companies", json!({"name": "X", "currency": "BRL"})),
    ] {
        let answer = viewer.post(path, &body).await;
        if path == "/products/bulk" {
            assert_eq!(answer["results"][0]["status"], 403, "{answer:?}");
        } else {
            answer.refuses(403, "forbidden");
        }
    }
    let change = json!({"name": "Mine"});
    viewer
        .patch(&format!("/products/{product}"), &change)
        .await
        .refuses(403, "forbidden");
    viewer
        .patch(&format!("/companies/{}", shop.company), &change)
        .await
        .refuses(403, "forbidden");
    assert_eq!(viewer.all("/orders").await.len(), 1);
    assert_eq!(viewer.all("/customers").await.len(), 1);
    assert_eq!(viewer.all("/products").await.len(), 1);
    viewer.post("/auth/logout", &json!({})).await.gives(204);
}

async fn an_api_key_reaches_as_far_as_its_scopes(world: &'static World) {
    let shop = Shop::open(world).await;
    let key = async |scopes: Value| {
        let body = json!({"name": "erp", "scopes": scopes});
        let key = shop.admin.post("/api-keys", &body).await.gives(201);
        assert!(key.text("secret").starts_with(&key.text("prefix")));
        world.nobody().bearing(&key.text("secret"))
    };
    let (reader, writer) = (
        key(json!(["read"])).await,
        key(json!(["read", "write"])).await,
    );
    reader.get("/customers").await.gives(200);
    reader
        .post("/customers", &shop::customer())
        .await
        .refuses(403, "forbidden");
    writer
        .post("/customers", &shop::customer())
        .await
        .gives(201);
    // Keys make no keys and no users: a leaked one must not outlive its revocation.
    let body = json!({"name": "erp", "scopes": ["read"]});
    writer
        .post("/api-keys", &body)
        .await
        .refuses(403, "forbidden");
    let user =
        json!({"email": "x@acme.example", "name": "X", "password": PASSWORD, "role": "admin"});
    writer.post("/users", &user).await.refuses(403, "forbidden");
    let none = json!({"name": "erp", "scopes": []});
    shop.admin
        .post("/api-keys", &none)
        .await
        .gives(422)
        .blames("/scopes");
    for key in shop.admin.all("/api-keys").await {
        assert!(key.get("secret").is_none(), "{key}");
    }
}

async fn an_api_key_ends_at_once(world: &'static World) {
    let shop = Shop::open(world).await;
    let soon = Utc::now() + TimeDelta::milliseconds(600);
    let soon = soon.to_rfc3339_opts(SecondsFormat::Millis, true);
    let body = json!({"name": "erp", "scopes": ["read"], "expires_at": soon});
    let short = shop.admin.post("/api-keys", &body).await.gives(201);
    let short = world.nobody().bearing(&short.text("secret"));
    short.get("/customers").await.gives(200);
    let body = json!({"name": "erp", "scopes": ["read"]});
    let key = shop.admin.post("/api-keys", &body).await.gives(201);
    let client = world.nobody().bearing(&key.text("secret"));
    client.get("/customers").await.gives(200);
    let path = format!("/api-keys/{}", key.id());
    let stale = shop.admin.with("if-match", "\"2\"");
    stale.delete(&path).await.refuses(412, "version-mismatch");
    shop.admin.delete(&path).await.gives(204);
    client
        .get("/customers")
        .await
        .refuses(401, "unauthenticated");
    assert_eq!(shop.admin.get(&path).await.gives(200)["status"], "revoked");
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    short
        .get("/customers")
        .await
        .refuses(401, "unauthenticated");
    let past = json!({"name": "erp", "scopes": ["read"], "expires_at": soon});
    shop.admin
        .post("/api-keys", &past)
        .await
        .gives(422)
        .blames("/expires_at");
}

async fn without_a_credential_there_is_nothing(world: &'static World) {
    let document = world.nobody().get("//openapi.json").await.gives(200);
    let nobody: [Client; 3] = [
        world.nobody(),
        world.nobody().bearing("eyJhbGciOiJub25lIn0.e30."),
        world.nobody().with("authorization", "Basic cm9vdDpyb290"),
    ];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation.get("security").is_none() {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            // Its query may hold a ticket in place of a credential, so it is read first.
            let query = if path.ends_with("/sse") {
                "?topic=company"
            } else {
                ""
            };
            for client in &nobody {
                let answer = client
                    .send(method.clone(), &format!("/{path}{query}"), "{}")
                    .await;
                answer.refuses(401, "unauthenticated");
            }
        }
    }
}
