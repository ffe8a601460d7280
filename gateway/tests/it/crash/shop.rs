//! A company with goods to sell: few of each, so that many orders must be refused.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::{Api, Change};

/// Units of each product at first.
pub(super) const UNITS: i64 = 10;
/// Products that are ordered, called off, received and shipped all along.
const COMMON: usize = 6;
/// Products of which exactly [`UNITS`] can be sold: nobody calls off, nothing is received.
const SCARCE: usize = 8;
const CUSTOMERS: usize = 4;

/// The ids of what there is.
pub(super) struct Shop {
    /// The customers.
    pub(super) customers: Vec<String>,
    /// See [`COMMON`].
    pub(super) common: Vec<String>,
    /// See [`SCARCE`].
    pub(super) scarce: Vec<String>,
    /// The default location.
    pub(super) location: String,
}

impl Shop {
    /// Makes a company with all that; gives it with the API as seen from within the company.
    pub(super) async fn open(api: Api) -> (Api, Arc<Self>) {
        Self::open_with(api, SCARCE).await
    }

    /// The same with so many scarce products.
    pub(super) async fn open_with(api: Api, scarce: usize) -> (Api, Arc<Self>) {
        Self::make("Shop", api, scarce).await
    }

    /// The same with a name, for where there are several.
    pub(super) async fn open_as(name: &str, api: Api) -> (Api, Arc<Self>) {
        Self::make(name, api, SCARCE).await
    }

    async fn make(name: &str, api: Api, scarce: usize) -> (Api, Arc<Self>) {
        let company = json!({ "name": name, "currency": "BRL" });
        let company = make(&api, name, "/companies", &company).await;
        let api = api.within(&company);
        let location = json!({ "name": "Warehouse", "address": address() });
        let location = make(&api, "location", "/locations", &location).await;
        let settings = json!({ "settings": { "default_location": location } });
        let answer = api.patch(&format!("/companies/{company}"), &settings).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut shop = Self {
            customers: Vec::new(),
            common: Vec::new(),
            scarce: Vec::new(),
            location,
        };
        for number in 0..CUSTOMERS {
            shop.customers.push(customer(&api, number).await);
        }
        for number in 0..COMMON {
            shop.common
                .push(shop.product(&api, &format!("common-{number}")).await);
        }
        for number in 0..scarce {
            shop.scarce
                .push(shop.product(&api, &format!("scarce-{number}")).await);
        }
        (api, Arc::new(shop))
    }

    /// The body of a receipt.
    pub(super) fn receipt(&self, product: &str, quantity: i64) -> Value {
        let location = &self.location;
        json!({ "type": "receipt", "product": product, "location": location, "quantity": quantity })
    }

    async fn product(&self, api: &Api, sku: &str) -> String {
        let product = product(api, sku).await;
        let receipt = self.receipt(&product, UNITS);
        make(api, &format!("{sku}-stock"), "/stock/movements", &receipt).await;
        product
    }
}

/// A new product of which nothing is there.
pub(super) async fn product(api: &Api, sku: &str) -> String {
    let price = json!({ "amount": "9.90", "currency": "BRL" });
    let product = json!({ "sku": sku, "name": sku, "price": price, "weight_g": 300 });
    make(api, sku, "/products", &product).await
}

async fn customer(api: &Api, number: usize) -> String {
    let addresses = json!([{ "address": address() }]);
    let name = format!("Ana {number}");
    let customer = json!({ "type": "individual", "name": name, "addresses": addresses });
    make(api, &format!("customer-{number}"), "/customers", &customer).await
}

/// Makes something of which only the id matters.
pub(super) async fn make(api: &Api, key: &str, path: &str, body: &Value) -> String {
    let answer = api.ask_for(&Change::new(key, path, body.clone())).await;
    assert_eq!(answer.status, 201, "{path}: {}", answer.body);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// An address.
pub(super) fn address() -> Value {
    json!({ "lines": ["Rua A, 1"], "city": "São Paulo", "country": "BR" })
}
