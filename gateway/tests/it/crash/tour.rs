//! One of everything that clients do, so that nearly every event there is happens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Api, Change};
use super::load::{Operation, scan};
use super::shop::{Shop, address};
use crate::shop::document_type;

/// Events that no tour comes to, and why.
pub(super) const NOT_TOURED: [(&str, &str); 8] = [
    (
        "shipment.number_refused",
        "two shipments must want one number",
    ),
    ("session.expired", "a session lives for days"),
    ("order.shipment_strayed", "a carrier must contradict itself"),
    (
        "order.cancel_fell_short",
        "a parcel must leave during a cancel",
    ),
    (
        "shipment.cancel_missed",
        "a parcel must leave during a cancel",
    ),
    ("shipment.cancel_forestalled", "a cancel must overtake"),
    ("stock.barred", "a release must overtake its reservation"),
    ("stock.strayed", "a carrier must contradict itself"),
];

const PASSWORD: &str = "battery-horse-correct";
/// By when a saga brings about what is waited for: ample, for a busy machine.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// A walk through the API; every request under a key of its own.
pub(super) struct Tour<'a> {
    /// The API as the superuser sees it.
    pub(super) root: &'a Api,
    /// The API within the company.
    pub(super) api: &'a Api,
    /// What the company has.
    pub(super) shop: &'a Shop,
    /// What its keys and references begin with.
    pub(super) name: String,
    /// Raised when it need not go on.
    pub(super) is_over: &'a AtomicBool,
    /// What was answered.
    pub(super) operations: Vec<Operation>,
    /// How many requests were made.
    pub(super) steps: usize,
}

/// It need not go on.
pub(super) struct Over;

type Step<T = Answer> = Result<T, Over>;

