//! `/auth`: signing in with a password, staying signed in, signing out.

use actors::ids::{CompanyId, SessionId, UserId};
use actors::session::{self, RevokeReason, Session};
use actors::user::{self, Role, User};
use actors::values::{Email, SecretHash, milliseconds_if_any};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SubsecRound as _, Utc};
use engine::journal::ClaimHolder;
use engine::{Entities, Entity as _, Meta, Reply, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::auth::caller::Credential;
use crate::auth::password;
use crate::auth::secret::{Purpose, Secret};
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Limits};
use crate::http::front::RequestId;
use crate::http::resource::{json_response, shown};
use crate::http::user as users;
use crate::problem::Problem;

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The e-mail address.
    email: Email,
    /// The password.
    #[schema(pattern = r"^[^\u0000]*$")]
    password: String,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The token that the last answer gave. It is good once: used again, it ends the session, so
    /// whoever has lost the answer signs in anew.
    #[schema(pattern = r"^[^\u0000]*$")]
    refresh_token: String,
}

/// A user's new password, given by whoever runs the installation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// Whose.
    email: Email,
    /// The password.
    password: users::Password,
}

/// A user's own change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
struct Change {
    /// The password until now.
    #[schema(pattern = r"^[^\u0000]*$")]
    current_password: String,
    /// The password from now on.
    new_password: users::Password,
}

/// Who asks, and how far the credential reaches.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
struct Me {
    /// The id of the user or API key; `operator` for commands from the server's own shell.
    #[schema(value_type = String)]
    principal: Arc<str>,
    /// The user's role; null for an API key.
    role: Option<Role>,
    /// Whether changes are allowed.
    can_write: bool,
    /// The company that is acted in; null for a superuser who names none.
    company: Option<CompanyId>,
    /// When the credential ends by itself.
    #[serde(serialize_with = "milliseconds_if_any")]
    expires_at: Option<DateTime<Utc>>,
}

/// A way in.
#[derive(Serialize, ToSchema)]
struct Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// How long the access token holds, in seconds.
    expires_in: u64,
    /// Good once, for the next pair of tokens.
    refresh_token: String,
    /// The session.
    session: SessionId,
    /// The user.
    #[schema(value_type = users::View)]
    user: Value,
}

/// The routes of signing in.
#[must_use]
pub fn routes(api: Api) -> Api {
    let gives = |route: Route| route.gives::<Tokens>(StatusCode::OK);
    api.add(
        gives(
            Route::post("/auth/login", "Signs in")
                .open()
                .takes::<Login>(),
        ),
        login,
    )
    .add(
        gives(
            Route::post("/auth/refresh", "Stays signed in")
                .open()
                .takes::<Refresh>(),
        ),
        refresh,
    )
    .add(
        Route::post("/auth/logout", "Signs out").gives_nothing(),
        logout,
    )
    .add(
        Route::get("/auth/me", "Who asks").gives::<Me>(StatusCode::OK),
        me,
    )
    .add(
        gives(Route::post(
            "/auth/password",
            "Changes the caller's own password, which ends all of their sessions and begins another",
        ))
        .takes::<Change>(),
        change,
    )
    .add(
        Route::post("/auth/reset", "Gives a user a new password (superuser)")
            .keyed(User::CONTEXT)
            .takes::<Reset>()
            .gives_nothing(),
        reset,
    )
}

/// What signing in works with.
struct Desk {
    app: Arc<App>,
    request_id: Arc<str>,
    deadline: Instant,
}

async fn login(
    State(app): State<Arc<App>>,
    axum::Extension(limits): axum::Extension<Limits>,
    axum::Extension(RequestId(request_id)): axum::Extension<RequestId>,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    let desk = Desk {
        app,
        request_id,
        deadline: limits.deadline,
    };
    let found = desk.find(&login.email).await?;
    let is_right = desk.check(found.as_deref(), &login.password).await?;
    let user = found.filter(|_| is_right).ok_or_else(wrong)?;
    desk.open(&user).await
}

