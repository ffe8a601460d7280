//! The stock keeping unit: a company's own code for a product.

use super::Invalid;

text_value! {
    /// A stock keeping unit: 1 to 64 visible ASCII characters, kept in upper case, so that two
    /// spellings of one code cannot name two products.
    Sku, parse: normalise, max: 64, pattern: "^[!-~]+$", example: "MUG-RED-03"
}

fn normalise(text: &str) -> Result<String, Invalid> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_visible || !(1..=64).contains(&text.len()) {
        return Err(Invalid::new(
            "invalid-sku",
            "a SKU has 1 to 64 visible ASCII characters without spaces",
        ));
    }
    Ok(text.to_ascii_uppercase())
}
