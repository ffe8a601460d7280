//! Free text of one line, with a bound.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Invalid;

/// At least one character to be seen, and no control character.
const PATTERN: &str = concat!(
    "^[^",
    controls!(),
    "]*",
    visible!(),
    "[^",
    controls!(),
    "]*$"
);

/// What people and things are called.
pub type Name = Text<200>;

/// One line of 1 to `MAX` characters. White space around it counts, and is cut off then; control
/// characters, which include NUL and line breaks, are refused, since databases, labels and logs
/// choke on them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(Arc<str>);

impl<const MAX: usize> Text<MAX> {
    /// Checks and trims a text.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        // Before it is trimmed, for that is what the schema can say.
        if text.trim().is_empty() || text.chars().nth(MAX).is_some() {
            return Err(Invalid::new(
                "invalid-length",
                format!("the text must have 1 to {MAX} characters"),
            ));
        }
        refuse_controls(text)?;
        Ok(Self(text.trim().into()))
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses text with control characters.
pub(super) fn refuse_controls(text: &str) -> Result<(), Invalid> {
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(
            "control-character",
            "control characters and line breaks are not allowed",
        ));
    }
    Ok(())
}

text_value!(@common [const MAX: usize] Text<MAX>);

impl<const MAX: usize> PartialSchema for Text<MAX> {
    fn schema() -> utoipa::openapi::RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX))
            .pattern(Some(PATTERN))
            .into()
    }
}

impl<const MAX: usize> ToSchema for Text<MAX> {
    fn name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }
}
