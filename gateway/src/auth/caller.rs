//! Who asks: a signed-in user or an API key, and the company that is acted in.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::app::App;
use crate::http::extract::Limits;
use crate::problem::Problem;

/// What a signed-in user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the installation.
    Superuser,
    /// Runs a company.
    Admin,
    /// Reads.
    Viewer,
}

/// Whoever a request comes from.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The company that is acted in; nil for a superuser who names none.
    pub tenant: Uuid,
    /// The public id of the user or API key.
    pub principal: Arc<str>,
    /// The user's role; none for an API key.
    pub role: Option<Role>,
    /// Whether changes are allowed.
    pub can_write: bool,
    /// When the credential ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let deadline = Limits::of(&parts.extensions)?.deadline;
        let header = |name| {
            parts
                .headers
                .get(name)
                .map(|it: &axum::http::HeaderValue| it.to_str())
        };
        let Some(Ok(authorization)) = header(header::AUTHORIZATION) else {
            return Err(Problem::unauthenticated(
                "unauthenticated",
                "send Authorization: Bearer with an access token or an API key",
            ));
        };
        let company = parts
            .headers
            .get("quenty-company")
            .map(|value| value.to_str().unwrap_or_default());
        let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::unauthenticated(
                "unauthenticated",
                "use the scheme Bearer",
            ));
        }
        app.authenticate(token.trim(), company, deadline).await
    }
}

impl App {
    /// Who holds a token or key, if it holds.
    ///
    /// # Errors
    /// 401 when it does not; 403 when the company is suspended; 404 for another's company.
    pub async fn authenticate(
        &self,
        token: &str,
        company: Option<&str>,
        deadline: Instant,
    ) -> Result<Caller, Problem> {
        let _ = (token, company, deadline);
        Err(Problem::unauthenticated(
            "unauthenticated",
            "this credential does not hold",
        ))
    }
}
