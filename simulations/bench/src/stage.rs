//! What the measurements share: options, databases, and servers that are started when first needed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::disk;
use crate::figures::Series;
use crate::load::{Rate, Span};
use crate::measure::{Key, Measure, Side};
use crate::shop::{self, Shop};

/// What was asked for.
#[derive(Clone)]
pub(crate) struct Options {
    /// The program `quenty`.
    pub(crate) quenty: PathBuf,
    /// The program `peer`.
    pub(crate) peer: PathBuf,
    /// A Postgres on which databases may be made.
    pub(crate) postgres: String,
    /// Where files go.
    pub(crate) folder: PathBuf,
    /// How many times each side has its turn.
    pub(crate) rounds: usize,
    /// How long a turn is.
    pub(crate) length: Duration,
    /// How many products there are.
    pub(crate) products: usize,
}

impl Options {
    /// A turn.
    pub(crate) fn span(&self) -> Span {
        Span {
            warm_up: self.length / 5,
            length: self.length,
        }
    }

    /// The disk's fdatasync median, in microseconds.
    pub(crate) fn fdatasync_micros(&self) -> Result<f64> {
        Ok(disk::fdatasync_median(&self.folder)?.as_secs_f64() * 1e6)
    }

    /// Begins to measure two sides.
    pub(crate) fn begin(&self, key: Key, ours: Side, theirs: Side) -> Result<Measuring> {
        Ok(Measuring {
            key,
            ratios: Series::default(),
            ours,
            theirs,
            fdatasync_micros: self.fdatasync_micros()?,
        })
    }

    /// Makes a database and gives its URL.
    pub(crate) async fn database(&self, name: &str) -> Result<String> {
        let mut connection = PgConnection::connect(&self.postgres).await?;
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .with_context(|| format!("making the database {name}"))?;
        let (server, _) = self.postgres.rsplit_once('/').context("no database")?;
        Ok(format!("{server}/{name}"))
    }
}

/// The peer, with its raw sockets.
pub(crate) struct Peer {
    /// The shop.
    pub(crate) shop: Shop,
    /// Where the raw sockets are.
    pub(crate) raw: SocketAddr,
}

/// What the measurements share.
pub(crate) struct Stage {
    /// What was asked for.
    pub(crate) options: Options,
    quenty: Option<(Shop, String)>,
    peer: Option<Peer>,
}

impl Stage {
    /// Before anything was started.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            quenty: None,
            peer: None,
        }
    }

    /// The shop at Quenty.
    pub(crate) async fn quenty(&mut self) -> Result<&Shop> {
        if self.quenty.is_none() {
            eprintln!("opening a shop at quenty …");
            let database = self.options.database("bench_quenty").await?;
            let folder = &self.options.folder;
            let server = shop::start_quenty(&self.options, folder, &database, &[]).await?;
            let shop = shop::open_at_quenty(server, self.options.products).await?;
            self.quenty = Some((shop, database));
        }
        let (shop, _) = self.quenty.as_ref().context("no shop")?;
        Ok(shop)
    }

    /// Starts Quenty anew, with more settings.
    pub(crate) async fn restart_quenty(&mut self, more: &[(&str, String)]) -> Result<&Shop> {
        self.quenty().await?;
        let (mut shop, database) = self.quenty.take().context("no shop")?;
        shop.server.stop().await?;
        let folder = &self.options.folder;
        shop.server = shop::start_quenty(&self.options, folder, &database, more).await?;
        shop.api.address = shop.server.address;
        let (shop, _) = self.quenty.insert((shop, database));
        Ok(shop)
    }

    /// The peer.
    pub(crate) async fn peer(&mut self) -> Result<&Peer> {
        if self.peer.is_none() {
            eprintln!("opening a shop at the peer …");
            let database = self.options.database("bench_peer").await?;
            let folder = &self.options.folder;
            let (shop, raw) = shop::open_at_peer(&self.options, folder, &database).await?;
            self.peer = Some(Peer { shop, raw });
        }
        self.peer.as_ref().context("no peer")
    }
}

/// Two sides that have their turns.
pub(crate) struct Measuring {
    key: Key,
    ratios: Series,
    ours: Side,
    theirs: Side,
    fdatasync_micros: f64,
}

impl Measuring {
    /// A turn of each.
    pub(crate) fn round(&mut self, ours: Rate, theirs: Rate) {
        let ratio = ours.per_second / theirs.per_second;
        eprintln!(
            "  {}: {:.0} to {:.0}: {ratio:.2}",
            self.key, ours.per_second, theirs.per_second
        );
        self.ratios.push(ratio);
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    /// What came out.
    pub(crate) fn end(self, options: &Options) -> Result<Measure> {
        let after = options.fdatasync_micros()?;
        Ok(Measure {
            key: self.key,
            series: self.ratios,
            sides: vec![self.ours, self.theirs],
            fdatasync_micros: f64::midpoint(self.fdatasync_micros, after),
        })
    }
}
