//! Access tokens: Ed25519-signed JWTs, checked once and then remembered until they expire.
//!
//! What is remembered is only that the signature was good. Whether the session and its user still
//! are is asked of the live entities each time, so a revocation holds from the next request on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use dashmap::DashMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::config::Auth;

/// What an Ed25519 key looks like in PKCS#8 (RFC 8410) before its 32 bytes.
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// The media type of access tokens (RFC 9068).
const TYPE: &str = "at+jwt";
/// The longest token looked at; ours have about 600 bytes.
const LONGEST: usize = 2048;

/// What an access token says. The role is not among it: that is asked of the live user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// The company of user and session; nil for the installation.
    pub tenant: Uuid,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// Before when it does not hold.
    pub nbf: i64,
    /// After when it does not hold.
    pub exp: i64,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was good once.
    #[error("the access token has expired")]
    Expired,
    /// It never was.
    #[error("the access token is not one of ours")]
    Invalid,
}

/// A hash that only whoever has the signing key can make.
pub type KeyedHash = Hmac<Sha256>;

/// Issues and checks access tokens.
pub struct Tokens {
    signing: EncodingKey,
    hash: KeyedHash,
    verifying: DecodingKey,
    jwks: JwkSet,
    kid: String,
    validation: Validation,
    config: Auth,
    /// By the hash of the token, so that what is kept here lets nobody in.
    checked: DashMap<[u8; 32], Arc<Claims>>,
}

impl Tokens {
    /// With the key of the configuration, or the one in its file, which is made if it is missing.
    ///
    /// # Errors
    /// When the key cannot be read, written, or is none.
    pub fn new(config: &Auth) -> anyhow::Result<Self> {
        let pem = match config.signing_key.reveal() {
            "" => read_or_make(&config.signing_key_file)?,
            text => text.to_owned(),
        };
        let signing = EncodingKey::from_ed_pem(pem.as_bytes())
            .context("the signing key is no Ed25519 key in PKCS#8 PEM")?;
        let hash = KeyedHash::new_from_slice(signing.as_bytes())?;
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::EdDSA)
            .context("the public part of the signing key")?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Ok(Self {
            verifying: DecodingKey::from_jwk(&jwk)?,
            jwks: JwkSet { keys: vec![jwk] },
            signing,
            hash,
            kid,
            validation,
            config: config.clone(),
            checked: DashMap::new(),
        })
    }

    /// A new token for a user's session.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue(&self, user: Uuid, session: Uuid, tenant: Uuid) -> anyhow::Result<String> {
        let now = Utc::now().timestamp();
        let life = i64::try_from(self.config.access_token.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub: user,
            sid: session,
            tenant,
            iat: now,
            nbf: now,
            exp: now.saturating_add(life),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        header.typ = Some(TYPE.into());
        jsonwebtoken::encode(&header, &claims, &self.signing).context("signing an access token")
    }

    /// What a token says, if it holds.
    ///
    /// # Errors
    /// When it does not.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, Error> {
        if token.len() > LONGEST {
            return Err(Error::Invalid);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.checked.get(&hash).map(|claims| claims.clone()) {
            if claims.exp > Utc::now().timestamp() {
                return Ok(claims);
            }
            self.checked.remove(&hash);
            return Err(Error::Expired);
        }
        let claims = Arc::new(self.check(token)?);
        self.remember(hash, claims.clone());
        Ok(claims)
    }

    /// The public keys, as published.
    #[must_use]
    pub fn jwks(&self) -> &JwkSet {
        &self.jwks
    }

    /// How long a new token holds.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.config.access_token
    }

    /// The beginning of a hash that cannot be made without the signing key, so that whoever gets
    /// hold of it cannot try what was hashed. Hashes for different purposes have nothing in common.
    #[must_use]
    pub fn keyed_hash(&self, purpose: &str) -> KeyedHash {
        self.hash.clone().chain_update(purpose).chain_update([0])
    }

    fn check(&self, token: &str) -> Result<Claims, Error> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation);
        let decoded = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => Error::Expired,
            _ => Error::Invalid,
        })?;
        let is_ours = decoded.header.typ.as_deref() == Some(TYPE)
            && decoded.header.kid.as_deref() == Some(&self.kid);
        is_ours.then_some(decoded.claims).ok_or(Error::Invalid)
    }

    fn remember(&self, hash: [u8; 32], claims: Arc<Claims>) {
        if self.checked.len() >= self.config.token_cache.get() {
            let now = Utc::now().timestamp();
            self.checked.retain(|_, claims| claims.exp > now);
            // Forgetting them all costs a signature check each, and needs no bookkeeping.
            if self.checked.len() >= self.config.token_cache.get() {
                self.checked.clear();
            }
        }
        self.checked.insert(hash, claims);
    }
}

