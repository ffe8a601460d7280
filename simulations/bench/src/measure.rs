//! What is measured: the keys, what they mean, and what is to be reached.

use clap::ValueEnum;
use serde_json::{Value, json};
use strum::{Display, EnumIter};

use crate::figures::{Series, round};
use crate::load::Rate;

/// What can be measured.
#[derive(Clone, Copy, Debug, Display, EnumIter, PartialEq, Eq, ValueEnum)]
#[strum(serialize_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Key {
    /// One-line orders over 100,000 SKUs, placed and confirmed.
    OrdersVsPeer,
    /// The same, all of one SKU.
    HotSkuVsPeer,
    /// Reservations in process, against batches of the same rows.
    ReservationsVsUnnest,
    /// An order read, against a SELECT.
    GetVsPeer,
    /// An order read, against a handler that does nothing.
    GetVsBare,
    /// Memory of a live idle order.
    BytesPerOrder,
    /// Memory of an idle WebSocket viewer.
    BytesPerViewer,
    /// Deliveries to viewers, against a loop that only writes.
    FanoutVsRaw,
    /// How long orders take at half of the capacity.
    Latency,
}

/// What a key's figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// It only informs.
    None,
}

impl Key {
    /// What is to be reached.
    pub(crate) fn target(self) -> Target {
        match self {
            Self::OrdersVsPeer => Target::AtLeast(2.0),
            Self::HotSkuVsPeer => Target::AtLeast(5.0),
            Self::ReservationsVsUnnest | Self::GetVsBare => Target::AtLeast(0.5),
            Self::GetVsPeer => Target::AtLeast(4.0),
            Self::FanoutVsRaw => Target::AtLeast(0.6),
            Self::BytesPerOrder | Self::BytesPerViewer => Target::AtMost(12_288.0),
            Self::Latency => Target::None,
        }
    }
}

impl Target {
    /// Whether a figure reaches it.
    pub(crate) fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
            Self::None => true,
        }
    }
}

/// The figures of one side, in every round.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// Whose they are.
    pub(crate) name: &'static str,
    /// Of what they are so many, such as orders a second.
    pub(crate) unit: &'static str,
    /// The figures.
    pub(crate) series: Series,
    /// What the side's server spends on each, in microseconds of CPU time, if that was measured.
    pub(crate) cpu_micros: Option<Series>,
}

/// What came out for a key.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// The key.
    pub(crate) key: Key,
    /// What the target speaks of.
    pub(crate) series: Series,
    /// The absolute figures, Quenty's first.
    pub(crate) sides: Vec<Side>,
    /// The disk's fdatasync median before the first and after the last round, in microseconds.
    pub(crate) fdatasync_micros: f64,
}

impl Side {
    /// Without figures yet.
    pub(crate) fn new(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            series: Series::default(),
            cpu_micros: None,
        }
    }

    /// Adds a round's.
    pub(crate) fn push(&mut self, rate: Rate) {
        self.series.push(rate.per_second);
        if let Some(micros) = rate.cpu_micros {
            self.cpu_micros.get_or_insert_default().push(micros);
        }
    }

    fn json(&self) -> Value {
        let mut json = self.series.json();
        json["unit"] = self.unit.into();
        if let Some(cpu) = &self.cpu_micros {
            json["server_cpu_us"] = cpu.json();
        }
        json
    }
}

impl Measure {
    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let mut json = self.series.json();
        match self.key.target() {
            Target::AtLeast(least) => json["at_least"] = least.into(),
            Target::AtMost(most) => json["at_most"] = most.into(),
            Target::None => {}
        }
        json["is_met"] = self.key.target().is_met(self.series.median()).into();
        json["fdatasync_us"] = round(self.fdatasync_micros).into();
        let sides = self.sides.iter();
        let sides = sides.map(|side| (side.name.to_owned(), side.json()));
        json["absolute"] = json!(sides.collect::<serde_json::Map<_, _>>());
        json
    }
}
