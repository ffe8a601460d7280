//! Who asks: a signed-in user, an API key or the operator, and the company that is acted in.

use std::sync::Arc;
use std::time::Instant;

use actors::api_key::{self, ApiKey, Scope};
use actors::company::{self, Company};
use actors::ids::{ApiKeyId, CompanyId, SessionId, UserId};
use actors::session::Session;
use actors::user::{Role, User};
use actors::values::SecretHash;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::app::App;
use crate::auth::secret::{Purpose, Secret};
use crate::auth::token::{self, Claims};
use crate::http::extract::Limits;
use crate::problem::Problem;

/// The header in which a superuser names the company to act in.
const COMPANY: HeaderName = HeaderName::from_static("quenty-company");
/// The principal of commands from the operator's shell.
const OPERATOR: &str = "operator";

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
    /// What proves it.
    pub credential: Credential,
}

/// What a caller proves their right with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// An access token of a session.
    Token(Arc<Claims>),
    /// An API key.
    Key(Secret),
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let deadline = Limits::of(&parts.extensions)?.deadline;
        let token = bearer(&parts.headers)?;
        let company = parts.headers.get(COMPANY);
        let company = company.map(|value| value.to_str().unwrap_or_default());
        app.authenticate(token, company, deadline).await
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let authorization = headers.get(header::AUTHORIZATION);
    let (scheme, token) = authorization
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthenticated(
            "unauthenticated",
            "send Authorization: Bearer with an access token or an API key",
        ));
    }
    Ok(token.trim())
}

impl App {
    /// Who holds a token or key, if it holds. The live session, user or key is asked each time, so
    /// a revocation holds from the next request on.
    ///
    /// # Errors
    /// 401 when it does not hold; 403 when the company is suspended; 404 for another's company.
    pub async fn authenticate(
        &self,
        token: &str,
        company: Option<&str>,
        deadline: Instant,
    ) -> Result<Caller, Problem> {
        let credential = match Secret::parse(Purpose::ApiKey, token) {
            Some(key) => Credential::Key(key),
            None => Credential::Token(self.tokens.verify(token).map_err(refusal)?),
        };
        let mut caller = self.holder(credential, deadline).await?;
        self.choose_company(&mut caller, company)?;
        self.check_company(&caller, deadline).await?;
        Ok(caller)
    }

    /// Whether a caller would still be let in.
    ///
    /// # Errors
    /// As [`App::authenticate`].
    pub async fn still_holds(&self, caller: &Caller, deadline: Instant) -> Result<(), Problem> {
        if caller.expires_at.is_some_and(|end| end <= Utc::now()) {
            return Err(refusal(token::Error::Expired));
        }
        self.holder(caller.credential.clone(), deadline).await?;
        self.check_company(caller, deadline).await
    }

    async fn holder(&self, credential: Credential, deadline: Instant) -> Result<Caller, Problem> {
        match credential {
            Credential::Key(key) => self.key_holder(key, deadline).await,
            Credential::Token(claims) if claims.sub.is_nil() => Ok(operator(claims)),
            Credential::Token(claims) => self.token_holder(claims, deadline).await,
        }
    }

    async fn key_holder(&self, key: Secret, deadline: Instant) -> Result<Caller, Problem> {
        let id = ApiKeyId::from(key.entity);
        let keys = self.engine.entities::<ApiKey>()?;
        let entity = keys.get(key.tenant, id, deadline).await?;
        let state = entity.as_ref().and_then(|entity| entity.state.0.as_ref());
        let fits = |state: &api_key::State| {
            let stored = state.key.as_ref().map(SecretHash::expose);
            stored.is_some_and(|stored| key.fits(stored))
        };
        match state {
            Some(state) if fits(state) && state.holds(Utc::now()) => Ok(Caller {
                tenant: key.tenant,
                principal: id.to_string().into(),
                role: None,
                can_write: state.allows(Scope::Write),
                expires_at: state.expires_at,
                credential: Credential::Key(key),
            }),
            _ => Err(Problem::unauthenticated(
                "unauthenticated",
                "the API key does not hold",
            )),
        }
    }

    async fn token_holder(
        &self,
        claims: Arc<Claims>,
        deadline: Instant,
    ) -> Result<Caller, Problem> {
        let (id, session) = (UserId::from(claims.sub), SessionId::from(claims.sid));
        let (users, sessions) = (
            self.engine.entities::<User>()?,
            self.engine.entities::<Session>()?,
        );
        let user = users.get(claims.tenant, id, deadline).await?;
        let session = sessions.get(claims.tenant, session, deadline).await?;
        let user = user.as_ref().and_then(|it| it.state.0.as_ref());
        let session = session.as_ref().and_then(|it| it.state.0.as_ref());
        match (user, session) {
            (Some(user), Some(session))
                if user.admits(session.generation) && session.holds(Utc::now()) =>
            {
                Ok(Caller {
                    tenant: claims.tenant,
                    principal: id.to_string().into(),
                    role: Some(user.role),
                    can_write: user.role != Role::Viewer,
                    expires_at: DateTime::from_timestamp(claims.exp, 0),
                    credential: Credential::Token(claims),
                })
            }
            _ => Err(Problem::unauthenticated(
                "session-revoked",
                "the session was ended; sign in again",
            )),
        }
    }

    /// A superuser acts in the company that is named; others in their own.
    fn choose_company(&self, caller: &mut Caller, named: Option<&str>) -> Result<(), Problem> {
        let Some(named) = named else { return Ok(()) };
        let named = named.parse::<CompanyId>().map_err(|_| no_company())?.into();
        match caller.role {
            Some(Role::Superuser) => caller.tenant = named,
            _ if caller.tenant == named => {}
            _ => return Err(no_company()),
        }
        Ok(())
    }

    /// Superusers come into suspended companies too: to export, to mend, to activate.
    async fn check_company(&self, caller: &Caller, deadline: Instant) -> Result<(), Problem> {
        let tenant = caller.tenant;
        if tenant.is_nil() {
            return Ok(());
        }
        let companies = self.engine.entities::<Company>()?;
        let company = companies.get(tenant, tenant.into(), deadline).await?;
        match company
            .as_ref()
            .and_then(|company| company.state.0.as_ref())
        {
            None => Err(no_company()),
            Some(state)
                if state.status == company::Status::Suspended
                    && caller.role != Some(Role::Superuser) =>
            {
                Err(Problem::new(
                    axum::http::StatusCode::FORBIDDEN,
                    "company-suspended",
                    "the company is suspended",
                ))
            }
            Some(_) => Ok(()),
        }
    }
}

fn operator(claims: Arc<Claims>) -> Caller {
    Caller {
        tenant: Uuid::nil(),
        principal: OPERATOR.into(),
        role: Some(Role::Superuser),
        can_write: true,
        expires_at: DateTime::from_timestamp(claims.exp, 0),
        credential: Credential::Token(claims),
    }
}

fn no_company() -> Problem {
    Problem::new(
        axum::http::StatusCode::NOT_FOUND,
        "not-found",
        "there is no such company",
    )
}

fn refusal(error: token::Error) -> Problem {
    let code = match error {
        token::Error::Expired => "token-expired",
        token::Error::Invalid => "unauthenticated",
    };
    Problem::unauthenticated(code, error.to_string())
}
