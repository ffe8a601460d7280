//! How numbers, moments and texts are stored, the same on every database.

use chrono::{DateTime, Utc};
use engine::journal::Error;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Postgres, Sqlite, Type};

/// A version or position for a query; what is beyond every stored one stays beyond it.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A moment as it is stored.
pub(crate) fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// A stored moment.
pub(crate) fn moment(ms: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_millis(ms).ok_or_else(|| damaged("a moment", ms))
}

/// A stored number in its proper type.
pub(crate) fn number<N: TryFrom<i64>>(stored: i64) -> Result<N, Error> {
    N::try_from(stored).map_err(|_| damaged("a number", stored))
}

fn damaged(what: &str, stored: i64) -> Error {
    Error::Damaged(format!("{what} cannot be {stored}"))
}

/// A text with a checksum.
///
/// Bytes that are no text any more, which only damage explains, are replaced instead of refused:
/// the checksum tells, and whoever compares it knows what is to be done.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    fn of(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl<DB: Database> Type<DB> for Text
where
    String: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <String as Type<DB>>::type_info()
    }

    fn compatible(info: &DB::TypeInfo) -> bool {
        <String as Type<DB>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Text {
    fn decode(value: <Postgres as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        value.as_bytes().map(Self::of)
    }
}

impl<'r> Decode<'r, Sqlite> for Text {
    fn decode(value: <Sqlite as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <&[u8] as Decode<Sqlite>>::decode(value).map(Self::of)
    }
}