impl Tour<'_> {
    /// Goes on until all is done, or it need not: first where an entity of a kind is met.
    pub(super) async fn walk(&mut self, kind: &str) {
        if self.first(kind).await.is_ok() {
            let _ = self.all().await;
        }
    }

    async fn first(&mut self, kind: &str) -> Step<()> {
        match kind {
            "api_key" => self.keys().await,
            "user" | "session" => self.people().await,
            "company" => self.company().await,
            "customer" => self.customer().await,
            "product" | "document_type" => self.catalogue().await,
            "location" => self.goods().await,
            _ => Ok(()),
        }
    }

    async fn all(&mut self) -> Step<()> {
        self.order_to_the_end().await?;
        self.order_given_up().await?;
        self.order_changed().await?;
        self.goods().await?;
        self.shipments().await?;
        self.catalogue().await?;
        self.customer().await?;
        self.company().await?;
        self.people().await?;
        self.keys().await
    }

    async fn order_to_the_end(&mut self) -> Step<()> {
        let product = self.product().await?;
        self.receipt(&product, 10).await?;
        let draft = self.order(&product, 2, true).await?;
        let path = format!("/orders/{draft}");
        self.patch(&path, json!({ "notes": "careful" })).await?;
        let lines = json!([{ "product": product, "quantity": 3 }]);
        self.patch(&path, json!({ "lines": lines })).await?;
        self.settled(&format!("{path}/place"), json!({})).await?;
        self.until(&path, "confirmed").await?;
        // Letters and digits: a carrier's number.
        let number = json!({ "tracking_number": self.next().replace('-', "") });
        let shipment = self.ship(&path, number).await?;
        let scans = json!({ "events": [scan("PU", "picked_up"), scan("DL", "delivered")] });
        self.post(&format!("/shipments/{shipment}/events"), scans, &[200])
            .await?;
        self.until(&path, "delivered").await?;
        let back = json!({ "lines": [{ "line": 1, "quantity": 1 }], "restock": true });
        self.post(&format!("{path}/return"), back, &[200])
            .await
            .map(drop)
    }

    async fn order_given_up(&mut self) -> Step<()> {
        for ends in ["returned", "lost"] {
            let (_, shipment) = self.shipped().await?;
            let scans = json!({ "events": [scan("PU", "picked_up"), scan("X", ends)] });
            self.post(&format!("/shipments/{shipment}/events"), scans, &[200])
                .await?;
        }
        let (path, _) = self.shipped().await?;
        self.settled(&format!("{path}/cancel"), json!({})).await?;
        self.until(&path, "cancelled").await
    }

    /// An order on its way, after another that was refused: its path and its shipment.
    async fn shipped(&mut self) -> Step<(String, String)> {
        let product = self.product().await?;
        self.receipt(&product, 5).await?;
        self.order(&product, 100, false).await?;
        let order = self.order(&product, 5, false).await?;
        let path = format!("/orders/{order}");
        self.until(&path, "confirmed").await?;
        let shipment = self.ship(&path, json!({})).await?;
        Ok((path, shipment))
    }

    /// Picks, packs and ships a confirmed order: its shipment.
    async fn ship(&mut self, path: &str, body: Value) -> Step<String> {
        for verb in ["pick", "pack"] {
            self.post(&format!("{path}/{verb}"), json!({}), &[200])
                .await?;
        }
        self.settled(&format!("{path}/ship"), body).await?;
        self.shipment_of(path).await
    }

    async fn order_changed(&mut self) -> Step<()> {
        let product = self.product().await?;
        self.receipt(&product, 5).await?;
        let order = self.order(&product, 2, false).await?;
        let path = format!("/orders/{order}");
        self.until(&path, "confirmed").await?;
        for quantity in [4, 1, 40] {
            let lines = json!([{ "product": product, "quantity": quantity }]);
            let change = json!({ "lines": lines });
            self.make(Method::PATCH, &path, change, &[200, 202, 409])
                .await?;
            self.until(&path, "confirmed").await?;
        }
        self.settled(&format!("{path}/cancel"), json!({})).await?;
        self.until(&path, "cancelled").await
    }

    async fn goods(&mut self) -> Step<()> {
        let product = self.product().await?;
        self.receipt(&product, 9).await?;
        let place = json!({ "name": "Branch", "address": address(), "reference": self.next() });
        let branch = self.post("/locations", place, &[201]).await?;
        let branch = id(&branch);
        let transfer = json!({
            "type": "transfer", "product": product, "location": self.shop.location, "to": branch,
            "quantity": 2,
        });
        self.post("/stock/movements", transfer, &[201]).await?;
        let items = self.api.list(&format!("/stock?product={product}")).await;
        let item = items[0]["id"].as_str().unwrap();
        self.patch(&format!("/stock/{item}"), json!({ "reorder_point": 3 }))
            .await?;
        let path = format!("/locations/{branch}");
        self.patch(&path, json!({ "name": "Shop" })).await?;
        for verb in ["deactivate", "activate"] {
            self.post(&format!("{path}/{verb}"), json!({}), &[200])
                .await?;
        }
        Ok(())
    }

    async fn shipments(&mut self) -> Step<()> {
        let shipment = json!({
            "lines": [{ "line": 1, "sku": "A", "quantity": 1 }], "parcels": [{ "weight_g": 500 }],
            "consignee": address(), "reference": self.next(),
        });
        let shipment = self.post("/shipments", shipment, &[201]).await?;
        let path = format!("/shipments/{}/cancel", id(&shipment));
        self.settled(&path, json!({})).await.map(drop)
    }

    async fn catalogue(&mut self) -> Step<()> {
        let product = self.product().await?;
        let kind = self
            .post("/document-types", document_type(), &[201])
            .await?;
        let path = format!("/document-types/{}", id(&kind));
        self.patch(&path, json!({ "name": "Passport" })).await?;
        let path = format!("/products/{product}");
        self.patch(&path, json!({ "name": "Cup" })).await?;
        for verb in ["deactivate", "activate"] {
            self.post(&format!("{path}/{verb}"), json!({}), &[200])
                .await?;
        }
        Ok(())
    }

    async fn customer(&mut self) -> Step<()> {
        let customer = json!({ "type": "individual", "name": "Ana", "reference": self.next() });
        let customer = self.post("/customers", customer, &[201]).await?;
        let path = format!("/customers/{}", id(&customer));
        self.patch(&path, json!({ "name": "Ana Maria" })).await?;
        for verb in ["block", "unblock"] {
            self.post(&format!("{path}/{verb}"), json!({}), &[200])
                .await?;
        }
        Ok(())
    }

    async fn company(&mut self) -> Step<()> {
        let company = json!({ "name": "Other", "currency": "BRL", "reference": self.next() });
        let company = self
            .as_root(Method::POST, "/companies", company, &[201])
            .await?;
        let path = format!("/companies/{}", id(&company));
        let name = json!({ "name": "Another" });
        self.as_root(Method::PATCH, &path, name, &[200]).await?;
        for verb in ["suspend", "activate"] {
            let path = format!("{path}/{verb}");
            self.as_root(Method::POST, &path, json!({}), &[200]).await?;
        }
        Ok(())
    }

    async fn people(&mut self) -> Step<()> {
        let email = format!("{}@shop.example", self.next());
        let user = json!({ "email": email, "name": "U", "password": PASSWORD, "role": "viewer" });
        let user = self.post("/users", user, &[201]).await?;
        let path = format!("/users/{}", id(&user));
        self.patch(&path, json!({ "name": "V" })).await?;
        self.sign_in_and_out(&email).await?;
        for verb in ["deactivate", "activate"] {
            self.post(&format!("{path}/{verb}"), json!({}), &[200])
                .await?;
        }
        let reset = json!({ "email": email, "password": PASSWORD });
        self.as_root(Method::POST, "/auth/reset", reset, &[204])
            .await
            .map(drop)
    }

    /// A way in is used once, and its answer may be lost: then the session is.
    async fn sign_in_and_out(&mut self, email: &str) -> Step<()> {
        let wrong = json!({ "email": email, "password": "wrong" });
        self.open("/auth/login", wrong, &[401]).await?;
        let right = json!({ "email": email, "password": PASSWORD });
        let session = self.open("/auth/login", right, &[200]).await?.json();
        let token = json!({ "refresh_token": session["refresh_token"] });
        self.open("/auth/refresh", token, &[200, 401]).await?;
        let path = format!("/sessions/{}", session["session"].as_str().unwrap());
        self.make(Method::DELETE, &path, json!(null), &[204, 404])
            .await
            .map(drop)
    }

    async fn keys(&mut self) -> Step<()> {
        let key = json!({ "name": "k", "scopes": ["read"], "reference": self.next() });
        let key = self.open_key(key).await?;
        self.make(
            Method::DELETE,
            &format!("/api-keys/{key}"),
            json!(null),
            &[204],
        )
        .await?;
        let soon = Utc::now() + TimeDelta::seconds(2);
        let key = json!({ "name": "k", "scopes": ["read"], "expires_at": soon });
        self.open_key(key).await?;
        self.wait(Duration::from_secs(3)).await
    }

    /// A repeat does not show the secret again, so it is no case for the diary.
    async fn open_key(&mut self, key: Value) -> Step<String> {
        let made = self.make(Method::POST, "/api-keys", key, &[201]).await?;
        self.operations.pop();
        Ok(id(&made))
    }

    async fn product(&mut self) -> Step<String> {
        let sku = self.next();
        let price = json!({ "amount": "9.90", "currency": "BRL" });
        let product = json!({ "sku": sku, "name": sku, "price": price, "weight_g": 300 });
        Ok(id(&self.post("/products", product, &[201]).await?))
    }

    async fn receipt(&mut self, product: &str, quantity: i64) -> Step {
        let receipt = self.shop.receipt(product, quantity);
        self.post("/stock/movements", receipt, &[201]).await
    }

    async fn order(&mut self, product: &str, quantity: i64, draft: bool) -> Step<String> {
        let lines = json!([{ "product": product, "quantity": quantity }]);
        let order = json!({
            "customer": self.shop.customers[0], "reference": self.next(), "lines": lines,
            "draft": draft,
        });
        Ok(id(&self.settled("/orders", order).await?))
    }

    async fn shipment_of(&mut self, path: &str) -> Step<String> {
        let shipment = |order: &Value| order["shipments"][0].as_str().map(str::to_owned);
        self.shown(path, shipment).await
    }

    /// Waits until an order has come to a status.
    async fn until(&mut self, path: &str, status: &str) -> Step<()> {
        let is_there = |order: &Value| (order["status"] == status).then_some(());
        self.shown(path, is_there).await
    }

    /// Waits until a resource shows something.
    async fn shown<T>(&self, path: &str, look: impl Fn(&Value) -> Option<T>) -> Step<T> {
        let deadline = Instant::now() + SHOWN_WITHIN;
        loop {
            let resource = self.api.get(path).await;
            if let Some(found) = look(&resource) {
                return Ok(found);
            }
            assert!(Instant::now() < deadline, "{path} is still {resource}");
            self.wait(Duration::from_millis(20)).await?;
        }
    }

    async fn wait(&self, time: Duration) -> Step<()> {
        tokio::time::sleep(time).await;
        self.goes_on()
    }

    fn goes_on(&self) -> Step<()> {
        let is_over = self.is_over.load(Ordering::Relaxed);
        (!is_over).then_some(()).ok_or(Over)
    }

    fn next(&mut self) -> String {
        self.steps += 1;
        format!("{}-{}", self.name, self.steps)
    }

    /// What starts a saga: told at once, or when it is over.
    async fn settled(&mut self, path: &str, body: Value) -> Step {
        self.post(path, body, &[200, 201, 202]).await
    }

    async fn post(&mut self, path: &str, body: Value, good: &[u16]) -> Step {
        self.make(Method::POST, path, body, good).await
    }

    async fn patch(&mut self, path: &str, body: Value) -> Step {
        self.make(Method::PATCH, path, body, &[200]).await
    }

    async fn make(&mut self, method: Method, path: &str, body: Value, good: &[u16]) -> Step {
        let api = self.api;
        let operation = self.ask(api, method, path, body, good).await?;
        let answer = operation.answer.clone();
        self.operations.push(operation);
        Ok(answer)
    }

    async fn as_root(&mut self, method: Method, path: &str, body: Value, good: &[u16]) -> Step {
        let root = self.root;
        Ok(self.ask(root, method, path, body, good).await?.answer)
    }

    /// What takes no key.
    async fn open(&mut self, path: &str, body: Value, good: &[u16]) -> Step {
        self.as_root(Method::POST, path, body, good).await
    }

    async fn ask(
        &mut self,
        api: &Api,
        method: Method,
        path: &str,
        body: Value,
        good: &[u16],
    ) -> Step<Operation> {
        self.goes_on()?;
        let key = self.next();
        let change = Change {
            method,
            ..Change::new(&key, path, body)
        };
        let answer = api.ask_for(&change).await;
        assert!(good.contains(&answer.status), "{change:?}: {answer:?}");
        Ok(Operation::new(change, answer))
    }
}

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}
