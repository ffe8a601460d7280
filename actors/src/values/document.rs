//! What a type of documents is known by, and how long its numbers are.

use super::Invalid;

text_value! {
    /// A company's own code for a type of documents: 1 to 32 upper-case letters, digits, `_` and `-`.
    DocumentCode, parse: check, max: 32, pattern: r"^[A-Z0-9_-]{1,32}$", example: "CPF"
}

bounded_integer! {
    /// How many characters a document's number has, separators left out: 1 to 64.
    DocumentLength, "document-length-out-of-range", "the length of a document's number", 1..=64
}

fn check(text: &str) -> Result<&str, Invalid> {
    let is_known =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !text.bytes().all(is_known) || !(1..=32).contains(&text.len()) {
        return Err(Invalid::new(
            "invalid-document-code",
            "a code has 1 to 32 upper-case letters, digits, `_` or `-`",
        ));
    }
    Ok(text)
}
