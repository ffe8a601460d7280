//! How long an order takes, from the moment at which it was due, at half of what can be done.

use anyhow::Result;

use crate::figures::{Series, percentile};
use crate::load;
use crate::measure::{Key, Measure, Side};
use crate::orders::{CONNECTIONS, Orders, Wanted};
use crate::stage::Stage;

/// The percentiles, and what they are called.
pub(crate) const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// Measures at half of a capacity, which is measured first if it is not known.
pub(crate) async fn measure(stage: &mut Stage, capacity: Option<f64>) -> Result<Measure> {
    let options = stage.options.clone();
    let shop = stage.quenty().await?;
    let capacity = match capacity {
        Some(capacity) => capacity,
        None => {
            let works = Orders::at(shop, Wanted::Any, CONNECTIONS);
            let rate = load::measured(&shop.server, works, options.span()).await?;
            rate.per_second
        }
    };
    let mut sides: Vec<_> = PERCENTILES
        .iter()
        .map(|(name, _)| Side::new(name, "ms"))
        .collect();
    let mut load = Side::new("at", "orders/s");
    let before = options.fdatasync_micros()?;
    for _ in 0..options.rounds {
        let works = Orders::at(shop, Wanted::Any, CONNECTIONS);
        let rate = capacity / 2.0;
        let address = shop.server.address;
        let mut outcome = load::open(address, works, options.span(), rate).await?;
        load.series.push(outcome.rate);
        for (side, (_, share)) in sides.iter_mut().zip(PERCENTILES) {
            side.series.push(percentile(&mut outcome.micros, share));
        }
    }
    let series = sides.first().map(|it| it.series.clone());
    sides.push(load);
    Ok(Measure {
        key: Key::Latency,
        series: series.unwrap_or_else(Series::default),
        sides,
        fdatasync_micros: f64::midpoint(before, options.fdatasync_micros()?),
    })
}
