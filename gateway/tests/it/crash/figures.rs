//! What is measured, as lines of a table.

use std::fmt;
use std::time::Duration;

/// How long things took, the shortest first.
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// In whatever order they were taken.
    pub(super) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Within what time so many of a hundred were over.
    pub(super) fn within(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(place - 1).copied().unwrap_or_default()
    }

    /// The longest.
    pub(super) fn worst(&self) -> Duration {
        self.within(100)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p95, p99, worst] = [50, 95, 99, 100].map(|percent| self.within(percent));
        write!(
            formatter,
            "median {median:.1?}, 95 % within {p95:.1?}, 99 % within {p99:.1?}, worst {worst:.1?} \
             of {}",
            self.0.len()
        )
    }
}

/// Prints a line for `docs/reliability.md`: what was done, how often, and what came of it.
pub(super) fn print(what: &str, how_often: &str, figures: &str) {
    eprintln!("| {what} | {how_often} | {figures} |");
}

#[test]
fn times_are_told_by_how_many_of_a_hundred_were_over() {
    let times = Times::new((1..=200).rev().map(Duration::from_millis).collect());
    assert_eq!(times.within(50), Duration::from_millis(100));
    assert_eq!(times.within(95), Duration::from_millis(190));
    assert_eq!(times.worst(), Duration::from_millis(200));
    assert_eq!(Times::new(Vec::new()).worst(), Duration::ZERO);
}
