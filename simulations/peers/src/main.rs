//! What Quenty is measured against: the same work the usual way, axum and sqlx with one transaction
//! per request; a handler that does nothing; and a loop that only writes to sockets.

mod bare;
mod catalogue;
mod order;
mod raw;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use clap::Parser;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

use token::Tokens;

/// The same as Quenty's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The peer of the benchmarks.
#[derive(Parser)]
struct Cli {
    /// An empty database.
    #[arg(long)]
    database: String,
    /// How many products there are.
    #[arg(long, default_value_t = 100_000)]
    products: i64,
    /// Connections to the database. More than these few times the cores only wait for each other.
    #[arg(long, default_value_t = 24)]
    pool: u32,
}

/// What handlers share.
struct Shop {
    pool: PgPool,
    tokens: Tokens,
    /// What the bare handler answers.
    bare: ArcSwap<Bytes>,
    raw: raw::Sockets,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let pool = PgPoolOptions::new()
        .min_connections(cli.pool)
        .max_connections(cli.pool)
        // A connection that is broken says so by itself, and asking costs a round trip.
        .test_before_acquire(false)
        .connect(&cli.database)
        .await
        .context("connecting to the database")?;
    catalogue::make(&pool, cli.products).await?;
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let raw = raw::Sockets::listen(local)?;
    let raw_address = raw.address;
    let shop = Arc::new(Shop {
        pool,
        tokens: Tokens::new(),
        bare: ArcSwap::default(),
        raw,
    });
    let listener = TcpListener::bind(local).await.context("listening")?;
    let address = listener.local_addr()?;
    eprintln!("peer serves http://{address} (raw sockets at {raw_address})");
    axum::serve(listener, router(shop)).await?;
    Ok(())
}

fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/token", get(token::give))
        .route("/orders", post(order::create))
        .route("/orders/{id}", get(order::get))
        .route("/bare", get(bare::get).put(bare::set))
        .route("/raw", post(raw::write))
        .with_state(shop)
}
