//! Weights and lengths, in whole units.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

bounded_integer! {
    /// A weight in grams: 1 g to 1,000 t. What is not known has no weight, rather than zero.
    Weight, "weight-out-of-range", "a weight in grams", 1..=1_000_000_000
}

bounded_integer! {
    /// A length in millimetres: 1 mm to 100 m.
    Length, "length-out-of-range", "a length in millimetres", 1..=100_000
}

/// The outer measures of a thing or a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimensions {
    /// The longest side, in millimetres.
    pub length_mm: Length,
    /// The width, in millimetres.
    pub width_mm: Length,
    /// The height, in millimetres.
    pub height_mm: Length,
}
