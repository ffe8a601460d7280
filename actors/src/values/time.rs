//! Times as clients see them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// Writes a time as RFC 3339 in UTC, always with milliseconds: readers need not know two forms.
///
/// # Errors
/// Those of the serializer.
pub fn milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Like [`milliseconds`], for a time that may be missing.
///
/// # Errors
/// Those of the serializer.
pub fn milliseconds_if_any<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => milliseconds(time, serializer),
        None => serializer.serialize_none(),
    }
}
