//! `/users` and `/sessions`: who may sign in, and who is signed in.

use actors::ids::{CompanyId, SessionId, UserId};
use actors::session::{self, RevokeReason, Session};
use actors::user::{Command, Patch, Profile, Role, Status, User};
use actors::values::{Email, Metadata, Name, Reference, SecretHash, given, milliseconds};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use engine::{Entity as _, Versioned};
use serde::{Deserialize, Serialize};
use strum::VariantNames as _;
use utoipa::{PartialSchema as _, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::caller::Credential;
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Nothing, Path};
use crate::http::list::{self, Filter, On};
use crate::http::parameter::Form;
use crate::http::resource::{self, Head, Resource, created, done};
use crate::problem::Problem;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// Where the user stands.
    status: Status,
    /// The address to sign in with; absent once erased.
    email: Option<Email>,
    /// The name; absent once erased.
    name: Option<Name>,
    /// What the user may do.
    role: Role,
    /// The company; null for superusers.
    company: Option<CompanyId>,
    /// The client's own name for the user.
    reference: Option<Reference>,
    /// The client's own notes.
    metadata: Metadata,
}

impl Resource for User {
    const OBJECT: &'static str = "user";
    const PATH: &'static str = "/users";
    const STATUSES: &'static [&'static str] = Status::VARIANTS;
    type View = View;

    /// Without a company a superuser lists the superusers.
    fn scope(call: &Call) -> Result<Option<Uuid>, Problem> {
        Ok(Some(call.caller.tenant))
    }

    fn view(entity: &Versioned<Self>) -> Option<View> {
        let state = entity.state.0.as_ref()?;
        let profile = state.profile.as_ref();
        Some(View {
            head: Head::of(entity),
            status: state.status,
            email: profile.map(|profile| profile.email.clone()),
            name: profile.map(|profile| profile.name.clone()),
            role: state.role,
            company: (!entity.tenant.is_nil()).then(|| entity.tenant.into()),
            reference: state.reference.clone(),
            metadata: state.metadata.clone(),
        })
    }
}

/// A password of 8 to 200 characters.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 8, max_length = 200, pattern = r"^[^\u0000]*$")]
pub struct Password(String);

impl TryFrom<String> for Password {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // As NIST SP 800-63B, section 3.1.1.2, has it: a length, and no rules about characters.
        match text.chars().count() {
            8..=200 => Ok(Self(text)),
            _ => Err("a password has 8 to 200 characters"),
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password")
    }
}

impl Password {
    /// The hash to store.
    ///
    /// # Errors
    /// 503 when too many passwords are waiting.
    pub async fn hash(&self, app: &App) -> Result<SecretHash, Problem> {
        let hash = app.passwords.hash(&self.0).await?;
        SecretHash::new(&hash).map_err(|_| Problem::internal())
    }
}

/// A user to be taken on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
struct New {
    /// The address to sign in with, unique in the installation.
    email: Email,
    /// The name.
    name: Name,
    /// The password.
    password: Password,
    /// What the user may do.
    role: Role,
    /// The client's own name for the user, unique in the company.
    reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    metadata: Metadata,
}

/// Changes to a user: what is left out stays as it is, null clears.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPatch)]
struct Changes {
    /// The name.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    name: Option<Name>,
    /// What the user may do.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    role: Option<Role>,
    /// The password; a new one ends all of the user's sessions.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    password: Option<Password>,
    /// The client's own name for the user.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Reference>)]
    reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
}

/// The routes of users and sessions.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(User::CONTEXT).gives::<View>(StatusCode::OK);
    let act = |route: Route| keyed(route).conditional();
    resource::routes::<User>(api)
        .add(
            Route::post("/users", "Takes a user on; without a company, a superuser")
                .keyed(User::CONTEXT)
                .takes::<New>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            act(Route::patch("/users/{id}", "Changes a user")).takes::<Changes>(),
            update,
        )
        .add(
            act(Route::post("/users/{id}/activate", "Lets a user in again")),
            async |call: Call, path: Path<UserId>, _: Nothing| {
                set(call, path, Command::Activate).await
            },
        )
        .add(
            act(Route::post(
                "/users/{id}/deactivate",
                "Lets a user in no more",
            )),
            async |call: Call, path: Path<UserId>, _: Nothing| {
                set(call, path, Command::Deactivate).await
            },
        )
        .add(
            Route::get("/sessions", "Lists the caller's sessions")
                .filters::<Session>()
                .gives_page_of::<SessionView>(),
            list_sessions,
        )
        .add(
            Route::delete("/sessions/{id}", "Ends a session")
                .keyed(Session::CONTEXT)
                .conditional()
                .gives_nothing(),
            end_session,
        )
}

