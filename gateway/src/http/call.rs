//! One request as handlers see it: who asks, for which company, until when, under which key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::ids::SessionId;
use actors::session::{self, RevokeReason, Session};
use actors::user::Role;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use engine::journal::RequestRow;
use engine::{Entities, Entity, Meta, Reply, RequestKey, Versioned};
use uuid::Uuid;

use crate::app::App;
use crate::auth::caller::Caller;
use crate::http::extract::Limits;
use crate::http::front::RequestId;
use crate::idempotency;
use crate::outcome::Outcome;
use crate::problem::Problem;

/// What a call that starts a saga leaves itself of the request's time, to render the answer.
const MARGIN: Duration = Duration::from_millis(500);

/// An authenticated request.
#[derive(Clone)]
pub struct Call {
    /// The program.
    pub app: Arc<App>,
    /// Who asks.
    pub caller: Caller,
    /// When it must be answered.
    pub deadline: Instant,
    /// Its id.
    pub request_id: Arc<str>,
    /// The version that If-Match names.
    pub if_version: Option<u64>,
    /// How long to wait for a saga's outcome; zero to answer at once.
    pub patience: Duration,
    request: Option<RequestKey>,
    known: Option<RequestRow>,
    outcome: Outcome,
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let request_id = parts.extensions.get::<RequestId>();
        Ok(Self {
            caller,
            deadline: Limits::of(&parts.extensions)?.deadline,
            request_id: request_id.ok_or_else(Problem::internal)?.0.clone(),
            if_version: if_match(&parts.headers)?,
            patience: patience(&parts.headers, app.config.gateway.saga_wait)?,
            request: parts.extensions.get::<RequestKey>().cloned(),
            known: parts.extensions.get::<RequestRow>().cloned(),
            outcome: parts.extensions.get().cloned().unwrap_or_default(),
            app: Arc::clone(app),
        })
    }
}

impl Call {
    /// The company that is acted in.
    ///
    /// # Errors
    /// 422 when a superuser names none.
    pub fn company(&self) -> Result<Uuid, Problem> {
        if self.caller.tenant.is_nil() {
            return Err(Problem::bad_parameter(
                "quenty-company",
                "company-missing",
                "a superuser says which company to act in with this header",
            ));
        }
        Ok(self.caller.tenant)
    }

    /// Lets only superusers pass.
    ///
    /// # Errors
    /// 403 for others.
    pub fn superuser(&self) -> Result<(), Problem> {
        match self.caller.role {
            Some(Role::Superuser) => Ok(()),
            _ => Err(Problem::forbidden("only superusers may do this")),
        }
    }

    /// Lets only people who run a company, or the installation, pass: no API keys.
    ///
    /// # Errors
    /// 403 for others.
    pub fn admin(&self) -> Result<(), Problem> {
        match self.caller.role {
            Some(Role::Superuser | Role::Admin) => Ok(()),
            _ => Err(Problem::forbidden("only administrators may do this")),
        }
    }

    /// The entities of a kind.
    ///
    /// # Errors
    /// 500 when the program was put together without that kind.
    pub fn entities<E: Entity>(&self) -> Result<Entities<E>, Problem> {
        Ok(self.app.engine.entities::<E>()?)
    }

    /// An entity of the company as it is.
    ///
    /// # Errors
    /// 404 when it is not there or another company's; 503 when it cannot be loaded.
    pub async fn get<E: Entity>(&self, id: E::Id) -> Result<Arc<Versioned<E>>, Problem> {
        self.get_in(self.caller.tenant, id).await
    }

    /// An entity of a company as it is.
    ///
    /// # Errors
    /// As [`Call::get`].
    pub async fn get_in<E: Entity>(
        &self,
        tenant: Uuid,
        id: E::Id,
    ) -> Result<Arc<Versioned<E>>, Problem> {
        let entity = self.entities::<E>()?.get(tenant, id, self.deadline).await?;
        entity.ok_or_else(Problem::not_found)
    }

