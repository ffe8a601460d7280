//! Orders read: Quenty's live ones, the peer's from its database, and bytes that are just there.

use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};

use crate::api::Api;
use crate::load::{self, Work};
use crate::measure::{Key, Measure, Side};
use crate::orders;
use crate::stage::Stage;
use crate::wire::{Answer, write_get};

/// Connections that read at the same time.
const CONNECTIONS: usize = 64;
/// Orders that are read, each again and again.
const ORDERS: usize = 1_000;

/// One connection that reads one path after the other.
struct Reads {
    token: String,
    paths: Rc<[String]>,
    next: usize,
}

impl Work for Reads {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        self.next = (self.next + 1) % self.paths.len();
        write_get(out, &self.paths[self.next], &self.token);
        true
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        answer.status == 200
    }
}

fn reads(api: &Api, paths: Vec<String>) -> impl Fn() -> Vec<Reads> + use<> {
    let paths: Rc<[String]> = paths.into();
    let token = api.token.clone();
    move || {
        let one = |number| Reads {
            token: token.clone(),
            paths: Rc::clone(&paths),
            next: number * paths.len() / CONNECTIONS,
        };
        (0..CONNECTIONS).map(one).collect()
    }
}

fn order_paths(api: &Api, ids: &[String]) -> Vec<String> {
    let path = |id| api.path(&format!("/orders/{id}"));
    ids.iter().map(path).collect()
}

/// Measures all three in turns, since one round of Quenty's serves both ratios.
pub(crate) async fn measure(stage: &mut Stage, keys: &[Key]) -> Result<Vec<Measure>> {
    let (wants_peer, wants_bare) = (
        keys.contains(&Key::GetVsPeer),
        keys.contains(&Key::GetVsBare),
    );
    let side = |name| Side::new(name, "GET/s");
    let mut against_peer = stage
        .options
        .begin(Key::GetVsPeer, side("quenty"), side("peer"))?;
    let mut against_bare = stage
        .options
        .begin(Key::GetVsBare, side("quenty"), side("bare"))?;
    let span = stage.options.span();
    let quenty = stage.quenty().await?;
    let ids = orders::some(quenty, ORDERS).await?;
    let sample = ids.first().context("no orders")?;
    let body = quenty.api.text(&format!("/orders/{sample}")).await?;
    let ours = reads(&quenty.api, order_paths(&quenty.api, &ids));
    let peer = &stage.peer().await?.shop;
    let ids = orders::some(peer, ORDERS).await?;
    let theirs = reads(&peer.api, order_paths(&peer.api, &ids));
    peer.api.send("PUT", "/bare", &body).await?;
    ensure!(peer.api.text("/bare").await? == body, "not the same bytes");
    let bare = reads(&peer.api, vec!["/bare".into()]);
    for _ in 0..stage.options.rounds {
        let ours = load::measured(&stage.quenty().await?.server, ours(), span).await?;
        let server = &stage.peer().await?.shop.server;
        if wants_peer {
            against_peer.round(ours, load::measured(server, theirs(), span).await?);
        }
        if wants_bare {
            against_bare.round(ours, load::measured(server, bare(), span).await?);
        }
    }
    let mut measures = Vec::new();
    if wants_peer {
        measures.push(against_peer.end(&stage.options)?);
    }
    if wants_bare {
        measures.push(against_bare.end(&stage.options)?);
    }
    Ok(measures)
}

/// Reads each order once, over a few connections.
pub(crate) async fn once(api: &Api, ids: &[String]) -> Result<()> {
    let works = ids.chunks(ids.len().div_ceil(16)).map(|ids| Once {
        token: api.token.clone(),
        paths: order_paths(api, ids),
    });
    let within = std::time::Duration::from_secs(120);
    load::all(api.address, works.collect(), within).await?;
    Ok(())
}

struct Once {
    token: String,
    paths: Vec<String>,
}

impl Work for Once {
    fn next(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(path) = self.paths.pop() else {
            return false;
        };
        write_get(out, &path, &self.token);
        true
    }

    fn accept(&mut self, answer: &Answer<'_>) -> bool {
        answer.status == 200
    }
}
