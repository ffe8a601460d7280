//! The answers of the server, as far as the simulations read them.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

/// One page of a list.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// What all resources have in common.
#[derive(Clone, Debug, Deserialize)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// How many events made it.
    pub version: u64,
}

/// An amount of money.
#[derive(Clone, Debug, Deserialize)]
pub struct Money {
    /// How much.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
}

/// The sums of an order.
#[derive(Clone, Debug, Deserialize)]
pub struct Totals {
    /// Of the goods.
    pub goods: Money,
    /// Of the freight.
    pub freight: Money,
    /// Of everything.
    pub total: Money,
}

/// An order.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// How many events made it.
    pub version: u64,
    /// Where it stands.
    pub status: String,
    /// What it costs.
    pub totals: Totals,
    /// Its shipments, the newest last.
    pub shipments: Vec<String>,
}

/// The stock of a product at a location.
#[derive(Clone, Debug, Deserialize)]
pub struct Stock {
    /// Its id.
    pub id: String,
    /// How many events made it.
    pub version: u64,
    /// The product's id.
    pub product: String,
    /// The location's id.
    pub location: String,
    /// How much is there.
    pub on_hand: i64,
    /// How much of it is promised.
    pub reserved: i64,
}

/// One line of a stock item's ledger.
#[derive(Clone, Debug, Deserialize)]
pub struct LedgerEntry {
    /// By how much it changed what is there.
    pub on_hand: i64,
    /// By how much it changed what is promised.
    pub reserved: i64,
}

/// An event of the company's feed, of a history, or of a live topic.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// The resource that it happened to.
    pub resource: String,
    /// The version of the resource that it made, from 1.
    pub version: u64,
    /// The journal that it is kept in.
    pub context: String,
    /// The shard of that journal.
    pub shard: u32,
    /// Its number in that shard.
    pub seq: u64,
}

/// The answer to creating many products at once.
#[derive(Debug, Deserialize)]
pub struct Bulk {
    /// One per row, in order.
    pub results: Vec<BulkRow>,
}

/// What became of a row.
#[derive(Debug, Deserialize)]
pub struct BulkRow {
    /// The product, if it was created.
    pub product: Option<Resource>,
    /// Why not, otherwise.
    pub problem: Option<Value>,
}
