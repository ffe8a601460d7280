//! What all resources have in common: how they are shown, read, listed and looked back at.

use std::sync::{Arc, OnceLock};

use actors::values::milliseconds;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use engine::journal::Document;
use engine::{Entity, Error, Versioned};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::api::{Api, BASE, Route};
use crate::http::call::Call;
use crate::http::events;
use crate::http::extract::Path;
use crate::http::list::{self, Asked, Fields, Filter};
use crate::http::parameter::{Form, WHOLE_MAX};
use crate::problem::Problem;

/// A kind of entity as the API shows it.
pub trait Resource: Entity<Id: std::fmt::Display + serde::de::DeserializeOwned> {
    /// What `object` says.
    const OBJECT: &'static str;
    /// The collection's path under the base, such as `/orders`.
    const PATH: &'static str;
    /// The statuses that lists filter by; none if it has no status.
    const STATUSES: &'static [&'static str];
    /// Filters beside the common ones.
    const FILTERS: &'static [Filter] = &[];
    /// What clients see.
    type View: Serialize + ToSchema;

    /// The company whose entities are listed; `None` for those of the whole installation.
    ///
    /// # Errors
    /// When the caller may list none.
    fn scope(call: &Call) -> Result<Option<Uuid>, Problem> {
        call.company().map(Some)
    }

    /// The company that an entity must be of for the caller to see it.
    fn tenant(call: &Call, _: Self::Id) -> Uuid {
        call.caller.tenant
    }

    /// What clients see of an entity; `None` if it has events but is not there for them.
    fn view(entity: &Versioned<Self>) -> Option<Self::View>;

    /// What clients see of a document in a list; `None` if it does not read, and the entity itself
    /// is to be asked.
    fn listed(document: &Document) -> Option<Value> {
        let state = serde_json::from_str(document.listed.as_deref()?).ok()?;
        let entity = Versioned::<Self> {
            id: document.id,
            tenant: document.tenant,
            version: document.version,
            base_version: None,
            created_at: document.created_at,
            updated_at: document.updated_at,
            state,
            shown: OnceLock::new(),
        };
        serde_json::to_value(Self::view(&entity)?).ok()
    }
}

/// What every resource begins with.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Head {
    /// The id.
    pub id: String,
    /// What kind of resource it is.
    pub object: &'static str,
    /// How often it has changed; the ETag.
    pub version: u64,
    /// When it was created.
    #[serde(serialize_with = "milliseconds")]
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    #[serde(serialize_with = "milliseconds")]
    pub updated_at: DateTime<Utc>,
}

impl Head {
    /// The head of an entity.
    #[must_use]
    pub fn of<R: Resource>(entity: &Versioned<R>) -> Self {
        Self {
            id: R::Id::from(entity.id).to_string(),
            object: R::OBJECT,
            version: entity.version,
            created_at: entity.created_at,
            updated_at: entity.updated_at,
        }
    }
}

/// Adds the routes that every resource has: list, get, history.
#[must_use]
pub fn routes<R: Resource>(api: Api) -> Api {
    let (one, what) = (format!("{}/{{id}}", R::PATH), R::OBJECT.replace('_', " "));
    let history = format!("{one}/history");
    api.add(
        Route::get(R::PATH, &format!("Lists: {what}"))
            .filters::<R>()
            .gives_page_of::<R::View>(),
        list::<R>,
    )
    .add(
        Route::get(&one, &format!("Shows: {what}"))
            .query(
                "at_version",
                "As it was at this version.",
                Form::Whole(0, WHOLE_MAX),
            )
            .query(
                "at",
                "As it was at this time; not with `at_version`.",
                Form::Time,
            )
            .query(
                "fields",
                "Only these members, separated by commas.",
                Form::Text,
            )
            .gives::<R::View>(StatusCode::OK),
        get::<R>,
    )
    .add(
        Route::get(&history, &format!("History: {what}"))
            .query(
                "after_version",
                "Only events after this version.",
                Form::Whole(0, WHOLE_MAX),
            )
            .with(list::LIMIT_PARAMETER)
            .gives_page_of::<events::View>(),
        history_of::<R>,
    )
}