async fn refresh(
    State(app): State<Arc<App>>,
    axum::Extension(limits): axum::Extension<Limits>,
    axum::Extension(RequestId(request_id)): axum::Extension<RequestId>,
    Body(refresh): Body<Refresh>,
) -> Result<Response, Problem> {
    let desk = Desk {
        app,
        request_id,
        deadline: limits.deadline,
    };
    let presented = Secret::parse(Purpose::Refresh, &refresh.refresh_token).ok_or_else(ended)?;
    let next = Secret::generate(Purpose::Refresh, presented.tenant, presented.entity);
    let command = session::Command::Refresh {
        presented: hash(&presented)?,
        next: hash(&next)?,
        idle_expires_at: desk.after(desk.app.config.auth.session_idle),
    };
    let id = SessionId::from(presented.entity);
    let sessions = desk.app.engine.entities::<Session>()?;
    let meta = desk.meta(presented.tenant, "session");
    let session = match sessions.send(id, command, meta).await? {
        Reply::Done(session) => session,
        Reply::Refused(session::Rejection::NotFound) => return Err(ended()),
        Reply::Refused(rejection) => return Err(Problem::refused(&rejection)),
        Reply::Seen(_) => return Err(Problem::internal()),
    };
    let state = session.state.0.as_ref().ok_or_else(ended)?;
    if state.status != session::Status::Active {
        return Err(ended());
    }
    let users = desk.users()?;
    let user = users.get(session.tenant, state.user, desk.deadline).await?;
    let user = user.ok_or_else(ended)?;
    let generation = user.state.0.as_ref().map(|state| state.generation);
    let is_active = user.state.0.as_ref().map(|it| it.status) == Some(user::Status::Active);
    if generation != Some(state.generation) || !is_active {
        return Err(ended());
    }
    desk.answer(&user, id, &next)
}

