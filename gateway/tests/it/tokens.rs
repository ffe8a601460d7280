//! Tokens that were never issued, or no longer hold: none lets anybody in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

cases! {
    claims_that_do_not_hold_let_nobody_in
    headers_that_play_tricks_let_nobody_in
    what_is_no_access_token_lets_nobody_in
}

/// A good token, and its parts.
struct Good {
    token: String,
    header: Value,
    claims: Value,
    refresh: String,
}

async fn good(world: &'static World) -> Good {
    let (_, email) = world.company().await;
    let login = world.nobody().login(&email, PASSWORD).await.gives(200);
    let token = login.text("access_token");
    let read = |part: usize| {
        let part = token.split('.').nth(part).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    Good {
        header: read(0),
        claims: read(1),
        refresh: login.text("refresh_token"),
        token,
    }
}

fn with(value: &Value, member: &str, other: Value) -> Value {
    let mut value = value.clone();
    value[member] = other;
    value
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signed by the installation's own key, whatever it says.
fn signed(world: &World, header: &Value, claims: &Value) -> String {
    let key = EncodingKey::from_ed_pem(&world.signing_key()).unwrap();
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA);
    format!("{message}.{}", signature.unwrap())
}

async fn refused(world: &World, token: &str) {
    let answer = world.nobody().bearing(token).get("/auth/me").await;
    let code = answer.text("code");
    let is_known = ["unauthenticated", "token-expired", "session-revoked"].contains(&&*code);
    assert!(is_known && answer.status == 401, "{token:.200}: {answer:?}");
}

async fn claims_that_do_not_hold_let_nobody_in(world: &'static World) {
    let good = good(world).await;
    let now = Utc::now().timestamp();
    let again = signed(world, &good.header, &good.claims);
    let client = world.nobody().bearing(&again);
    // The forger of these tests is a good one: what is refused below is so for its claims.
    client.get("/auth/me").await.gives(200);
    let nobody = "00000000-0000-7000-8000-000000000001";
    let (mut old, mut bare) = (good.claims.clone(), good.claims.clone());
    old["iat"] = json!(now - 2_000);
    old["nbf"] = json!(now - 2_000);
    old["exp"] = json!(now - 1);
    bare.as_object_mut().unwrap().remove("exp");
    let mut wrong = vec![old, bare];
    for (member, values) in [
        (
            "exp",
            vec![json!(0), json!(-1), json!("tomorrow"), json!(null)],
        ),
        ("nbf", vec![json!(now + 600), json!(null)]),
        ("iss", vec![json!("else"), json!(""), json!(null)]),
        ("aud", vec![json!("else"), json!([]), json!(["else"])]),
        (
            "sub",
            vec![json!(nobody), json!("x"), json!(null), json!(7)],
        ),
        ("sid", vec![json!(nobody), json!(null)]),
        ("tenant", vec![json!(nobody), json!(null)]),
    ] {
        wrong.extend(values.into_iter().map(|it| with(&good.claims, member, it)));
    }
    for claims in wrong {
        refused(world, &signed(world, &good.header, &claims)).await;
    }
}

async fn headers_that_play_tricks_let_nobody_in(world: &'static World) {
    let good = good(world).await;
    let set = world
        .nobody()
        .get("//.well-known/jwks.json")
        .await
        .gives(200);
    let public = URL_SAFE_NO_PAD
        .decode(set["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    for algorithm in [
        "none", "None", "", "HS256", "HS512", "RS256", "ES256", "PS512",
    ] {
        let header = with(&good.header, "alg", json!(algorithm));
        let message = format!("{}.{}", encoded(&header), encoded(&good.claims));
        refused(world, &format!("{message}.")).await;
        refused(world, &signed(world, &header, &good.claims)).await;
    }
    // The public key taken for a shared secret.
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let header = Header {
            kid: good.header["kid"].as_str().map(str::to_owned),
            typ: good.header["typ"].as_str().map(str::to_owned),
            ..Header::new(algorithm)
        };
        for secret in [&public[..], set["keys"][0].to_string().as_bytes(), b""] {
            let key = EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &good.claims, &key).unwrap();
            refused(world, &token).await;
        }
    }
    for (member, value) in [
        ("kid", json!("../../dev/null")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("")),
        ("kid", json!(null)),
        ("kid", json!("k".repeat(1_000))),
        ("typ", json!("JWT")),
        ("typ", json!(null)),
    ] {
        let header = with(&good.header, member, value);
        refused(world, &signed(world, &header, &good.claims)).await;
    }
    // A key that comes with the token is no key.
    for (member, value) in [
        ("jwk", set["keys"][0].clone()),
        ("jku", json!("http://127.0.0.1:1")),
    ] {
        let header = with(&good.header, member, value);
        let message = format!("{}.{}", encoded(&header), encoded(&good.claims));
        refused(
            world,
            &format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        )
        .await;
    }
}

async fn what_is_no_access_token_lets_nobody_in(world: &'static World) {
    let good = good(world).await;
    let token = &good.token;
    let parts: Vec<&str> = token.split('.').collect();
    for broken in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        parts[0].into(),
        parts[..2].join("."),
        format!("{}.", parts[..2].join(".")),
        format!("{token}."),
        format!("{token}{token}"),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        format!("{token}="),
        token.to_uppercase(),
        good.refresh.clone(),
        good.refresh.replace("refresh", "key"),
        "a".repeat(20_000),
        format!("{}.{}.{}", parts[0], "A".repeat(20_000), parts[2]),
    ] {
        refused(world, &broken).await;
    }
    // Every bit of the token counts.
    for place in (0..token.len()).step_by(7) {
        let mut altered = token.clone().into_bytes();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        if altered != *token {
            refused(world, &altered).await;
        }
    }
    // Nor is an access token good where a refresh token is wanted.
    let body = json!({"refresh_token": token});
    let refusal = world.nobody().post("/auth/refresh", &body).await;
    refusal.refuses(401, "session-revoked");
    world
        .nobody()
        .bearing(token)
        .get("/auth/me")
        .await
        .gives(200);
}
