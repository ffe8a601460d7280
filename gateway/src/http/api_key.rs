//! `/api-keys`: what programs of third parties sign in with.

use std::collections::BTreeSet;

use actors::api_key::{ApiKey, Command, Scope, Status};
use actors::ids::ApiKeyId;
use actors::values::{Metadata, Name, Reference, SecretHash, Text, milliseconds_if_any};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chrono::{DateTime, SubsecRound as _, Utc};
use engine::{Entity as _, Versioned};
use serde::{Deserialize, Serialize};
use strum::VariantNames as _;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::secret::{Purpose, Secret};
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Path};
use crate::http::resource::{self, Head, Resource, created, shown};
use crate::idempotency::WithoutSecret;
use crate::problem::Problem;

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// Where it stands.
    status: Status,
    /// What it is for.
    name: Name,
    /// What it may do.
    scopes: BTreeSet<Scope>,
    /// When it ends by itself.
    #[serde(serialize_with = "milliseconds_if_any")]
    expires_at: Option<DateTime<Utc>>,
    /// What it is recognised by: the beginning of the key.
    prefix: Text<100>,
    /// The client's own name for it.
    reference: Option<Reference>,
    /// The client's own notes.
    metadata: Metadata,
    /// The key itself; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Resource for ApiKey {
    const OBJECT: &'static str = "api_key";
    const PATH: &'static str = "/api-keys";
    const STATUSES: &'static [&'static str] = Status::VARIANTS;
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        let state = entity.state.0.as_ref()?;
        Some(View {
            head: Head::of(entity),
            status: state.status,
            name: state.name.clone(),
            scopes: state.scopes.clone(),
            expires_at: state.expires_at,
            prefix: state.prefix.clone(),
            reference: state.reference.clone(),
            metadata: state.metadata.clone(),
            secret: None,
        })
    }
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
struct New {
    /// What it is for.
    name: Name,
    /// What it may do; writing implies reading.
    #[schema(min_items = 1)]
    scopes: BTreeSet<Scope>,
    /// When it ends by itself.
    expires_at: Option<DateTime<Utc>>,
    /// The client's own name for it, unique in the company.
    reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    metadata: Metadata,
}

/// The routes of API keys.
#[must_use]
pub fn routes(api: Api) -> Api {
    resource::routes::<ApiKey>(api)
        .add(
            Route::post("/api-keys", "Makes an API key; its secret is shown once")
                .keyed(ApiKey::CONTEXT)
                .takes::<New>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            Route::delete("/api-keys/{id}", "Ends an API key at once")
                .keyed(ApiKey::CONTEXT)
                .conditional()
                .gives_nothing(),
            revoke,
        )
}

async fn create(call: Call, Body(new): Body<New>) -> Result<Response, Problem> {
    call.admin()?;
    let company = call.company()?;
    let id = Uuid::now_v7();
    let secret = Secret::generate(Purpose::ApiKey, company, id);
    let command = Command::Create {
        name: new.name,
        scopes: new.scopes,
        expires_at: new.expires_at.map(|end| end.trunc_subsecs(3)),
        prefix: Text::new(&secret.prefix()).map_err(|_| Problem::internal())?,
        key: SecretHash::new(&secret.hash()).map_err(|_| Problem::internal())?,
        reference: new.reference,
        metadata: new.metadata,
    };
    let key = call.send::<ApiKey>(id.into(), command).await?;
    let plain = created(&key)?;
    if key.id != id {
        // A repeat of a request that made another key, whose secret nobody knows any more.
        return Ok(plain);
    }
    let without = serde_json::to_vec(&shown(&key)?).unwrap_or_default();
    let mut view = ApiKey::view(&key).ok_or_else(Problem::internal)?;
    view.secret = Some(secret.reveal());
    let mut response = plain;
    *response.body_mut() = serde_json::to_vec(&view).unwrap_or_default().into();
    let kept = WithoutSecret(Bytes::from(without));
    response.extensions_mut().insert(kept);
    Ok(response)
}

async fn revoke(call: Call, Path(id): Path<ApiKeyId>) -> Result<Response, Problem> {
    call.admin()?;
    call.send::<ApiKey>(id, Command::Revoke).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
