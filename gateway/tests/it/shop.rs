//! A company of a case's own, with what it takes to sell something.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::world::{World, unique};

/// A company with an administrator, a location and a customer.
pub(crate) struct Shop {
    pub(crate) world: &'static World,
    pub(crate) company: String,
    pub(crate) admin: Client,
    pub(crate) email: String,
    pub(crate) location: String,
    pub(crate) customer: String,
}

impl Shop {
    pub(crate) async fn open(world: &'static World) -> Self {
        let (company, email) = world.company().await;
        let admin = world.nobody().sign_in(&email).await;
        let location = admin.post("/locations", &location()).await.gives(201).id();
        let customer = admin.post("/customers", &customer()).await.gives(201).id();
        Self {
            world,
            company,
            admin,
            email,
            location,
            customer,
        }
    }

    /// A new product of which so many are there.
    pub(crate) async fn product(&self, quantity: i64) -> String {
        let product = self
            .admin
            .post("/products", &product())
            .await
            .gives(201)
            .id();
        if quantity > 0 {
            self.moves("receipt", &product, quantity).await.gives(201);
        }
        product
    }

    /// A new document type's id.
    pub(crate) async fn document_type(&self) -> String {
        let made = self.admin.post("/document-types", &document_type()).await;
        made.gives(201).id()
    }

    pub(crate) async fn moves(&self, kind: &str, product: &str, quantity: i64) -> Answer {
        let body = json!({
            "type": kind, "product": product, "location": self.location,
            "quantity": quantity, "note": "counted",
        });
        self.admin.post("/stock/movements", &body).await
    }

    /// An order's body.
    pub(crate) fn wants(&self, lines: &[(&str, i64)]) -> Value {
        json!({"customer": self.customer, "lines": self.lines(lines)})
    }

    pub(crate) fn lines(&self, lines: &[(&str, i64)]) -> Vec<Value> {
        let line = |(product, quantity): &(&str, i64)| {
            let location = &self.location;
            json!({"product": product, "location": location, "quantity": quantity})
        };
        lines.iter().map(line).collect()
    }

    pub(crate) async fn order(&self, lines: &[(&str, i64)]) -> Answer {
        let order = self.admin.post("/orders", &self.wants(lines)).await;
        order.gives(201)
    }

    pub(crate) async fn act(&self, order: &str, action: &str, body: &Value) -> Answer {
        let path = format!("/orders/{order}/{action}");
        self.admin.post(&path, body).await
    }

    /// A confirmed order that is picked and packed.
    pub(crate) async fn packed(&self, lines: &[(&str, i64)]) -> String {
        let order = self.order(lines).await.id();
        for step in ["pick", "pack"] {
            self.act(&order, step, &json!({})).await.gives(200);
        }
        order
    }

    /// Ships what is said of an order, and gives the shipment's id.
    pub(crate) async fn ship(&self, order: &str, body: &Value) -> String {
        let shipped = self.act(order, "ship", body).await.gives(200);
        let shipments = shipped["shipments"].as_array().unwrap();
        shipments.last().unwrap().as_str().unwrap().to_owned()
    }

    /// A new shipment without an order.
    pub(crate) async fn shipment(&self) -> Answer {
        let made = self.admin.post("/shipments", &shipment()).await;
        made.gives(201)
    }

    pub(crate) async fn scan(&self, shipment: &str, status: &str, at: &str) -> Answer {
        let events = json!({"events": [{"code": "X", "status": status, "occurred_at": at}]});
        let path = format!("/shipments/{shipment}/events");
        self.admin.post(&path, &events).await
    }

    /// The order once it stands there.
    pub(crate) async fn until(&self, order: &str, status: &str) -> Answer {
        let path = format!("/orders/{order}");
        self.admin
            .until(&path, |order| order["status"] == status)
            .await
    }

    /// What is there of a product and what of it is kept, once the ledger's sums were checked.
    pub(crate) async fn balance(&self, product: &str) -> (i64, i64) {
        let place = format!("product={product}&location={}", self.location);
        let items = self.admin.all(&format!("/stock?{place}")).await;
        let ledger = self.admin.all(&format!("/stock/movements?{place}")).await;
        let sum = |what: &str| -> i64 { ledger.iter().map(|it| it[what].as_i64().unwrap()).sum() };
        let item = |what: &str| items[0][what].as_i64().unwrap();
        let balance = (item("on_hand"), item("reserved"));
        assert_eq!((sum("on_hand"), sum("reserved")), balance, "{ledger:?}");
        assert_eq!(item("available"), balance.0 - balance.1);
        assert!(balance.1 >= 0, "{ledger:?}");
        balance
    }

    /// The balance once it is this one.
    pub(crate) async fn until_balance(&self, product: &str, on_hand: i64, reserved: i64) {
        let place = format!("product={product}&location={}", self.location);
        let is_so = |page: &Value| {
            page["data"][0]["on_hand"] == on_hand && page["data"][0]["reserved"] == reserved
        };
        self.admin.until(&format!("/stock?{place}"), is_so).await;
        assert_eq!(self.balance(product).await, (on_hand, reserved));
    }
}

pub(crate) fn address() -> Value {
    json!({
        "name": "Grace Hopper", "lines": ["Rua Augusta 1", "ap. 2"], "city": "São Paulo",
        "region": "SP", "postal_code": "01304-000", "country": "BR", "phone": "+551155550000",
    })
}

pub(crate) fn location() -> Value {
    json!({"name": "Main", "address": address(), "reference": unique("loc-")})
}

pub(crate) fn customer() -> Value {
    json!({
        "type": "individual", "name": "Grace Hopper", "email": "grace@hopper.example",
        "phone": "+551155550000", "addresses": [{
            "label": "home", "is_default_shipping": true, "is_default_billing": false,
            "address": address(),
        }],
        "credit_limit": money("1000.00"), "notes": "careful", "reference": unique("cus-"),
        "metadata": {"tier": "gold"},
    })
}

pub(crate) fn document_type() -> Value {
    json!({
        "code": unique("CPF-"), "country": "BR", "category": "personal", "name": "Cadastro",
        "rule": {
            "min_length": 11, "max_length": 11, "characters": "digits", "check": "mod11_cpf",
        },
        "active": true, "reference": unique("dty-"), "metadata": {"from": "2026"},
    })
}

pub(crate) fn product() -> Value {
    json!({
        "sku": unique("SKU-"), "name": "Mug", "price": money("10.00"), "weight_g": 300,
        "dimensions": {"length_mm": 120, "width_mm": 90, "height_mm": 100},
        "category": "kitchen", "reference": unique("prd-"),
    })
}

pub(crate) fn money(amount: &str) -> Value {
    json!({"amount": amount, "currency": "BRL"})
}

pub(crate) fn shipment() -> Value {
    json!({
        "lines": [
            {"line": 1, "product": null, "sku": "A", "quantity": 1, "description": "a box"},
        ],
        "parcels": [{
            "weight_g": 500, "reference": "box 1",
            "dimensions": {"length_mm": 10, "width_mm": 20, "height_mm": 30},
        }],
        "consignee": address(), "reference": unique("shp-"),
    })
}
