//! One shipment and thousands who watch it: Quenty's deliveries against a loop that only writes.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use crate::api::Api;
use crate::load::{self, Rate, Work};
use crate::measure::{Key, Measure, Side};
use crate::shop::address;
use crate::stage::Stage;
use crate::viewers::Viewers;
use crate::wire::{Answer, write_post};

/// Who watches.
const VIEWERS: usize = 5_000;
/// What happens to the shipment in a round.
const EVENTS: usize = 60;
/// What happens before anything counts.
const WARM_UP: usize = 20;
/// Connections that tell of it, so that the next event is there before the last one is delivered.
const CARRIERS: usize = 4;
/// How long a round may take.
const WITHIN: Duration = Duration::from_secs(120);

/// Measures both sides in turns.
pub(crate) async fn measure(stage: &mut Stage) -> Result<Measure> {
    let options = stage.options.clone();
    let unit = "deliveries/s";
    let sides = (Side::new("quenty", unit), Side::new("raw", unit));
    let mut measuring = options.begin(Key::FanoutVsRaw, sides.0, sides.1)?;
    let (api, shipment) = {
        let shop = stage.quenty().await?;
        (shop.api.clone(), make_shipment(&shop.api).await?)
    };
    let topics = std::iter::repeat_n(format!("shipment:{shipment}"), VIEWERS);
    let mut ours = Viewers::of(&api, topics).await?;
    let mut scans = 0;
    let mut tell = async |viewers: &mut Viewers, events| {
        scans += events;
        deliver(&api, &shipment, viewers, scans - events..scans).await
    };
    tell(&mut ours, WARM_UP).await?;
    let peer = stage.peer().await?;
    let mut theirs = Viewers::raw(peer.raw, VIEWERS).await?;
    write_raw(&peer.shop.api, &mut theirs, &ours.sample(), WARM_UP).await?;
    for _ in 0..options.rounds {
        let before = stage.quenty().await?.server.cpu()?;
        let took = tell(&mut ours, EVENTS).await?;
        let ours_now = rate(took, stage.quenty().await?.server.cpu()? - before);
        let peer = stage.peer().await?;
        let before = peer.shop.server.cpu()?;
        let frame = ours.sample();
        let took = write_raw(&peer.shop.api, &mut theirs, &frame, EVENTS).await?;
        measuring.round(ours_now, rate(took, peer.shop.server.cpu()? - before));
    }
    measuring.end(&options)
}

fn rate(took: Duration, cpu: f64) -> Rate {
    let deliveries = (VIEWERS * EVENTS) as f64;
    Rate {
        per_second: deliveries / took.as_secs_f64(),
        cpu_micros: Some(cpu * 1e6 / deliveries),
    }
}

/// Makes a shipment.
async fn make_shipment(api: &Api) -> Result<String> {
    let shipment = json!({
        "lines": [{ "line": 1, "sku": "A", "quantity": 1 }],
        "parcels": [{ "weight_g": 500 }],
        "consignee": address("Rua Dois 2"),
    });
    api.make("/shipments", &shipment).await
}

/// Tells of events, and waits until every viewer has seen each.
async fn deliver(
    api: &Api,
    shipment: &str,
    viewers: &mut Viewers,
    events: std::ops::Range<usize>,
) -> Result<Duration> {
    viewers.expect((events.len() * VIEWERS) as u64);
    let scans = (0..CARRIERS).map(|number| Scans {
        path: api.path(&format!("/shipments/{shipment}/events")),
        headers: api.headers(),
        // Carriers tell of what has happened.
        begin: Utc::now() - TimeDelta::hours(1),
        next: events.start + number,
        end: events.end,
    });
    let telling = load::all(api.address, scans.collect(), WITHIN);
    let (_, took) = tokio::try_join!(telling, viewers.all(WITHIN))?;
    Ok(took)
}

/// Lets the peer write the same frame as often to as many.
async fn write_raw(
    api: &Api,
    viewers: &mut Viewers,
    frame: &[u8],
    times: usize,
) -> Result<Duration> {
    viewers.expect((times * VIEWERS) as u64);
    let path = format!("/raw?times={times}");
    let writing = api.send("POST", &path, frame);
    let (_, took) = tokio::try_join!(writing, viewers.all(WITHIN))?;
    Ok(took)
}

/// A carrier that tells of every so manieth event.
struct Scans {
    path: String,
    headers: String,
    begin: DateTime<Utc>,
    next: usize,
    end: usize,
}

impl Work for Scans {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        if self.next >= self.end {
            return false;
        }
        let at = self.begin + TimeDelta::milliseconds(self.next as i64);
        let body = json!({ "events": [{
            "code": format!("T{}", self.next),
            "status": "in_transit",
            "occurred_at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        }] });
        let body = body.to_string();
        write_post(
            out,
            "POST",
            &self.path,
            &self.headers,
            None,
            body.as_bytes(),
        );
        self.next += CARRIERS;
        true
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        answer.status == 200
    }
}
