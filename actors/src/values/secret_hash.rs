//! What is kept of a secret.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A hash of a password or a token, in a text form that means nothing to the domain. It may be
/// stored but never shown: it does not print, and events carry it in a top-level member `secret`
/// that whoever shows events leaves out.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHash(Arc<str>);

impl SecretHash {
    /// Takes a hash of 1 to 512 visible ASCII characters, enough for any PHC string.
    ///
    /// # Errors
    /// When the text is not that.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=512).contains(&text.len()) {
            return Err(Invalid::new(
                "invalid-hash",
                "a hash has 1 to 512 visible ASCII characters",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The hash as text, for whoever verifies the secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(…)")
    }
}

impl TryFrom<String> for SecretHash {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(&text)
    }
}

impl From<SecretHash> for String {
    fn from(hash: SecretHash) -> Self {
        hash.expose().to_owned()
    }
}
