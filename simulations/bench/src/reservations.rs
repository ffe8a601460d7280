//! Reservations in process, no HTTP and no policies, against what they have to write at least.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actors::ids::{LocationId, MovementId, OrderId, ProductId};
use actors::stock::{Action, Command, MoveKind, Remarks, Stock};
use anyhow::{Result, bail, ensure};
use chrono::Utc;
use engine::{Config, Engine, Entities, Entity as _, Meta, Reply, RequestKey};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::load::{Rate, Span};
use crate::measure::{Key, Measure, Side};
use crate::stage::Options;
use crate::unnest::Unnest;

/// Reservations under way at the same time.
const UNDER_WAY: usize = 2_048;
/// As much of each product as no benchmark reserves.
const ON_HAND: i64 = 1_000_000_000;
/// How long one may take.
const WITHIN: Duration = Duration::from_secs(30);
const TENANT: Uuid = Uuid::from_u128(1);
const LOCATION: Uuid = Uuid::from_u128(2);

/// Measures both sides in turns, on all cores.
pub(crate) async fn measure(options: &Options) -> Result<Measure> {
    let options = options.clone();
    let measuring = move || Runtime::new()?.block_on(in_turns(&options));
    tokio::task::spawn_blocking(measuring).await?
}

async fn in_turns(options: &Options) -> Result<Measure> {
    let sides = (
        Side::new("quenty", "reservations/s"),
        Side::new("unnest", "rows of each/s"),
    );
    let mut measuring = options.begin(Key::ReservationsVsUnnest, sides.0, sides.1)?;
    let database = options.database("bench_reservations").await?;
    let journal = storage::open(&database, Stock::CONTEXT, 256, 4).await?;
    let engine = Engine::builder(Config::default())
        .context(Stock::CONTEXT, journal)
        .entity::<Stock>()
        .start()
        .await?;
    let stock = engine.entities::<Stock>()?;
    let products: Arc<[ProductId]> = (0..options.products)
        .map(|_| Uuid::now_v7().into())
        .collect();
    receive(&stock, &products).await?;
    reserve(&stock, &products, options.span()).await?;
    let mut unnest = Unnest::prepare(&database).await?;
    for _ in 0..options.rounds {
        let ours = reserve(&stock, &products, options.span()).await?;
        let theirs = unnest.commit(options.span()).await?;
        measuring.round(rate(ours), rate(theirs));
    }
    engine.stop(WITHIN).await;
    measuring.end(options)
}

fn rate(per_second: f64) -> Rate {
    Rate {
        per_second,
        cpu_micros: None,
    }
}

async fn receive(stock: &Entities<Stock>, products: &[ProductId]) -> Result<()> {
    let receipt = |product: &ProductId| {
        let action = Action::Move {
            movement: MovementId::from(Uuid::now_v7()),
            kind: MoveKind::Receipt,
            quantity: ON_HAND,
            remarks: Remarks::default(),
        };
        send(stock, *product, action, "receipts")
    };
    let receipts = stream::iter(products).map(receipt);
    receipts
        .buffer_unordered(UNDER_WAY)
        .try_collect::<()>()
        .await
}

/// Reserves at random for a while; how many a second.
async fn reserve(stock: &Entities<Stock>, products: &Arc<[ProductId]>, span: Span) -> Result<f64> {
    let from = Instant::now() + span.warm_up;
    let until = from + span.length;
    let done = Arc::new(AtomicU64::new(0));
    let mut reserving = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let (stock, products, done) = (stock.clone(), Arc::clone(products), Arc::clone(&done));
        reserving.spawn(async move {
            while Instant::now() < until {
                let product = products[rand::random_range(0..products.len())];
                send(&stock, product, reservation(), "policy:reserve-stock").await?;
                let now = Instant::now();
                done.fetch_add(u64::from(now >= from && now < until), Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = reserving.join_next().await {
        ended??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / span.length.as_secs_f64())
}

fn reservation() -> Action {
    Action::Reserve {
        order: OrderId::from(Uuid::now_v7()),
        quantity: 1,
        backorder: false,
        reserve_by: Utc::now() + WITHIN,
    }
}

/// Under a request key, since the other side writes such rows, too. A policy's reservations go
/// without one: the stock item itself knows them.
async fn send(
    stock: &Entities<Stock>,
    product: ProductId,
    action: Action,
    scope: &str,
) -> Result<()> {
    let command = Command {
        product,
        location: LocationId::from(LOCATION),
        action,
    };
    let key = Uuid::now_v7().to_string();
    let mut meta = Meta::new(TENANT, scope, key.as_str(), WITHIN);
    meta.cause = Some(key.clone());
    meta.request = Some(RequestKey {
        scope: scope.to_owned(),
        key,
        body_hash: 0,
        is_client: false,
    });
    match stock.send(command.addressee(), command, meta).await? {
        Reply::Done(item) => ensure!(item.version > 0, "nothing happened"),
        reply => bail!("an unexpected reply: {reply:?}"),
    }
    Ok(())
}
