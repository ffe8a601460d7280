//! The table, and the same as JSON.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::figures::round;
use crate::measure::{Measure, Side, Target};

/// Prints the table.
pub(crate) fn print(measures: &[Measure]) {
    println!(
        "\n{:<22} {:>8} {:>8} {:>8} {:>3} {:>9}  {:<3} {:>9}  absolute: median (min-max), server CPU",
        "measure", "median", "min", "max", "n", "target", "", "fdatasync"
    );
    for measure in measures {
        print_one(measure);
    }
}

fn print_one(measure: &Measure) {
    let series = &measure.series;
    let target = match measure.key.target() {
        Target::AtLeast(least) => format!(">= {least}"),
        Target::AtMost(most) => format!("<= {most}"),
        Target::None => String::new(),
    };
    let verdict = match measure.key.target() {
        Target::None => "",
        target if target.is_met(series.median()) => "ok",
        _ => "no",
    };
    let sides: Vec<_> = measure.sides.iter().map(side).collect();
    println!(
        "{:<22} {:>8} {:>8} {:>8} {:>3} {:>9}  {:<3} {:>6.0} us  {}",
        measure.key.to_string(),
        shown(series.median()),
        shown(series.min()),
        shown(series.max()),
        series.count(),
        target,
        verdict,
        measure.fdatasync_micros,
        sides.join("; ")
    );
}

fn side(side: &Side) -> String {
    let series = &side.series;
    let cpu = side.cpu_micros.as_ref();
    let cpu = cpu.map(|it| format!(", {} us each", shown(it.median())));
    format!(
        "{} {} ({}-{}) {}{}",
        side.name,
        shown(series.median()),
        shown(series.min()),
        shown(series.max()),
        side.unit,
        cpu.unwrap_or_default()
    )
}

/// As few digits as mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes the JSON file.
pub(crate) fn write(path: &Path, measures: &[Measure], fdatasync_micros: f64) -> Result<()> {
    let mut all: Map<String, Value> = measures
        .iter()
        .map(|measure| (measure.key.to_string(), measure.json()))
        .collect();
    all.insert("fdatasync_us".into(), round(fdatasync_micros).into());
    std::fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
    Ok(())
}