/// The resource as clients see it.
///
/// # Errors
/// 404 when it is not there for clients.
pub fn shown<R: Resource>(entity: &Versioned<R>) -> Result<Value, Problem> {
    let view = R::view(entity).ok_or_else(Problem::not_found)?;
    serde_json::to_value(view).map_err(|_| Problem::internal())
}

/// An answer that shows a resource, with its version as the ETag.
///
/// # Errors
/// 404 when it is not there for clients.
pub fn answer<R: Resource>(status: StatusCode, entity: &Versioned<R>) -> Result<Response, Problem> {
    let mut response = json_bytes(status, written(entity)?);
    let headers = response.headers_mut();
    headers.extend(etag(entity.version));
    if status == StatusCode::CREATED {
        let location = format!("{BASE}{}/{}", R::PATH, R::Id::from(entity.id));
        if let Ok(location) = HeaderValue::from_str(&location) {
            headers.insert(header::LOCATION, location);
        }
    }
    Ok(response)
}

/// A resource as the body of an answer.
fn written<R: Resource>(entity: &Versioned<R>) -> Result<Bytes, Problem> {
    if let Some(written) = entity.shown.get() {
        return Ok(written.clone());
    }
    let view = R::view(entity).ok_or_else(Problem::not_found)?;
    Ok(json(&view))
}

fn etag(version: u64) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&format!("\"{version}\"")).ok()?;
    Some((header::ETAG, value))
}

/// 200 with a resource.
///
/// # Errors
/// 404 when it is not there for clients.
pub fn done<R: Resource>(entity: &Arc<Versioned<R>>) -> Result<Response, Problem> {
    answer(StatusCode::OK, entity)
}

/// 201 with a resource.
///
/// # Errors
/// 404 when it is not there for clients.
pub fn created<R: Resource>(entity: &Arc<Versioned<R>>) -> Result<Response, Problem> {
    answer(StatusCode::CREATED, entity)
}

/// An answer with a JSON body.
#[must_use]
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    json_bytes(status, json(body))
}

