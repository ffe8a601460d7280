//! Lists with a bound.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A list of `MIN` to `MAX` entries, both included.
///
/// A generic type cannot describe itself to utoipa, so a field that has this type says
/// `#[schema(value_type = Vec<T>, min_items = …, max_items = …)]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>")]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// Checks the number of entries.
    ///
    /// # Errors
    /// When there are too few or too many.
    pub fn new(entries: Vec<T>) -> Result<Self, Invalid> {
        if (MIN..=MAX).contains(&entries.len()) {
            return Ok(Self(entries));
        }
        Err(Invalid::new(
            "invalid-length",
            format!("the list must have {MIN} to {MAX} entries"),
        ))
    }

    /// The entries.
    #[must_use]
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

/// Without entries, whatever the lower bound says: what a `Default` state holds.
impl<T, const MAX: usize> Default for List<T, 0, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MIN: usize, const MAX: usize> Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> TryFrom<Vec<T>> for List<T, MIN, MAX> {
    type Error = Invalid;

    fn try_from(entries: Vec<T>) -> Result<Self, Invalid> {
        Self::new(entries)
    }
}