    /// Sends a command of the company's and gives the state after it. Under a key that was used
    /// before, it gives what that use led to, and changes nothing.
    ///
    /// # Errors
    /// What the entity refuses, and failures of the machinery.
    pub async fn send<E: Entity>(
        &self,
        id: E::Id,
        command: E::Command,
    ) -> Result<Arc<Versioned<E>>, Problem> {
        self.send_in(self.caller.tenant, id, command).await
    }

    /// [`Call::send`] of the first command, to an entity whose id was made for it a moment ago.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn create<E: Entity>(
        &self,
        id: E::Id,
        command: E::Command,
    ) -> Result<Arc<Versioned<E>>, Problem> {
        self.may_write()?;
        let entities = self.entities::<E>()?;
        let tenant = self.caller.tenant;
        let reply = entities.create(id, command, self.meta(tenant)).await;
        let (entity, _) = self.outcome_of::<E>(tenant, reply).await?;
        Ok(entity)
    }

    /// [`Call::send`] on behalf of a company other than the caller's.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn send_in<E: Entity>(
        &self,
        tenant: Uuid,
        id: E::Id,
        command: E::Command,
    ) -> Result<Arc<Versioned<E>>, Problem> {
        self.may_write()?;
        let (entity, _) = self.deliver::<E>(tenant, id, command).await?;
        Ok(entity)
    }

    /// [`Call::send`], and what the command led to when the request came before: the last event of
    /// that time. For answers that tell of more than the entity's state.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn send_or_recall<E: Entity>(
        &self,
        id: E::Id,
        command: E::Command,
    ) -> Result<(Arc<Versioned<E>>, Option<E::Event>), Problem> {
        self.may_write()?;
        let tenant = self.caller.tenant;
        let (entity, seen) = self.deliver::<E>(tenant, id, command).await?;
        let Some(version) = seen.and_then(|row| row.version.checked_sub(1)) else {
            return Ok((entity, None));
        };
        let entities = self.entities::<E>()?;
        let events = entities
            .history(tenant, entity.id.into(), version, 1)
            .await?;
        let event = events.first().map(|event| event.event::<E>()).transpose();
        Ok((entity, event.map_err(engine::Error::from)?))
    }

    /// Ends a session, which also those may do who may only read.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn end_session(
        &self,
        tenant: Uuid,
        id: SessionId,
        reason: RevokeReason,
    ) -> Result<(), Problem> {
        let revoke = session::Command::Revoke { reason };
        self.deliver::<Session>(tenant, id, revoke).await.map(drop)
    }

    /// The state after a command, and what is known of the request if it came before.
    async fn deliver<E: Entity>(
        &self,
        tenant: Uuid,
        id: E::Id,
        command: E::Command,
    ) -> Result<(Arc<Versioned<E>>, Option<RequestRow>), Problem> {
        let entities = self.entities::<E>()?;
        let reply = entities.send(id, command, self.meta(tenant)).await;
        self.outcome_of::<E>(tenant, reply).await
    }

    fn may_write(&self) -> Result<(), Problem> {
        if self.caller.can_write {
            return Ok(());
        }
        Err(Problem::forbidden("this credential may only read"))
    }

    fn meta(&self, tenant: Uuid) -> Meta {
        Meta {
            tenant,
            principal: Arc::clone(&self.caller.principal),
            request_id: Arc::clone(&self.request_id),
            deadline: self.deadline,
            request: self.request.clone(),
            if_version: self.if_version,
            cause: None,
        }
    }

    async fn outcome_of<E: Entity>(
        &self,
        tenant: Uuid,
        reply: Result<Reply<E>, engine::Error>,
    ) -> Result<(Arc<Versioned<E>>, Option<RequestRow>), Problem> {
        match reply {
            Ok(Reply::Done(entity)) => {
                self.outcome.set_done();
                Ok((entity, None))
            }
            Ok(Reply::Refused(rejection)) => {
                self.outcome.set_known();
                Err(Problem::refused(&rejection))
            }
            Ok(Reply::Seen(row)) => {
                let entity = self.seen::<E>(tenant, &row).await?;
                Ok((entity, Some(row)))
            }
            // Perhaps it is this very request, sent before, that made the version another one.
            Err(error @ engine::Error::Stale { .. }) => match self.row::<E>().await? {
                Some(row) => {
                    let entity = self.seen::<E>(tenant, &row).await?;
                    Ok((entity, Some(row)))
                }
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// What the request led to when it came before under its key, if its answer was lost. For
    /// handlers that look at more than the command does: what was good then need not be good now.
    ///
    /// # Errors
    /// What the entity refused then; 503 when it cannot be loaded.
    pub async fn repeated<E: Entity>(&self) -> Result<Option<Arc<Versioned<E>>>, Problem> {
        match &self.known {
            Some(row) => self.seen::<E>(self.caller.tenant, row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The entity that the request made when it came before under its key, if its answer was lost.
    #[must_use]
    pub fn made(&self) -> Option<Uuid> {
        self.known.as_ref().map(|row| row.entity)
    }

    /// Whether the request came before under its key, and had its effect.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.known.is_some()
    }

    async fn row<E: Entity>(&self) -> Result<Option<RequestRow>, Problem> {
        let Some(RequestKey { scope, key, .. }) = &self.request else {
            return Ok(None);
        };
        Ok(self.app.engine.request(E::CONTEXT, scope, key).await?)
    }

    /// The same call for one of several commands: with a key derived from the request's.
    #[must_use]
    pub fn step(&self, step: impl std::fmt::Display) -> Self {
        let mut call = self.clone();
        call.if_version = None;
        call.known = None;
        call.outcome = self.outcome.of_step();
        if let Some(request) = &mut call.request {
            // No client's key has this character in it.
            request.key = format!("{}\u{1f}{step}", request.key);
        }
        call
    }

    /// Says that the answer is a state of the entity which every repeat of the request finds: the
    /// one that its command led to, or the first from there on that is like this.
    pub fn set_retold(&self) {
        self.outcome.set_retold();
    }

    /// When to stop waiting for a saga.
    #[must_use]
    pub fn saga_deadline(&self) -> Instant {
        let latest = self.deadline.checked_sub(MARGIN).unwrap_or(self.deadline);
        (Instant::now() + self.patience).min(latest)
    }

    /// The state that a request led to when it came before: that one, and no later one.
    async fn seen<E: Entity>(
        &self,
        tenant: Uuid,
        row: &RequestRow,
    ) -> Result<Arc<Versioned<E>>, Problem> {
        let is_same = self
            .request
            .as_ref()
            .is_some_and(|request| request.body_hash == row.body_hash);
        if !is_same || row.kind != E::KIND {
            return Err(idempotency::reused());
        }
        self.outcome.set_repeat();
        if let Some(refusal) = &row.refusal {
            let rejection = serde_json::from_str::<E::Rejection>(refusal);
            return Err(rejection.map_or_else(|_| Problem::internal(), |it| Problem::refused(&it)));
        }
        // What there is may be from before the request, while its commit is in doubt.
        let entities = self.entities::<E>()?;
        let id = || E::Id::from(row.entity);
        let latest = entities.at_least(tenant, id(), row.version, self.deadline);
        let latest = latest.await?.ok_or_else(Problem::not_found)?;
        if latest.version == row.version {
            return Ok(latest);
        }
        let then = entities.at_version(tenant, id(), row.version).await?;
        then.map(Arc::new).ok_or_else(Problem::not_found)
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    match version {
        Some(version) => Ok(Some(version)),
        None if text == "*" => Ok(None),
        None => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "version-mismatch",
            "If-Match takes one ETag of the resource, such as \"3\"",
        )),
    }
}

/// `Prefer: respond-async` or `Prefer: wait=3` (RFC 7240). What else is preferred is ignored, as
/// that standard says.
fn patience(headers: &HeaderMap, usual: Duration) -> Result<Duration, Problem> {
    let values = headers.get_all("prefer").iter();
    let preferences = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .map(str::trim);
    let mut patience = usual;
    for preference in preferences {
        if preference.eq_ignore_ascii_case("respond-async") {
            return Ok(Duration::ZERO);
        }
        if let Some(seconds) = preference.strip_prefix("wait=") {
            let seconds = seconds.parse::<u64>().map_err(|_| {
                Problem::bad_parameter("prefer", "invalid-value", "wait takes whole seconds")
            })?;
            patience = Duration::from_secs(seconds).min(usual);
        }
    }
    Ok(patience)
}
