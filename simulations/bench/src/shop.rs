//! The two shops that orders are placed at: Quenty and its peer, with the same catalogue.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use crate::api::Api;
use crate::load::{self, Work};
use crate::server::Server;
use crate::stage::Options;
use crate::wire::{Answer, write_post};

/// The first superuser's and everybody else's password.
const PASSWORD: &str = "correct-horse-battery";
/// As much of each product as no benchmark sells.
const ON_HAND: i64 = 1_000_000_000;
/// Products that are listed with one request.
const BULK: usize = 1_000;
/// Connections that receive goods.
const RECEIVERS: usize = 256;
/// How long receiving all goods may take.
const RECEIVE_WITHIN: Duration = Duration::from_secs(600);

/// A shop with its server.
pub(crate) struct Shop {
    /// The server.
    pub(crate) server: Server,
    /// The API, as one of the shop's people.
    pub(crate) api: Api,
    /// A customer.
    pub(crate) customer: String,
    /// The products.
    pub(crate) products: Rc<[String]>,
}

/// What Quenty is told to be unlike its defaults, as an operator of such a shop would.
const SETTINGS: [(&str, &str); 5] = [
    ("QUENTY_ADMIN_PASSWORD", PASSWORD),
    ("QUENTY__GATEWAY__LISTEN", "127.0.0.1:0"),
    ("QUENTY__TELEMETRY__METRICS_LISTEN", ""),
    // Longer than the whole run: to sign in again would be no part of what is measured.
    ("QUENTY__AUTH__ACCESS_TOKEN_S", "86400"),
    // Products, stock and orders: all stay in memory, as they do in the peer's database.
    ("QUENTY__ENGINE__RESIDENTS_MAX", "1000000"),
];

/// Starts Quenty on its database, new or kept.
pub(crate) async fn start_quenty(
    options: &Options,
    folder: &Path,
    database: &str,
    more: &[(&str, String)],
) -> Result<Server> {
    let mut command = Command::new(&options.quenty);
    command
        .arg("serve")
        .current_dir(folder)
        .envs(SETTINGS)
        .envs(more.iter().map(|(name, value)| (name, value)))
        .env("QUENTY__STORAGE__URL", database);
    Server::start(
        &mut command,
        &folder.join("quenty.log"),
        "quenty serves http://",
    )
    .await
}

/// Opens a shop at Quenty.
pub(crate) async fn open_at_quenty(server: Server, products: usize) -> Result<Shop> {
    let mut api = Api::new(server.address, "/api/v1");
    api.token = sign_in(&api, "admin@localhost").await?;
    let company = json!({ "name": "Bench", "currency": "BRL" });
    let company = api.make("/companies", &company).await?;
    api.company = Some(company.clone());
    let location = json!({ "name": "Warehouse", "address": address("Rua Um 1") });
    let location = api.make("/locations", &location).await?;
    let settings = json!({ "settings": { "default_location": location } }).to_string();
    api.send("PATCH", &format!("/companies/{company}"), settings)
        .await?;
    let user = json!({
        "email": "bench@simulations.example", "name": "Bench", "password": PASSWORD, "role": "admin",
    });
    api.make("/users", &user).await?;
    api.company = None;
    api.token = sign_in(&api, "bench@simulations.example").await?;
    let addresses = json!([{ "address": address("Rua Dois 2") }]);
    let customer = json!({ "type": "individual", "name": "Ana", "addresses": addresses });
    let customer = api.make("/customers", &customer).await?;
    let products = list_products(&api, products).await?;
    receive(&api, &products, &location).await?;
    Ok(Shop {
        server,
        api,
        customer,
        products,
    })
}

/// Starts the peer on an empty database; also where its raw sockets are.
pub(crate) async fn open_at_peer(
    options: &Options,
    folder: &Path,
    database: &str,
) -> Result<(Shop, std::net::SocketAddr)> {
    let mut command = Command::new(&options.peer);
    command
        .args(["--database", database])
        .args(["--products", &options.products.to_string()]);
    let log = folder.join("peer.log");
    let mut server = Server::start(&mut command, &log, "peer serves http://").await?;
    let raw = server.until_said("raw sockets at ").await?;
    let mut api = Api::new(server.address, "");
    api.token = api.text("/token").await?;
    let products = 1..=options.products as u128;
    let shop = Shop {
        server,
        api,
        customer: Uuid::from_u128(3).to_string(),
        products: products.map(|n| Uuid::from_u128(n).to_string()).collect(),
    };
    Ok((shop, raw))
}

/// An address.
pub(crate) fn address(line: &str) -> Value {
    json!({ "lines": [line], "city": "Santos", "country": "BR" })
}

async fn sign_in(api: &Api, email: &str) -> Result<String> {
    let login = json!({ "email": email, "password": PASSWORD });
    let granted = api.post("/auth/login", &login).await?;
    let token = granted["access_token"].as_str();
    token.map(ToOwned::to_owned).context("no token")
}

async fn list_products(api: &Api, count: usize) -> Result<Rc<[String]>> {
    let mut products = Vec::with_capacity(count);
    while products.len() < count {
        let numbers = products.len()..count.min(products.len() + BULK);
        let rows: Vec<_> = numbers.map(product).collect();
        let report = api
            .post("/products/bulk", &json!({ "products": rows }))
            .await?;
        for row in report["results"].as_array().context("no results")? {
            let id = row["product"]["id"].as_str();
            products.push(id.context("a product was refused")?.to_owned());
        }
    }
    Ok(products.into())
}

fn product(number: usize) -> Value {
    let price = json!({ "amount": "9.90", "currency": "BRL" });
    json!({ "sku": format!("SKU-{number}"), "name": format!("Product {number}"), "price": price,
        "weight_g": 300 })
}

async fn receive(api: &Api, products: &Rc<[String]>, location: &str) -> Result<()> {
    let connections = RECEIVERS.min(products.len());
    let receipts = (0..connections).map(|first| Receipts {
        path: api.path("/stock/movements"),
        headers: api.headers(),
        location: location.to_owned(),
        products: Rc::clone(products),
        next: first,
        step: connections,
    });
    load::all(api.address, receipts.collect(), RECEIVE_WITHIN).await?;
    Ok(())
}

/// Every so manieth product is received.
struct Receipts {
    path: String,
    headers: String,
    location: String,
    products: Rc<[String]>,
    next: usize,
    step: usize,
}

impl Work for Receipts {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(product) = self.products.get(self.next) else {
            return false;
        };
        self.next += self.step;
        let body = json!({ "type": "receipt", "product": product, "location": self.location,
            "quantity": ON_HAND });
        let body = body.to_string();
        write_post(
            out,
            "POST",
            &self.path,
            &self.headers,
            Some(product),
            body.as_bytes(),
        );
        true
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        answer.status == 201
    }
}
