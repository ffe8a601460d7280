//! Codes of the Harmonized System, by which customs classify goods.

use super::Invalid;

text_value! {
    /// A code of the Harmonized System: the 6 digits that all countries share, and up to 4 more
    /// of a national tariff. Digits only, no dots.
    HsCode, parse: check, max: 10, pattern: "^[0-9]{6,10}$", example: "691110"
}

fn check(text: &str) -> Result<&str, Invalid> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits || !(6..=10).contains(&text.len()) {
        return Err(Invalid::new(
            "invalid-hs-code",
            "an HS code has 6 to 10 digits",
        ));
    }
    Ok(text)
}
