//! The marketplace as it is before the first order: its company, shelves, goods and customers.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::IgnoredAny;
use serde_json::json;

use super::body;
use super::plan::{Goods, Plan};
use crate::api::{Bulk, Resource};
use crate::client::{Client, Credentials};

/// Products that are created with one request.
const BULK: usize = 500;

/// The marketplace.
pub(super) struct World {
    /// Its administrator.
    pub client: Client,
    /// Its company.
    pub company: String,
    /// Where its goods are: the company's default location.
    pub shelf: String,
    /// Where nothing ever is.
    pub empty_shelf: String,
    /// The products' ids by those in the data.
    pub products: HashMap<String, String>,
    /// The customers' ids by the persons' in the data.
    pub customers: HashMap<String, String>,
}

impl World {
    /// Creates it, so many requests at a time.
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached for too long.
    pub(super) async fn create(
        superuser: &Client,
        credentials: &Credentials,
        run: &str,
        plan: &Plan,
        concurrency: usize,
    ) -> Result<Self> {
        let company = company(superuser, run).await?;
        let client = administrator(superuser, credentials, run, &company).await?;
        let shelf = location(&client, "shelf", "Warehouse").await?;
        let empty_shelf = location(&client, "empty-shelf", "Sold out").await?;
        let settings = json!({ "settings": { "default_location": shelf } });
        let path = format!("/companies/{company}");
        client
            .patch::<Resource>(&path, "company/settings", settings)
            .await?;
        let products = products(&client, plan).await?;
        let world = Self {
            customers: customers(&client, plan, concurrency).await?,
            client,
            company,
            shelf,
            empty_shelf,
            products,
        };
        world.receive_all(plan, concurrency).await?;
        Ok(world)
    }

    /// What the server calls a product.
    ///
    /// # Errors
    /// When it was not created.
    pub(super) fn product(&self, id: &str) -> Result<&str> {
        let product = self.products.get(id).map(String::as_str);
        product.with_context(|| format!("product {id} was not created"))
    }

    async fn receive_all(&self, plan: &Plan, concurrency: usize) -> Result<()> {
        stream::iter(&plan.products)
            .map(|(id, goods)| self.receive(id, goods))
            .buffer_unordered(concurrency)
            .try_collect()
            .await
    }

    async fn receive(&self, id: &str, goods: &Goods) -> Result<()> {
        let body = json!({
            "type": "receipt",
            "product": self.product(id)?,
            "location": self.shelf,
            "quantity": goods.received,
        });
        let step = format!("product:{id}/receipt");
        let _: IgnoredAny = self.client.post("/stock/movements", &step, body).await?;
        Ok(())
    }
}

async fn company(superuser: &Client, run: &str) -> Result<String> {
    let body = json!({
        "name": format!("Olist replay {run}"),
        "currency": body::CURRENCY,
        "time_zone": "America/Sao_Paulo",
        "country": "BR",
        "reference": format!("replay-{run}"),
    });
    let company: Resource = superuser.post("/companies", "company", body).await?;
    Ok(company.id)
}

/// The company gets an administrator of its own, so that everything else is done as its customers
/// do it. The password is the superuser's: no weaker one is left behind on the server.
async fn administrator(
    superuser: &Client,
    credentials: &Credentials,
    run: &str,
    company: &str,
) -> Result<Client> {
    let own = Credentials {
        email: format!("replay-{run}@simulations.example"),
        password: credentials.password.clone(),
    };
    let body = json!({
        "email": own.email,
        "name": "Replay",
        "password": own.password,
        "role": "admin",
    });
    let _: Resource = superuser
        .within(company)
        .post("/users", "user", body)
        .await?;
    Ok(superuser.sign_in(own))
}

async fn location(client: &Client, reference: &str, name: &str) -> Result<String> {
    let body = json!({
        "name": name,
        "address": {
            "lines": ["Rodovia Anhanguera"],
            "city": "cajamar",
            "region": "SP",
            "postal_code": "07750",
            "country": "BR",
        },
        "reference": reference,
    });
    let step = format!("location:{reference}");
    let location: Resource = client.post("/locations", &step, body).await?;
    Ok(location.id)
}

async fn products(client: &Client, plan: &Plan) -> Result<HashMap<String, String>> {
    let all: Vec<_> = plan.products.iter().collect();
    let mut products = HashMap::new();
    for (index, rows) in all.chunks(BULK).enumerate() {
        let bodies: Vec<_> = rows
            .iter()
            .map(|(id, goods)| body::product(id, goods))
            .collect();
        let step = format!("products:{index}");
        let body = json!({ "products": bodies });
        let bulk: Bulk = client.post("/products/bulk", &step, body).await?;
        ensure!(
            bulk.results.len() == rows.len(),
            "a row of {step} got no answer"
        );
        for (row, (id, _)) in bulk.results.into_iter().zip(rows) {
            let product = row.product.with_context(|| {
                format!(
                    "product {id} was refused: {}",
                    row.problem.unwrap_or_default()
                )
            })?;
            products.insert((*id).clone(), product.id);
        }
    }
    Ok(products)
}

async fn customers(
    client: &Client,
    plan: &Plan,
    concurrency: usize,
) -> Result<HashMap<String, String>> {
    stream::iter(plan.customers.values())
        .map(|customer| async move {
            let step = format!("customer:{}", customer.person);
            let body = body::customer(customer);
            let created: Resource = client.post("/customers", &step, body).await?;
            anyhow::Ok((customer.person.clone(), created.id))
        })
        .buffer_unordered(concurrency)
        .try_collect()
        .await
}
