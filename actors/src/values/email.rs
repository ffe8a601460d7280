//! E-mail addresses.

use super::Invalid;

/// [`is_local`] and [`is_domain`], but for the length of the local part.
const PATTERN: &str = concat!(
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*",
    r"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
);

text_value! {
    /// An e-mail address, kept in lower case, so that it compares without case. Stricter than
    /// RFC 5321: no quoted local part, no address literal, ASCII only. A domain of one label is
    /// allowed, for `admin@localhost`.
    Email, parse: normalise, max: 254, pattern: PATTERN, example: "ana@example.com"
}

fn normalise(text: &str) -> Result<String, Invalid> {
    let is_address = text
        .rsplit_once('@')
        .is_some_and(|(local, domain)| is_local(local) && is_domain(domain));
    if !is_address || text.len() > 254 {
        return Err(Invalid::new(
            "invalid-email",
            "this is not an e-mail address such as ana@example.com",
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// `Dot-string` of RFC 5321, section 4.1.2, with its bound of section 4.5.3.1.1.
fn is_local(local: &str) -> bool {
    let is_atom = |atom: &str| {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !atom.is_empty() && atom.bytes().all(allowed)
    };
    local.len() <= 64 && local.split('.').all(is_atom)
}

/// `Domain` of RFC 5321, section 4.1.2, with the bound on labels of RFC 1035.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}
