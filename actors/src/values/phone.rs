//! Telephone numbers.

use super::Invalid;

text_value! {
    /// A telephone number as ITU-T E.164 has it: `+`, country code, number; 7 to 15 digits in all.
    Phone, parse: check, max: 16, pattern: r"^\+[1-9][0-9]{6,14}$", example: "+5511912345678"
}

fn check(text: &str) -> Result<&str, Invalid> {
    let is_number = text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !is_number {
        return Err(Invalid::new(
            "invalid-phone",
            "a telephone number is + and 7 to 15 digits, as in +5511912345678",
        ));
    }
    Ok(text)
}