async fn create(call: Call, Body(new): Body<New>) -> Result<Response, Problem> {
    call.admin()?;
    let command = Command::Register {
        password: new.password.hash(&call.app).await?,
        profile: Profile {
            email: new.email,
            name: new.name,
        },
        role: new.role,
        reference: new.reference,
        metadata: new.metadata,
    };
    created(
        &call
            .create::<User>(UserId::from(Uuid::now_v7()), command)
            .await?,
    )
}

async fn update(
    call: Call,
    Path(id): Path<UserId>,
    Body(changes): Body<Changes>,
) -> Result<Response, Problem> {
    call.admin()?;
    // First of all: when too many passwords wait, nothing is changed.
    let password = match changes.password {
        Some(password) => Some(password.hash(&call.app).await?),
        None => None,
    };
    let patch = Patch {
        name: changes.name,
        role: changes.role,
        reference: changes.reference,
        metadata: changes.metadata,
    };
    let mut user = call.send::<User>(id, Command::Update { patch }).await?;
    if let Some(password) = password {
        let command = Command::ChangePassword { password };
        user = call.step("password").send::<User>(id, command).await?;
    }
    done(&user)
}

async fn set(call: Call, Path(id): Path<UserId>, command: Command) -> Result<Response, Problem> {
    call.admin()?;
    let is_own = id.to_string() == *call.caller.principal;
    if is_own && matches!(command, Command::Deactivate) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "own-account",
            "nobody deactivates the account that they are signed in with",
        ));
    }
    done(&call.send::<User>(id, command).await?)
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    #[serde(flatten)]
    head: Head,
    /// Where it stands.
    status: session::Status,
    /// Whose it is.
    user: UserId,
    /// When it ends unless refreshed.
    #[serde(serialize_with = "milliseconds")]
    ends_at: DateTime<Utc>,
}

impl Resource for Session {
    const OBJECT: &'static str = "session";
    const PATH: &'static str = "/sessions";
    const STATUSES: &'static [&'static str] = session::Status::VARIANTS;
    const FILTERS: &'static [Filter] = &[Filter {
        name: "user",
        what: "Only those of this user.",
        form: Form::Value(UserId::schema),
        on: On::Parent(list::id::<UserId>),
    }];
    type View = SessionView;

    fn view(entity: &Versioned<Self>) -> Option<SessionView> {
        let state = entity.state.0.as_ref()?;
        Some(SessionView {
            head: Head::of(entity),
            status: state.status,
            user: state.user,
            ends_at: state.ends_at(),
        })
    }
}

/// People see their own sessions; administrators also those of others.
async fn list_sessions(call: Call, uri: Uri) -> Result<Response, Problem> {
    let Credential::Token(claims) = &call.caller.credential else {
        return Err(Problem::forbidden("an API key has no sessions"));
    };
    let own = (claims.tenant, claims.sub);
    if call.admin().is_ok() {
        return resource::list_in::<Session>(&call, Some(call.caller.tenant), None, &uri).await;
    }
    resource::list_in::<Session>(&call, Some(own.0), Some(own.1), &uri).await
}

async fn end_session(call: Call, Path(id): Path<SessionId>) -> Result<Response, Problem> {
    let Credential::Token(claims) = &call.caller.credential else {
        return Err(Problem::forbidden("an API key ends no sessions"));
    };
    // One's own, or one of the company that is acted in.
    let tenant = match call
        .entities::<Session>()?
        .get(claims.tenant, id, call.deadline)
        .await?
    {
        Some(_) => claims.tenant,
        None => call.caller.tenant,
    };
    let session = call.get_in::<Session>(tenant, id).await?;
    let owner = session.state.0.as_ref().map(|state| state.user.to_string());
    if owner.as_deref() != Some(&*call.caller.principal) {
        call.admin()?;
    }
    call.end_session(tenant, id, RevokeReason::Requested)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