async fn logout(call: Call) -> Result<Response, Problem> {
    if let Credential::Token(claims) = &call.caller.credential {
        let id = SessionId::from(claims.sid);
        call.end_session(claims.tenant, id, RevokeReason::SignedOut)
            .await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn me(call: Call) -> Response {
    let caller = call.caller;
    let company = Some(caller.tenant).filter(|tenant| !tenant.is_nil());
    let me = Me {
        principal: caller.principal,
        role: caller.role,
        can_write: caller.can_write,
        company: company.map(CompanyId::from),
        expires_at: caller.expires_at,
    };
    json_response(StatusCode::OK, &me)
}

/// Whoever guesses with a stolen token is counted as one who signs in is, and learns as little. No
/// session is left over: the generation of all changes, the caller's own with them.
async fn change(call: Call, Body(change): Body<Change>) -> Result<Response, Problem> {
    let desk = Desk::of(&call);
    let user = match &call.caller.credential {
        Credential::Token(claims) if !claims.sub.is_nil() => {
            let (tenant, id) = (claims.tenant, claims.sub.into());
            desk.users()?.get(tenant, id, desk.deadline).await?
        }
        _ => return Err(Problem::forbidden("only users have a password")),
    };
    if !desk
        .check(user.as_deref(), &change.current_password)
        .await?
    {
        let what = "this is not the password, or the account is locked";
        return Err(Problem::invalid(
            "/current_password",
            "invalid-credentials",
            what,
        ));
    }
    let user = user.ok_or_else(Problem::not_found)?;
    let password = change.new_password.hash(&desk.app).await?;
    let (id, command) = (user.id.into(), user::Command::ChangePassword { password });
    let meta = desk.meta(user.tenant, &call.caller.principal);
    match desk.users()?.send(id, command, meta).await? {
        Reply::Done(user) => desk.open(&user).await,
        Reply::Refused(rejection) => Err(Problem::refused(&rejection)),
        Reply::Seen(_) => Err(Problem::internal()),
    }
}

async fn reset(call: Call, Body(reset): Body<Reset>) -> Result<Response, Problem> {
    call.superuser()?;
    let desk = Desk::of(&call);
    let user = desk.find(&reset.email).await?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is no user with this address",
        )
    })?;
    let password = reset.password.hash(&call.app).await?;
    let command = user::Command::ChangePassword { password };
    call.send_in::<User>(user.tenant, user.id.into(), command)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Desk {
    fn of(call: &Call) -> Self {
        Self {
            app: Arc::clone(&call.app),
            request_id: Arc::clone(&call.request_id),
            deadline: call.deadline,
        }
    }

    /// Whether the password is the user's and lets them in now; if it is not, that counts towards
    /// the lock. A locked account costs as much time as an open one, and says as little; so does
    /// none.
    async fn check(&self, user: Option<&Versioned<User>>, password: &str) -> Result<bool, Problem> {
        let state = user.and_then(|user| user.state.0.as_ref());
        let stored = state.and_then(|state| state.password.as_ref());
        let is_locked = state.is_some_and(|state| state.is_locked(Utc::now()));
        let stored = stored.map(SecretHash::expose);
        let fits = self.app.passwords.verify(password, stored).await?;
        let (Some(user), Some(state)) = (user, state) else {
            return Ok(false);
        };
        if is_locked || !fits || state.status != user::Status::Active {
            if !is_locked && !fits {
                self.note(user, user::Command::RecordFailure).await?;
            }
            return Ok(false);
        }
        // The user has the last word: of many passwords tried at once, those after the lock are
        // refused.
        self.note(user, user::Command::RecordSuccess).await
    }

    fn users(&self) -> Result<Entities<User>, Problem> {
        Ok(self.app.engine.entities::<User>()?)
    }

    /// The user with an address, whichever company it is of.
    async fn find(&self, email: &Email) -> Result<Option<Arc<Versioned<User>>>, Problem> {
        let users = self.users()?;
        let key = user::email_key(email);
        let Some(id) = users.find(ClaimHolder::Installation, &key).await? else {
            return Ok(None);
        };
        Ok(users.get_anywhere(id, self.deadline).await?)
    }

    /// Tells the user how a sign-in went; false when the user refuses it.
    async fn note(&self, user: &Versioned<User>, command: user::Command) -> Result<bool, Problem> {
        let id = UserId::from(user.id);
        let meta = self.meta(user.tenant, &id.to_string());
        let reply = self.users()?.send(id, command, meta).await?;
        Ok(matches!(reply, Reply::Done(_)))
    }

    /// A new session of a user as they were when they proved who they are: what has ended their
    /// sessions since has ended this one, too.
    async fn open(&self, user: &Versioned<User>) -> Result<Response, Problem> {
        let state = user.state.0.as_ref().ok_or_else(wrong)?;
        let id = SessionId::from(Uuid::now_v7());
        let secret = Secret::generate(Purpose::Refresh, user.tenant, id.into());
        let owner = UserId::from(user.id);
        let command = session::Command::Open {
            user: owner,
            generation: state.generation,
            token: hash(&secret)?,
            expires_at: self.after(self.app.config.auth.session),
            idle_expires_at: self.after(self.app.config.auth.session_idle),
        };
        let sessions = self.app.engine.entities::<Session>()?;
        let meta = self.meta(user.tenant, &owner.to_string());
        match sessions.send(id, command, meta).await? {
            Reply::Done(_) => self.answer(user, id, &secret),
            Reply::Refused(rejection) => Err(Problem::refused(&rejection)),
            Reply::Seen(_) => Err(Problem::internal()),
        }
    }

    fn answer(
        &self,
        user: &Versioned<User>,
        session: SessionId,
        secret: &Secret,
    ) -> Result<Response, Problem> {
        let tokens = &self.app.tokens;
        let access_token = tokens
            .issue(user.id, session.into(), user.tenant)
            .map_err(|_| Problem::internal())?;
        let tokens = Tokens {
            access_token,
            token_type: "Bearer",
            expires_in: tokens.life().as_secs(),
            refresh_token: secret.reveal(),
            session,
            user: shown(user)?,
        };
        Ok(json_response(StatusCode::OK, &tokens))
    }

    fn meta(&self, tenant: Uuid, principal: &str) -> Meta {
        Meta {
            deadline: self.deadline,
            ..Meta::new(
                tenant,
                principal,
                Arc::clone(&self.request_id),
                Duration::ZERO,
            )
        }
    }

    fn after(&self, life: Duration) -> DateTime<Utc> {
        (Utc::now() + life).trunc_subsecs(3)
    }
}

fn hash(secret: &Secret) -> Result<SecretHash, Problem> {
    SecretHash::new(&secret.hash()).map_err(|_| Problem::internal())
}

fn wrong() -> Problem {
    Problem::unauthenticated(
        "invalid-credentials",
        "the e-mail address or the password is wrong, or the account is locked",
    )
}

fn ended() -> Problem {
    Problem::unauthenticated("session-revoked", "the session has ended; sign in again")
}

impl From<password::Error> for Problem {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Overloaded => {
                Self::unavailable("overloaded", "too many sign-ins are waiting")
            }
            password::Error::Argon2(_) | password::Error::Worker => {
                tracing::error!(%error, "a password could not be checked");
                Self::internal()
            }
        }
    }
}
