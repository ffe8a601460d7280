//! Access tokens as most services have them: HS256, checked at every request, with nothing looked up.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use chrono::Utc;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Shop;
use crate::catalogue::COMPANY;

/// How long a token holds, in seconds: longer than any benchmark.
const LIFE_S: i64 = 86_400;

/// Makes and checks tokens.
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

/// Who asks.
#[derive(Serialize, Deserialize)]
pub(crate) struct Caller {
    sub: String,
    exp: i64,
    /// The company.
    pub(crate) company: Uuid,
}

impl Caller {
    /// The user.
    pub(crate) fn principal(&self) -> &str {
        &self.sub
    }
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let secret: [u8; 32] = rand::random();
        Self {
            signing: EncodingKey::from_secret(&secret),
            checking: DecodingKey::from_secret(&secret),
            validation: Validation::new(Algorithm::HS256),
        }
    }
}

/// Gives a token to whoever asks.
pub(crate) async fn give(State(shop): State<Arc<Shop>>) -> Result<String, StatusCode> {
    let caller = Caller {
        sub: "usr_1".into(),
        exp: Utc::now().timestamp() + LIFE_S,
        company: COMPANY,
    };
    jsonwebtoken::encode(&Header::default(), &caller, &shop.tokens.signing)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

impl FromRequestParts<Arc<Shop>> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, StatusCode> {
        let value = parts.headers.get(header::AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .ok_or(StatusCode::UNAUTHORIZED)?;
        let Tokens {
            checking,
            validation,
            ..
        } = &shop.tokens;
        let decoded = jsonwebtoken::decode::<Self>(token, checking, validation);
        Ok(decoded.map_err(|_| StatusCode::UNAUTHORIZED)?.claims)
    }
}