fn json(body: &impl Serialize) -> Bytes {
    // Values of our own making: writing them cannot fail.
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn json_bytes(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A page of a list.
#[must_use]
pub fn page(data: Vec<Value>, next_cursor: Option<String>) -> Response {
    let page = json!({ "data": data, "next_cursor": next_cursor });
    json_response(StatusCode::OK, &page)
}

async fn list<R: Resource>(call: Call, uri: Uri) -> Result<Response, Problem> {
    let tenant = R::scope(&call)?;
    list_in::<R>(&call, tenant, None, &uri).await
}

/// A list of one company's, or of the installation's; only of one parent's, if it is given.
///
/// # Errors
/// 422 when the query does not read; 503 when the journal does not answer.
pub async fn list_in<R: Resource>(
    call: &Call,
    tenant: Option<Uuid>,
    parent: Option<Uuid>,
    uri: &Uri,
) -> Result<Response, Problem> {
    let mut asked = Asked::read(R::KIND, tenant, R::STATUSES, R::FILTERS, uri)?;
    asked.query.parent = parent.or(asked.query.parent);
    let entities = call.entities::<R>()?;
    let mut documents = entities.list(&asked.query).await?;
    let next_cursor = asked.next_cursor(&mut documents);
    let mut data = Vec::with_capacity(documents.len());
    for document in &documents {
        let shown = match R::listed(document) {
            Some(shown) => Some(shown),
            // Stored in an older form, or damaged: the entity knows better.
            None => {
                let id = document.id.into();
                match entities.get(document.tenant, id, call.deadline).await {
                    Ok(entity) => entity.and_then(|entity| shown(&entity).ok()),
                    // Whoever asks for it is told; a list shows all that can be shown.
                    Err(engine::Error::Damaged(what)) => {
                        tracing::error!(what, "left out of a list");
                        None
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        data.extend(shown.map(|mut resource| {
            if let Some(fields) = &asked.fields {
                fields.cut(&mut resource);
            }
            resource
        }));
    }
    Ok(page(data, next_cursor))
}

async fn get<R: Resource>(
    call: Call,
    Path(id): Path<R::Id>,
    request: Request,
) -> Result<Response, Problem> {
    let mut fields = None;
    let mut then = None;
    for (name, value) in list::pairs(request.uri())? {
        match name.as_str() {
            "fields" => fields = Some(Fields::read(&value)),
            "at_version" | "at" if then.is_some() => {
                let what = "`at` and `at_version` exclude each other";
                return Err(Problem::bad_parameter(name, "exclusive-parameters", what));
            }
            "at_version" => then = Some(Then::Version(list::version("at_version", &value)?)),
            "at" => then = Some(Then::Time(list::time("at", &value)?)),
            _ => return Err(list::unknown(&name)),
        }
    }
    let entity = match then {
        None => call.get_in::<R>(R::tenant(&call, id), id).await?,
        Some(then) => Arc::new(past::<R>(&call, id, then).await?),
    };
    let Some(fields) = fields else {
        // What is read once is mostly read again before it changes.
        if entity.shown.get().is_none() {
            let _ = entity.shown.set(written(&entity)?);
        }
        return done(&entity);
    };
    let mut resource = shown(&entity)?;
    fields.cut(&mut resource);
    let mut response = json_response(StatusCode::OK, &resource);
    response.headers_mut().extend(etag(entity.version));
    Ok(response)
}

enum Then {
    Version(u64),
    Time(DateTime<Utc>),
}

async fn past<R: Resource>(call: &Call, id: R::Id, then: Then) -> Result<Versioned<R>, Problem> {
    let (entities, tenant) = (call.entities::<R>()?, R::tenant(call, id));
    let entity = match then {
        Then::Version(version) => entities.at_version(tenant, id, version).await?,
        Then::Time(time) => entities.at_time(tenant, id, time).await?,
    };
    entity.ok_or_else(Problem::not_found)
}

async fn history_of<R: Resource>(
    call: Call,
    Path(id): Path<R::Id>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut after, mut limit) = (0, 20);
    for (name, value) in list::pairs(request.uri())? {
        match name.as_str() {
            "after_version" | "cursor" => after = list::version(&name, &value)?,
            "limit" => limit = list::limit(&value)?,
            _ => return Err(list::unknown(&name)),
        }
    }
    // Not there, or another company's, is a 404; also for what exists but has no newer events.
    let entity = call.get_in::<R>(R::tenant(&call, id), id).await?;
    let entities = call.entities::<R>()?;
    let events = entities.history(entity.tenant, id, after, limit).await?;
    let last = events.last().map_or(after, |event| event.version);
    if events.len() < limit as usize && last < entity.version {
        let what = format!("{} {} lacks event {}", R::KIND, entity.id, last + 1);
        return Err(Error::Damaged(what).into());
    }
    let next_cursor = (last < entity.version).then(|| last.to_string());
    let data = events.iter().map(events::render).collect();
    Ok(page(data, next_cursor))
}

/// A resource of the company that a body names.
///
/// # Errors
/// 422 with a pointer to the field when the company has no such resource.
pub async fn named<R: Resource>(
    call: &Call,
    id: R::Id,
    pointer: &str,
) -> Result<Arc<Versioned<R>>, Problem> {
    match call.get::<R>(id).await {
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => {
            let what = format!("the company has no such {}", R::OBJECT.replace('_', " "));
            Err(Problem::invalid(pointer, "not-found", what))
        }
        found => found,
    }
}
