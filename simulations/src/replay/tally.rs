//! How often what was found.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Counts by what is counted.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Cow<'static, str>, usize>);

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, what: impl Into<Cow<'static, str>>) {
        self.count_many(what, 1);
    }

    /// Counts some more; what was never found is not listed.
    pub fn count_many(&mut self, what: impl Into<Cow<'static, str>>, times: usize) {
        if times > 0 {
            *self.0.entry(what.into()).or_default() += times;
        }
    }

    /// How often it was found.
    #[must_use]
    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// All that was found, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(what, times)| (what.as_ref(), *times))
    }
}
