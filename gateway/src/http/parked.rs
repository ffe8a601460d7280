//! `/parked`: events that policies could not handle, for whoever runs the installation.

use actors::values::milliseconds;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use engine::journal::Parked;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::CONTEXTS;
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::Path;
use crate::http::resource::page;
use crate::http::{events, list};
use crate::problem::Problem;

/// Parked events looked at when one is to be retried; there should be none.
const LOOKED_AT: u32 = 1_000;

/// An event that a policy could not handle.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkedEvent)]
struct View {
    /// Its id for retrying it.
    id: String,
    /// `parked_event`.
    object: &'static str,
    /// The context of the event.
    context: &'static str,
    /// The event.
    #[schema(value_type = events::View)]
    event: Value,
    /// Why.
    reason: String,
    /// How often it has been tried.
    attempts: u32,
    /// When it was last tried.
    #[serde(serialize_with = "milliseconds")]
    tried_at: DateTime<Utc>,
}

/// The routes of parked events.
#[must_use]
pub fn routes(api: Api) -> Api {
    api.add(
        Route::get(
            "/parked",
            "Lists events that policies could not handle (superuser)",
        )
        .with(list::LIMIT_PARAMETER)
        .gives_page_of::<View>(),
        list_parked,
    )
    .add(
        Route::post(
            "/parked/{id}/retry",
            "Has a parked event handled again (superuser)",
        )
        .gives_nothing(),
        retry,
    )
}

async fn list_parked(call: Call, uri: Uri) -> Result<Response, Problem> {
    call.superuser()?;
    let mut limit = 20;
    for (name, value) in list::pairs(&uri)? {
        match name.as_str() {
            "limit" => limit = list::limit(&value)?,
            _ => return Err(list::unknown(&name)),
        }
    }
    let mut data = Vec::new();
    for context in CONTEXTS {
        let parked = call.app.engine.parked(context, limit).await?;
        let views = parked.into_iter().map(|parked| view(context, parked));
        data.extend(views.filter_map(|view| serde_json::to_value(view).ok()));
    }
    Ok(page(data, None))
}

fn view(context: &'static str, parked: Parked) -> View {
    View {
        id: parked.event.id(),
        object: "parked_event",
        context,
        event: events::render(&parked.event),
        reason: parked.reason,
        attempts: parked.attempts,
        tried_at: parked.at,
    }
}

async fn retry(call: Call, Path(id): Path<String>) -> Result<Response, Problem> {
    call.superuser()?;
    let engine = &call.app.engine;
    for context in CONTEXTS {
        let parked = engine.parked(context, LOOKED_AT).await?;
        if let Some(parked) = parked.iter().find(|parked| parked.event.id() == id) {
            engine.retry_parked(context, parked).await?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    Err(Problem::not_found())
}
