//! What a live order and a viewer that waits weigh, by what the process grows.

use std::time::Duration;

use anyhow::Result;

use crate::measure::{Key, Measure, Side};
use crate::orders;
use crate::reads;
use crate::stage::{Options, Stage};
use crate::viewers::Viewers;

/// Orders that come into memory.
const ORDERS: usize = 20_000;
/// Viewers that connect, each to an order of its own.
const VIEWERS: usize = 5_000;
/// Orders and viewers before anything counts: what is there once is no part of what each weighs.
const WARM_UP: usize = 500;
/// How long what is under way has to end.
const REST: Duration = Duration::from_secs(1);

/// Measures in a process that is started anew for each round: memory that was freed is used again.
pub(crate) async fn measure(stage: &mut Stage, keys: &[Key]) -> Result<Vec<Measure>> {
    let options = stage.options.clone();
    let mut orders = begin(&options, Key::BytesPerOrder)?;
    let mut viewers = begin(&options, Key::BytesPerViewer)?;
    let ids = orders::some(stage.quenty().await?, ORDERS + WARM_UP).await?;
    for _ in 0..options.rounds {
        let (order, viewer) = weigh(stage, &ids).await?;
        eprintln!("  {order:.0} bytes an order, {viewer:.0} a viewer");
        orders.series.push(order);
        viewers.series.push(viewer);
    }
    let measures = [orders, viewers];
    let wanted = measures.into_iter().filter(|it| keys.contains(&it.key));
    Ok(wanted.collect())
}

fn begin(options: &Options, key: Key) -> Result<Measure> {
    Ok(Measure {
        key,
        series: Default::default(),
        sides: Vec::<Side>::new(),
        fdatasync_micros: options.fdatasync_micros()?,
    })
}

async fn weigh(stage: &mut Stage, ids: &[String]) -> Result<(f64, f64)> {
    let shop = stage.restart_quenty(&[]).await?;
    let (warm_up, ids) = ids.split_at(WARM_UP);
    let topic = |id: &String| format!("order:{id}");
    reads::once(&shop.api, warm_up).await?;
    let others = Viewers::of(&shop.api, warm_up.iter().map(topic)).await?;
    let empty = rested(&shop.server).await?;
    reads::once(&shop.api, ids).await?;
    let with_orders = rested(&shop.server).await?;
    let watched = ids[..VIEWERS].iter().map(topic);
    let viewers = Viewers::of(&shop.api, watched).await?;
    let with_viewers = rested(&shop.server).await?;
    drop((others, viewers));
    Ok((
        (with_orders - empty) / ids.len() as f64,
        (with_viewers - with_orders) / VIEWERS as f64,
    ))
}

async fn rested(server: &crate::server::Server) -> Result<f64> {
    tokio::time::sleep(REST).await;
    server.resident()
}
