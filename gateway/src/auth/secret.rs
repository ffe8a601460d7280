//! The bearer secrets that clients keep: API keys and refresh tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An API key.
    ApiKey,
    /// The refresh token of a session.
    Refresh,
}

impl Purpose {
    fn mark(self) -> &'static str {
        match self {
            Self::ApiKey => "qk",
            Self::Refresh => "qr",
        }
    }
}

/// A secret as a client holds it: `qk_<prefix>_<256 random bits>`. The prefix names the company and
/// the entity that knows the secret's hash, so that it is found without a search.
#[derive(Clone)]
pub struct Secret {
    /// What it is for.
    pub purpose: Purpose,
    /// The company; nil for the installation.
    pub tenant: Uuid,
    /// The API key or session.
    pub entity: Uuid,
    random: [u8; 32],
}

impl Secret {
    /// A new one.
    #[must_use]
    pub fn generate(purpose: Purpose, tenant: Uuid, entity: Uuid) -> Self {
        Self {
            purpose,
            tenant,
            entity,
            random: rand::random(),
        }
    }

    /// Reads one; `None` if the text is none for this purpose.
    #[must_use]
    pub fn parse(purpose: Purpose, text: &str) -> Option<Self> {
        // The random part may itself contain underscores.
        let mut parts = text.splitn(3, '_');
        let mark = parts.next()?;
        let prefix: [u8; 32] = decode(parts.next()?)?;
        let random = decode(parts.next()?)?;
        let (tenant, entity) = prefix.split_at(16);
        (mark == purpose.mark()).then_some(Self {
            purpose,
            tenant: Uuid::from_slice(tenant).ok()?,
            entity: Uuid::from_slice(entity).ok()?,
            random,
        })
    }

    /// What clients are shown again: enough to recognise it by, too little to use.
    #[must_use]
    pub fn prefix(&self) -> String {
        let mut both = [0; 32];
        both[..16].copy_from_slice(self.tenant.as_bytes());
        both[16..].copy_from_slice(self.entity.as_bytes());
        format!("{}_{}", self.purpose.mark(), hex(&both))
    }

    /// The text that the client is given, once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}_{}", self.prefix(), URL_SAFE_NO_PAD.encode(self.random))
    }

    /// What is stored. A plain hash is enough: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.reveal()))
    }

    /// Whether the stored hash is of this secret, in a time that does not tell how nearly.
    #[must_use]
    pub fn fits(&self, stored: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored.as_bytes()).into()
    }
}

/// A password that nobody guesses: 120 random bits.
#[must_use]
pub fn password() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secret({})", self.prefix())
    }
}

/// 32 bytes, as hexadecimal (a prefix) or base64url (a random part).
fn decode(text: &str) -> Option<[u8; 32]> {
    if text.len() == 64 {
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        return Some(bytes);
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_only_it_fits() {
        for _ in 0..100 {
            let (tenant, entity) = (Uuid::now_v7(), Uuid::now_v7());
            let secret = Secret::generate(Purpose::ApiKey, tenant, entity);
            let read = Secret::parse(Purpose::ApiKey, &secret.reveal()).unwrap();
            assert_eq!((read.tenant, read.entity), (tenant, entity));
            assert!(read.fits(&secret.hash()));
            let other = Secret::generate(Purpose::ApiKey, tenant, entity);
            assert!(!other.fits(&secret.hash()));
        }
    }

    #[test]
    fn what_is_not_a_secret_is_none() {
        let refresh = Secret::generate(Purpose::Refresh, Uuid::nil(), Uuid::now_v7()).reveal();
        assert!(Secret::parse(Purpose::ApiKey, &refresh).is_none());
        for text in ["", "qk_", "qk__", "qk_a_b", "qr_\u{e9}_x", &refresh[..80]] {
            assert!(Secret::parse(Purpose::Refresh, text).is_none(), "{text}");
        }
    }
}
