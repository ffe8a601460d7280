//! Reading patches, in which a member that is left out differs from one that is null.

use serde::{Deserialize, Deserializer};

/// Reads a member that is there: a field `Option<T>` then refuses null, and a field
/// `Option<Option<T>>` takes null for "clear it". Used as
/// `#[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]`.
///
/// # Errors
/// When the member is not a `T`.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Sets a field to what a patch says of it, if anything.
pub fn set<T: Clone>(field: &mut T, change: &Option<T>) {
    if let Some(value) = change {
        field.clone_from(value);
    }
}