fn read_or_make(path: &Path) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(pem) => Ok(pem),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make(path).with_context(|| format!("making the signing key {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Makes a key and keeps it where only this user reads it. It is written whole or not at all: a
/// crash must not leave half a key, and of two processes that start at once one wins.
fn make(path: &Path) -> anyhow::Result<String> {
    let mut der = PKCS8_ED25519.to_vec();
    der.extend(rand::random::<[u8; 32]>());
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    );
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("{}.new", Uuid::now_v7().simple()));
    write_private(&draft, &pem)?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(std::fs::read_to_string(path)?),
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn config(folder: &Path, audience: &str) -> Auth {
        let mut auth = Config::load_with(None, []).unwrap().auth;
        auth.signing_key_file = folder.join("keys/signing.pem");
        auth.audience = audience.into();
        auth.token_cache = std::num::NonZeroUsize::new(4).unwrap();
        auth
    }

    #[test]
    fn a_token_holds_wherever_the_key_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let here = Tokens::new(&config(folder.path(), "a")).unwrap();
        let there = Tokens::new(&config(folder.path(), "a")).unwrap();
        let (user, session, tenant) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let token = here.issue(user, session, tenant).unwrap();
        for _ in 0..2 {
            let claims = there.verify(&token).unwrap();
            assert_eq!(
                (claims.sub, claims.sid, claims.tenant),
                (user, session, tenant)
            );
        }
        assert_eq!(here.jwks(), there.jwks());
    }

    #[test]
    fn a_keyed_hash_depends_on_the_key_and_the_purpose() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let hash = |folder: &tempfile::TempDir, purpose| {
            let tokens = Tokens::new(&config(folder.path(), "a")).unwrap();
            tokens.keyed_hash(purpose).finalize().into_bytes()
        };
        assert_eq!(hash(&folder, "a"), hash(&folder, "a"));
        assert_ne!(hash(&folder, "a"), hash(&folder, "b"));
        assert_ne!(hash(&folder, "a"), hash(&elsewhere, "a"));
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "a");
        Tokens::new(&config).unwrap();
        let mode = std::fs::metadata(&config.signing_key_file)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path().join("keys"))
                .unwrap()
                .count(),
            1
        );
    }

    #[test]
    fn foreign_changed_and_expired_tokens_do_not_hold() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(&config(folder.path(), "a")).unwrap();
        let issue = |tokens: &Tokens| {
            tokens
                .issue(Uuid::now_v7(), Uuid::now_v7(), Uuid::nil())
                .unwrap()
        };
        let foreign = Tokens::new(&config(elsewhere.path(), "a")).unwrap();
        let other_audience = Tokens::new(&config(folder.path(), "b")).unwrap();
        let good = issue(&tokens);
        let (rest, signature) = good.rsplit_once('.').unwrap();
        let unsigned = format!("{rest}.");
        let stretched = format!("{rest}.{signature}A");
        let too_long = "x".repeat(LONGEST + 1);
        for bad in [
            &issue(&foreign),
            &issue(&other_audience),
            &unsigned,
            &stretched,
            &too_long,
            &String::new(),
        ] {
            assert_eq!(tokens.verify(bad), Err(Error::Invalid), "{bad}");
        }
        let mut short = config(folder.path(), "a");
        short.access_token = Duration::ZERO;
        let expired = issue(&Tokens::new(&short).unwrap());
        std::thread::sleep(Duration::from_millis(1_100));
        assert_eq!(tokens.verify(&expired), Err(Error::Expired));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(&config(folder.path(), "a")).unwrap();
        for _ in 0..20 {
            let token = tokens
                .issue(Uuid::now_v7(), Uuid::now_v7(), Uuid::nil())
                .unwrap();
            tokens.verify(&token).unwrap();
            assert!(tokens.checked.len() <= 4);
        }
    }
}
