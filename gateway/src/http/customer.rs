//! `/customers`: who orders.

use actors::customer::{AddressEntry, Person};
use actors::customer::{Command, Customer, Details, Kind, Patch, Status};
use actors::ids::CustomerId;
use actors::values::{Email, List, Metadata, Money, Name, Phone, Reference, Text};
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

/// A customer. What tells of a person is absent once erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Customer)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// Where the customer stands.
    status: Status,
    /// Whether a person or a business.
    #[serde(rename = "type")]
    kind: Kind,
    /// The name.
    name: Option<Name>,
    /// Where to write to.
    email: Option<Email>,
    /// Where to call.
    phone: Option<Phone>,
    /// Where to send goods and bills.
    #[schema(value_type = Vec<AddressEntry>)]
    addresses: List<AddressEntry, 0, 20>,
    /// How much the customer may owe.
    credit_limit: Option<Money>,
    /// Remarks.
    notes: Option<Text<2000>>,
    /// The client's own name for the customer.
    reference: Option<Reference>,
    /// The client's own notes.
    metadata: Metadata,
}

impl Resource for Customer {
    const OBJECT: &'static str = "customer";
    const PATH: &'static str = "/customers";
    const STATUSES: &'static [&'static str] = Status::VARIANTS;
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        let state = entity.state.0.as_ref()?;
        let (account, person) = (&state.account, state.person.as_deref());
        Some(View {
            head: Head::of(entity),
            status: state.status,
            kind: account.kind,
            name: person.map(|person| person.name.clone()),
            email: person.and_then(|person| person.email.clone()),
            phone: person.and_then(|person| person.phone.clone()),
            addresses: person.map_or_else(List::default, |it: &Person| it.addresses.clone()),
            credit_limit: account.credit_limit,
            notes: person.and_then(|person| person.notes.clone()),
            reference: account.reference.clone(),
            metadata: account.metadata.clone(),
        })
    }
}

/// The routes of customers.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(Customer::CONTEXT);
    let act = |route: Route| keyed(route).conditional().gives::<View>(StatusCode::OK);
    resource::routes::<Customer>(api)
        .add(
            keyed(Route::post("/customers", "Takes a customer on"))
                .takes::<Details>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            act(Route::patch("/customers/{id}", "Changes a customer")).takes::<Patch>(),
            update,
        )
        .add(
            act(Route::post("/customers/{id}/block", "Takes no new orders"))
                .may_take::<Cancellation>(),
            block,
        )
        .add(
            act(Route::post("/customers/{id}/unblock", "Takes orders again")),
            unblock,
        )
}

async fn create(call: Call, Body(details): Body<Details>) -> Result<Response, Problem> {
    call.company()?;
    let details = Box::new(details);
    let id = CustomerId::from(Uuid::now_v7());
    created(
        &call
            .create::<Customer>(id, Command::Create { details })
            .await?,
    )
}

async fn update(
    call: Call,
    Path(id): Path<CustomerId>,
    Body(patch): Body<Patch>,
) -> Result<Response, Problem> {
    let patch = Box::new(patch);
    done(&call.send::<Customer>(id, Command::Update { patch }).await?)
}

async fn block(
    call: Call,
    Path(id): Path<CustomerId>,
    OrDefault(Cancellation { reason }): OrDefault<Cancellation>,
) -> Result<Response, Problem> {
    done(&call.send::<Customer>(id, Command::Block { reason }).await?)
}

async fn unblock(call: Call, Path(id): Path<CustomerId>, _: Nothing) -> Result<Response, Problem> {
    done(&call.send::<Customer>(id, Command::Unblock).await?)
}
