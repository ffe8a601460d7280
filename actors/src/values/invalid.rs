//! Why something is not a value: a stable code for programs, a message for people.

use std::fmt;

/// A text or number that is not the value it should be. Prints as `code: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// A stable kebab-case code.
    pub code: &'static str,
    /// What would be right, in words.
    pub message: String,
}

impl Invalid {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Takes a printed error apart again: the code and the message. Serde carries errors as text,
    /// so this is how a reader of JSON learns the code.
    #[must_use]
    pub fn split(printed: &str) -> Option<(&str, &str)> {
        let (code, message) = printed.split_once(": ")?;
        let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        (code.contains('-') && code.bytes().all(is_code)).then_some((code, message))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Invalid {}
