//! The client's own name for a resource.

use super::Invalid;
use super::text::refuse_controls;

/// Neither a control character anywhere nor white space at an end.
const PATTERN: &str = concat!("^", visible!(), "([^", controls!(), "]*", visible!(), ")?$");

text_value! {
    /// The client's own name for a resource: 1 to 100 characters, compared exactly. Surrounding
    /// white space is refused rather than cut off, so that what was sent is what is found.
    Reference, parse: check, max: 100, pattern: PATTERN, example: "order-4711"
}

fn check(text: &str) -> Result<&str, Invalid> {
    refuse_controls(text)?;
    let is_short = !text.is_empty() && text.chars().nth(100).is_none();
    if !is_short || text.trim() != text {
        return Err(Invalid::new(
            "invalid-reference",
            "a reference has 1 to 100 characters and no white space around it",
        ));
    }
    Ok(text)
}
