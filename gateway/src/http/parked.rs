//! `/parked`: events that policies could not handle, for whoever runs the installation.

use actors::values::milliseconds;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use engine::journal::Parked;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::CONTEXTS;
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::Path;
use crate::http::parameter::Form;
use crate::http::resource::page;
use crate::http::{events, list};
use crate::problem::Problem;

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
    /// The event, or where it is if it is damaged.
    #[schema(value_type = events::Shown)]
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
        .query("cursor", "`next_cursor` of the page before.", Form::Text)
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
    let (mut limit, mut after) = (list::LIMIT, None);
    for (name, value) in list::pairs(&uri)? {
        match name.as_str() {
            "limit" => limit = list::limit(&value)?,
            "cursor" => after = Some(read_cursor(&value).ok_or_else(not_a_cursor)?),
            _ => return Err(list::unknown(&name)),
        }
    }
    let mut found = parked_after(&call, after, limit + 1).await?;
    let is_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| is_more);
    let next_cursor = last.map(|(context, parked)| cursor(context, &parked.id));
    let views = found
        .into_iter()
        .map(|(context, parked)| view(context, parked));
    let data = views.filter_map(|view| serde_json::to_value(view).ok());
    Ok(page(data.collect(), next_cursor))
}

/// The parked events of one context after the other, from the one after a context's event.
async fn parked_after(
    call: &Call,
    after: Option<(&'static str, String)>,
    limit: u32,
) -> Result<Vec<(&'static str, Parked)>, Problem> {
    let (first, mut after) = after.unzip();
    let from_first = CONTEXTS
        .into_iter()
        .skip_while(|context| first.is_some_and(|first| first != *context));
    let (mut found, mut room) = (Vec::new(), limit);
    for context in from_first {
        let after = after.take();
        let engine = &call.app.engine;
        let parked = engine.parked(context, after.as_deref(), room).await?;
        room = room.saturating_sub(u32::try_from(parked.len()).unwrap_or(room));
        found.extend(parked.into_iter().map(|parked| (context, parked)));
        if room == 0 {
            break;
        }
    }
    Ok(found)
}

/// An event's id says nothing about its context, so a cursor does.
fn cursor(context: &str, event: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{context}/{event}"))
}

fn read_cursor(cursor: &str) -> Option<(&'static str, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (context, event) = text.split_once('/')?;
    let context = CONTEXTS.into_iter().find(|known| *known == context)?;
    Some((context, event.to_owned()))
}

fn not_a_cursor() -> Problem {
    let what = "this is no cursor of this list";
    Problem::bad_parameter("cursor", "invalid-cursor", what)
}

fn view(context: &'static str, parked: Parked) -> View {
    View {
        event: events::shown(context, &parked.event),
        id: parked.id,
        object: "parked_event",
        context,
        reason: parked.reason,
        attempts: parked.attempts,
        tried_at: parked.at,
    }
}

async fn retry(call: Call, Path(id): Path<String>) -> Result<Response, Problem> {
    call.superuser()?;
    let engine = &call.app.engine;
    for context in CONTEXTS {
        if let Some(parked) = engine.parked_event(context, &id).await? {
            engine.retry_parked(context, &parked).await?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    Err(Problem::not_found())
}
