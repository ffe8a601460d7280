//! `/companies`: taken on by superusers, seen by their own people.

use actors::company::{Command, Company, Details, Patch, Status};
use actors::ids::{CompanyId, LocationId};
use actors::location::{self, Location};
use actors::user::Role;
use axum::http::StatusCode;
use axum::response::Response;
use engine::{Entity as _, Versioned};
use serde::Serialize;
use strum::VariantNames as _;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Nothing, OrDefault, Path};
use crate::http::resource::{self, Head, Resource, created, done};
use crate::http::shipment::Cancellation;
use crate::problem::Problem;

/// A company.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Company)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// Where it stands.
    status: Status,
    #[serde(flatten)]
    details: Details,
}

impl Resource for Company {
    const OBJECT: &'static str = "company";
    const PATH: &'static str = "/companies";
    const STATUSES: &'static [&'static str] = Status::VARIANTS;
    type View = View;

    /// Superusers list all companies, others their own.
    fn scope(call: &Call) -> Result<Option<Uuid>, Problem> {
        Ok(Some(call.caller.tenant).filter(|tenant| !tenant.is_nil()))
    }

    /// A company is its own tenant, and superusers see every one.
    fn tenant(call: &Call, id: CompanyId) -> Uuid {
        match call.caller.role {
            Some(Role::Superuser) => id.into(),
            _ => call.caller.tenant,
        }
    }

    fn view(entity: &Versioned<Self>) -> Option<View> {
        let state = entity.state.0.as_ref()?;
        Some(View {
            head: Head::of(entity),
            status: state.status,
            details: state.details.clone(),
        })
    }
}

/// The routes of companies.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(Company::CONTEXT);
    let act = |route: Route| keyed(route).conditional().gives::<View>(StatusCode::OK);
    resource::routes::<Company>(api)
        .add(
            keyed(Route::post("/companies", "Takes a company on (superuser)"))
                .takes::<Details>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            act(Route::patch("/companies/{id}", "Changes a company")).takes::<Patch>(),
            update,
        )
        .add(
            act(Route::post(
                "/companies/{id}/suspend",
                "Lets nobody of it in (superuser)",
            ))
            .may_take::<Cancellation>(),
            suspend,
        )
        .add(
            act(Route::post(
                "/companies/{id}/activate",
                "Lets its people in (superuser)",
            )),
            activate,
        )
}

async fn create(call: Call, Body(details): Body<Details>) -> Result<Response, Problem> {
    call.superuser()?;
    if details.settings.default_location.is_some() {
        return Err(no_location());
    }
    // A company belongs to itself: under a new id, the one made before would be another's.
    let id = call.made().unwrap_or_else(Uuid::now_v7);
    let details = Box::new(details);
    let command = Command::Create { details };
    created(&call.send_in::<Company>(id, id.into(), command).await?)
}

async fn update(
    call: Call,
    Path(id): Path<CompanyId>,
    Body(patch): Body<Patch>,
) -> Result<Response, Problem> {
    call.admin()?;
    let settings = patch.settings.as_ref();
    if let Some(location) = settings.and_then(|it| it.default_location.flatten()) {
        check_location(&call, id, location).await?;
    }
    let patch = Box::new(patch);
    send(&call, id, Command::Update { patch }).await
}

async fn suspend(
    call: Call,
    Path(id): Path<CompanyId>,
    OrDefault(Cancellation { reason }): OrDefault<Cancellation>,
) -> Result<Response, Problem> {
    call.superuser()?;
    send(&call, id, Command::Suspend { reason }).await
}

async fn activate(call: Call, Path(id): Path<CompanyId>, _: Nothing) -> Result<Response, Problem> {
    call.superuser()?;
    send(&call, id, Command::Activate).await
}

async fn send(call: &Call, id: CompanyId, command: Command) -> Result<Response, Problem> {
    let tenant = Company::tenant(call, id);
    done(&call.send_in::<Company>(tenant, id, command).await?)
}

async fn check_location(
    call: &Call,
    company: CompanyId,
    location: LocationId,
) -> Result<(), Problem> {
    let tenant = Company::tenant(call, company);
    let found = call.get_in::<Location>(tenant, location).await;
    let site = found.map_err(|problem| match problem.status() {
        StatusCode::NOT_FOUND => no_location(),
        _ => problem,
    })?;
    match site.state.0.as_ref().map(|state| state.status) {
        Some(location::Status::Active) => Ok(()),
        _ => Err(Problem::invalid(
            "/settings/default_location",
            "location-inactive",
            "no orders are served from this location",
        )),
    }
}

fn no_location() -> Problem {
    Problem::invalid(
        "/settings/default_location",
        "not-found",
        "the company has no such location",
    )
}
