//! `/tracking`: a shipment by its number, for anybody; nothing here tells of a person.

use actors::values::milliseconds;
use std::sync::Arc;
use std::time::Instant;

use actors::shipment::{
    Event, ScanRecorded, Shipment, Status, TrackedScan, Tracking, TrackingNumber,
};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use engine::journal::ClaimHolder;
use engine::{Recorded, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::api::{Api, Route};
use crate::http::extract::{Limits, Path, Query};
use crate::http::live;
use crate::http::parameter::Form;
use crate::http::resource::json_response;
use crate::live::Greeting;
use crate::problem::Problem;
use crate::server::Place;

/// A carrier's scans.
#[derive(Serialize, ToSchema)]
struct TrackedScans {
    /// The scans, in order of the carrier's time.
    data: Vec<TrackedScan>,
}

/// An event of a shipment as anybody may see it.
#[derive(Serialize)]
struct Public {
    object: &'static str,
    #[serde(rename = "type")]
    kind: String,
    version: u64,
    #[serde(serialize_with = "milliseconds")]
    at: DateTime<Utc>,
    /// The shipment's new status, if the event changed it.
    status: Option<Status>,
    scan: Option<TrackedScan>,
    tracking_number: Option<TrackingNumber>,
}

/// Adds the routes.
#[must_use]
pub fn routes(api: Api) -> Api {
    let ws = "A WebSocket as of `/live`, with the shipment as its one topic, `tracking`.";
    api.add(
        Route::get("/tracking/{tracking_number}", "Tracks a shipment")
            .open()
            .gives::<Tracking>(StatusCode::OK),
        show,
    )
    .add(
        Route::get(
            "/tracking/{tracking_number}/events",
            "Lists a shipment's scans",
        )
        .open()
        .gives::<TrackedScans>(StatusCode::OK),
        scans,
    )
    .add(
        Route::get("/tracking/{tracking_number}/live", "Watches a shipment")
            .open()
            .query("from", "The cursor to go on from.", Form::Text)
            .gives_other(StatusCode::SWITCHING_PROTOCOLS, "application/json", ws),
        watch,
    )
}

async fn show(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    Extension(limits): Extension<Limits>,
) -> Result<Response, Problem> {
    let (_, tracking) = find(&app, &number, limits.deadline).await?;
    Ok(json_response(StatusCode::OK, &tracking))
}

async fn scans(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    Extension(limits): Extension<Limits>,
) -> Result<Response, Problem> {
    let (_, tracking) = find(&app, &number, limits.deadline).await?;
    Ok(json_response(
        StatusCode::OK,
        &json!({ "data": tracking.events }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    from: Option<String>,
}

async fn watch(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    Query(From { from }): Query<From>,
    Extension(limits): Extension<Limits>,
    place: Option<Extension<Place>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (shipment, _) = find(&app, &number, limits.deadline).await?;
    let greeting = Greeting::Public {
        tenant: shipment.tenant,
        shipment: shipment.id,
        from,
    };
    live::take_over(app, upgrade, &headers, place, greeting)
}

/// The shipment with a number, past or present. What does not read as a number names nothing.
async fn find(
    app: &App,
    number: &str,
    deadline: Instant,
) -> Result<(Arc<Versioned<Shipment>>, Tracking), Problem> {
    let number = TrackingNumber::parse(number).map_err(|_| Problem::not_found())?;
    let shipments = app.engine.entities::<Shipment>()?;
    let claim = format!("tracking:{number}");
    let id = shipments.find(ClaimHolder::Installation, &claim).await?;
    let id = id.ok_or_else(Problem::not_found)?;
    let shipment = shipments.get_anywhere(id, deadline).await?;
    let shipment = shipment.ok_or_else(Problem::not_found)?;
    let tracking = shipment.state.tracking().ok_or_else(Problem::not_found)?;
    Ok((shipment, tracking))
}

/// An event of a shipment as anybody may see it; `None` if it is not for everybody.
#[must_use]
pub fn event(event: &Recorded) -> Option<Box<RawValue>> {
    let mut public = Public {
        object: "tracking_event",
        kind: format!("{}.{}", event.kind, event.name),
        version: event.version,
        at: event.at,
        status: None,
        scan: None,
        tracking_number: None,
    };
    match event.event::<Shipment>().ok()? {
        Event::Created(created) => {
            public.status = Some(Status::Created);
            public.tracking_number = Some(created.tracking_number);
        }
        Event::Numbered { tracking_number } => public.tracking_number = Some(tracking_number),
        Event::ScanRecorded(recorded) => {
            public.status = recorded.status;
            public.scan = Some(scan(*recorded));
        }
        // Not why: that is between the company and its customer.
        Event::Cancelled { .. } => public.status = Some(Status::Cancelled),
        // Another shipment goes by the number.
        Event::NumberRefused { .. } => return None,
        Event::CancelForestalled { .. } | Event::CancelMissed {} => return None,
    }
    to_raw_value(&public).ok()
}

fn scan(recorded: ScanRecorded) -> TrackedScan {
    TrackedScan {
        code: recorded.code,
        status: recorded.scanned,
        place: recorded.place,
        occurred_at: recorded.occurred_at,
        recorded_at: recorded.recorded_at,
    }
}
