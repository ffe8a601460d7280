//! A good request for every route that takes a body, for those who spoil it, and a census by which
//! they see that nothing has changed.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::shop::{self, Shop, money};
use crate::world::{PASSWORD, unique};

/// A request that would be taken.
pub(crate) struct Target {
    pub(crate) client: Client,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Target {
    pub(crate) async fn send(&self, body: impl Into<Body>) -> Answer {
        let method = self.method.clone();
        self.client.send(method, &self.path, body).await
    }

    /// Sends the body with another value at a place.
    pub(crate) async fn send_with(&self, place: &str, value: Value) -> Answer {
        self.send(replaced(&self.body, place, value).to_string())
            .await
    }

    /// The places in the body, and what is there. A row of a bulk stands for itself: what is wrong
    /// with it is in its result, so those places are left out.
    pub(crate) fn places(&self) -> Vec<(String, Value)> {
        let mut all = places(&self.body, "");
        if self.path.ends_with("/bulk") {
            all.retain(|(place, _)| !place.starts_with("/products/"));
        }
        all
    }

    /// The route as the documentation has it.
    pub(crate) fn route(&self) -> String {
        let part = |part: &str| match part.split_once('_') {
            Some((prefix, _)) if prefix.len() == 3 => "{id}".to_owned(),
            _ => part.to_owned(),
        };
        let parts: Vec<_> = self.path.split('/').map(part).collect();
        format!("{} {}", self.method, parts.join("/"))
    }
}

/// The value with another one at a place.
pub(crate) fn replaced(body: &Value, pointer: &str, value: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

fn places(value: &Value, at: &str) -> Vec<(String, Value)> {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, it)| (name.clone(), it))
            .collect(),
        Value::Array(items) => (0..).zip(items).map(numbered).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for (name, value) in members {
        let at = format!("{at}/{name}");
        all.push((at.clone(), value.clone()));
        all.extend(places(value, &at));
    }
    all
}

fn numbered((index, value): (usize, &Value)) -> (String, &Value) {
    (index.to_string(), value)
}

/// Ids and versions of everything that a company has.
pub(crate) async fn census(shop: &Shop) -> Vec<String> {
    let mut all = Vec::new();
    let own = [
        "customers",
        "document-types",
        "locations",
        "products",
        "stock",
        "orders",
        "shipments",
    ];
    for name in own.into_iter().chain(["users", "api-keys", "companies"]) {
        let found = shop.admin.all(&format!("/{name}")).await;
        let line = |it: &Value| format!("{} {}", it["id"], it["version"]);
        all.extend(found.iter().map(line));
    }
    all.sort_unstable();
    all
}

/// One for every route that takes a body.
pub(crate) async fn targets(shop: &Shop) -> Vec<Target> {
    let product = shop.product(9).await;
    let draft = draft(shop, &product);
    let elsewhere = shop
        .admin
        .post("/locations", &shop::location())
        .await
        .gives(201)
        .id();
    let mut all = making(shop, &product, &elsewhere, &draft);
    all.extend(signing_in(shop));
    all.extend(acting(shop, &product).await);
    all.extend(changing(shop, &product, &draft).await);
    all
}

fn draft(shop: &Shop, product: &str) -> Value {
    let mut draft = shop.wants(&[(product, 1)]);
    draft["draft"] = json!(true);
    draft["shipping_address"] = shop::address();
    draft["lines"][0]["discount"] = money("0.10");
    draft
}

fn target(client: &Client, method: Method, path: &str, body: Value) -> Target {
    Target {
        client: client.clone(),
        method,
        path: path.to_owned(),
        body,
    }
}

fn making(shop: &Shop, product: &str, elsewhere: &str, draft: &Value) -> Vec<Target> {
    let post = |path: &str, body: Value| target(&shop.admin, Method::POST, path, body);
    let movement = json!({
        "type": "receipt", "product": product, "location": shop.location, "quantity": 1, "note": "n",
        "reference": unique("mov"), "metadata": {"pallet": "P-12"},
    });
    let transfer = json!({
        "type": "transfer", "product": product, "location": shop.location, "to": elsewhere,
        "quantity": 1,
    });
    let user = json!({
        "email": format!("{}@acme.example", unique("u")), "name": "U", "password": PASSWORD,
        "role": "viewer",
    });
    let key = json!({
        "name": "n", "scopes": ["read"], "expires_at": "2126-01-01T00:00:00Z",
        "reference": unique("key"), "metadata": {"for": "shop"},
    });
    let company = json!({"name": "C", "currency": "BRL", "country": "BR", "settings": {"default_location": null}});
    vec![
        post("/customers", shop::customer()),
        post("/document-types", shop::document_type()),
        post("/locations", shop::location()),
        post("/products", shop::product()),
        post("/products/bulk", json!({"products": [shop::product()]})),
        post("/stock/movements", movement),
        post("/stock/movements", transfer),
        post("/orders", draft.clone()),
        post("/shipments", shop::shipment()),
        post("/users", user),
        post("/api-keys", key),
        target(&shop.world.root, Method::POST, "/companies", company),
    ]
}

