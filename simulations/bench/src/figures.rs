//! Figures with their spread.

use serde_json::{Value, json};

/// A figure as it came out in every round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Adds a round's.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// In how many rounds.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The middle one; the mean of the two in the middle if there is none.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[length / 2],
            length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
        }
    }

    /// The smallest.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The largest.
    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "median": round(self.median()),
            "min": round(self.min()),
            "max": round(self.max()),
            "rounds": self.0.len(),
        })
    }
}

/// A figure with four significant digits: there are no more in a measurement.
pub(crate) fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// A percentile of latencies, in milliseconds. Sorts them.
pub(crate) fn percentile(micros: &mut [u32], share: f64) -> f64 {
    micros.sort_unstable();
    let last = micros.len().saturating_sub(1);
    let place = (last as f64 * share).round() as usize;
    micros
        .get(place)
        .map_or(f64::NAN, |it| f64::from(*it) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_knows_its_middle_and_its_ends() {
        let mut series = Series::default();
        for value in [3.0, 1.0, 10.0] {
            series.push(value);
        }
        assert_eq!(
            (series.median(), series.min(), series.max()),
            (3.0, 1.0, 10.0)
        );
        series.push(4.0);
        assert_eq!(series.median(), 3.5);
    }

    #[test]
    fn figures_have_four_digits() {
        assert_eq!(round(12_345.6), 12_350.0);
        assert_eq!(round(0.012_345_6), 0.012_35);
        assert_eq!(round(0.0), 0.0);
    }

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut micros: Vec<u32> = (0..=1_000).rev().collect();
        assert_eq!(percentile(&mut micros, 0.99), 0.99);
        assert_eq!(percentile(&mut micros, 0.5), 0.5);
    }
}
