//! `/locations`: the places that hold stock.

use actors::ids::LocationId;
use actors::location::{Command, Details, Location, Patch, Status};
use axum::http::StatusCode;
use axum::response::Response;
use engine::{Entity as _, Versioned};
use serde::Serialize;
use strum::VariantNames as _;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Nothing, Path};
use crate::http::resource::{self, Head, Resource, created, done};
use crate::problem::Problem;

/// A location.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Location)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// Where it stands in its life.
    status: Status,
    #[serde(flatten)]
    details: Details,
}

impl Resource for Location {
    const OBJECT: &'static str = "location";
    const PATH: &'static str = "/locations";
    const STATUSES: &'static [&'static str] = Status::VARIANTS;
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        let state = entity.state.0.as_ref()?;
        Some(View {
            head: Head::of(entity),
            status: state.status,
            details: state.details.clone(),
        })
    }
}

/// The routes of locations.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(Location::CONTEXT);
    resource::routes::<Location>(api)
        .add(
            keyed(Route::post("/locations", "Opens a location"))
                .takes::<Details>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            keyed(Route::patch("/locations/{id}", "Changes a location"))
                .conditional()
                .takes::<Patch>()
                .gives::<View>(StatusCode::OK),
            update,
        )
        .add(
            keyed(Route::post(
                "/locations/{id}/activate",
                "Lets orders be served from it",
            ))
            .conditional()
            .gives::<View>(StatusCode::OK),
            async |call: Call, path: Path<LocationId>, _: Nothing| {
                act(call, path, Command::Activate).await
            },
        )
        .add(
            keyed(Route::post(
                "/locations/{id}/deactivate",
                "Lets no more orders be served from it",
            ))
            .conditional()
            .gives::<View>(StatusCode::OK),
            async |call: Call, path: Path<LocationId>, _: Nothing| {
                act(call, path, Command::Deactivate).await
            },
        )
}

async fn create(call: Call, Body(details): Body<Details>) -> Result<Response, Problem> {
    call.company()?;
    let id = LocationId::from(Uuid::now_v7());
    created(
        &call
            .create::<Location>(id, Command::Create { details })
            .await?,
    )
}

async fn update(
    call: Call,
    Path(id): Path<LocationId>,
    Body(patch): Body<Patch>,
) -> Result<Response, Problem> {
    done(&call.send::<Location>(id, Command::Update { patch }).await?)
}

async fn act(
    call: Call,
    Path(id): Path<LocationId>,
    command: Command,
) -> Result<Response, Problem> {
    done(&call.send::<Location>(id, command).await?)
}