fn signing_in(shop: &Shop) -> Vec<Target> {
    let who = json!({"email": shop.email, "password": PASSWORD});
    let token = json!({"refresh_token": "x"});
    let change = json!({"current_password": "wrong horse", "new_password": PASSWORD});
    vec![
        target(&shop.admin, Method::POST, "/auth/login", who.clone()),
        target(&shop.admin, Method::POST, "/auth/refresh", token),
        target(&shop.admin, Method::POST, "/auth/password", change),
        target(&shop.world.root, Method::POST, "/auth/reset", who),
    ]
}

fn dimensions() -> Value {
    json!({"length_mm": 1, "width_mm": 1, "height_mm": 1})
}

async fn acting(shop: &Shop, product: &str) -> Vec<Target> {
    let post = |path: String, body: &Value| target(&shop.admin, Method::POST, &path, body.clone());
    let order = shop.packed(&[(product, 1)]).await;
    let parcel = shop.shipment().await.id();
    let portion = json!([{"line": 1, "quantity": 1}]);
    let ship = json!({
        "lines": portion, "parcels": [{"weight_g": 5, "dimensions": dimensions()}],
        "sender": shop::address(), "carrier": "dhl",
    });
    let back = json!({"lines": portion, "restock": true, "reason": "r"});
    let scan = json!({
        "code": "X", "status": "booked", "occurred_at": "2026-01-01T08:00:00Z", "reason": "r",
        "place": {"city": "Santos", "country": "BR"},
        "coordinates": {"latitude": 1.5, "longitude": 2.5},
    });
    let reason = json!({"reason": "because"});
    let document_type = shop.document_type().await;
    let number = json!({"number": "529.982.247-25"});
    let suspend = format!("/companies/{}/suspend", shop.company);
    vec![
        post(format!("/orders/{order}/ship"), &ship),
        post(format!("/orders/{order}/return"), &back),
        post(format!("/orders/{order}/cancel"), &reason),
        post(format!("/customers/{}/block", shop.customer), &reason),
        post(format!("/shipments/{parcel}/cancel"), &reason),
        post(
            format!("/shipments/{parcel}/events"),
            &json!({"events": [scan]}),
        ),
        post(format!("/document-types/{document_type}/validate"), &number),
        target(&shop.world.root, Method::POST, &suspend, reason),
    ]
}

async fn changing(shop: &Shop, product: &str, draft: &Value) -> Vec<Target> {
    let patch = |path: String, body: Value| target(&shop.admin, Method::PATCH, &path, body);
    let order = shop.admin.post("/orders", draft).await.gives(201).id();
    let stock = shop.admin.first("/stock").await;
    let user = shop.admin.first("/users").await;
    let mut customer = shop::customer();
    customer["reference"] = json!(unique("r"));
    let settings = json!({"default_location": shop.location});
    let company = json!({"name": "C", "time_zone": "UTC", "settings": settings});
    let document_type = shop.document_type().await;
    let person = json!({"name": "X", "password": PASSWORD, "role": "admin"});
    let goods = json!({
        "sku": "S", "price": money("1.00"), "backorderable": true, "weight_g": 1,
        "dimensions": dimensions(),
    });
    let place = json!({"name": "X", "metadata": {"a": "b"}, "reference": "r"});
    let lines = json!({
        "lines": draft["lines"], "notes": "n", "billing_address": shop::address(),
    });
    vec![
        patch(format!("/stock/{stock}"), json!({"reorder_point": 1})),
        patch(format!("/users/{user}"), person),
        patch(format!("/companies/{}", shop.company), company),
        patch(format!("/products/{product}"), goods),
        patch(format!("/locations/{}", shop.location), place),
        patch(format!("/orders/{order}"), lines),
        patch(format!("/customers/{}", shop.customer), customer),
        patch(
            format!("/document-types/{document_type}"),
            shop::document_type(),
        ),
    ]
}
