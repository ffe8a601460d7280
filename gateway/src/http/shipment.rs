//! `/shipments`: parcels on their way, as their carriers' events tell.

use actors::ids::{OrderId, ShipmentId};
use actors::product::Product;
use actors::shipment::{
    Carrier, CarrierEvent, Command, Create, Line, Numbering, Parcel, Scan, Shipment, Status,
    TrackingNumber,
};
use actors::values::{Address, List, Metadata, Reference, Text, milliseconds_if_any};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use engine::{Entity as _, Versioned};
use serde::{Deserialize, Serialize};
use utoipa::{PartialSchema as _, ToSchema};
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, OrDefault, Path};
use crate::http::list::{self, Filter, On};
use crate::http::parameter::Form;
use crate::http::resource::{self, Head, Resource, created, done};
use crate::problem::Problem;

/// A shipment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shipment)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// The client's own name for it.
    reference: Option<Reference>,
    /// Where it stands.
    status: Status,
    /// The order that it serves, if any.
    order: Option<OrderId>,
    /// What is inside.
    lines: Vec<Line>,
    /// The parcels.
    parcels: Vec<Parcel>,
    /// To whom; absent once erased.
    consignee: Option<Address>,
    /// From whom.
    sender: Option<Address>,
    /// Who carries it.
    carrier: Carrier,
    /// Which of the carrier's services.
    service: Option<Text<60>>,
    /// Its number.
    tracking_number: TrackingNumber,
    /// When it should arrive.
    #[serde(serialize_with = "milliseconds_if_any")]
    estimated_delivery: Option<DateTime<Utc>>,
    /// The carrier's events, in order of the carrier's time.
    events: Vec<Scan>,
    /// The statuses that the carrier's events, or cancelling, may still bring about.
    allowed_transitions: Vec<&'static str>,
    /// Why it was called off.
    cancel_reason: Option<Text<500>>,
    /// The client's own notes.
    metadata: Metadata,
}

impl Resource for Shipment {
    const OBJECT: &'static str = "shipment";
    const PATH: &'static str = "/shipments";
    const STATUSES: &'static [&'static str] = &[
        "created",
        "booked",
        "picked_up",
        "in_transit",
        "out_for_delivery",
        "delivery_attempted",
        "available_for_pickup",
        "exception",
        "returning",
        "cancelled",
        "lost",
        "delivered",
        "returned",
    ];
    const FILTERS: &'static [Filter] = &[Filter {
        name: "order",
        what: "Only those of this order.",
        form: Form::Value(OrderId::schema),
        on: On::Parent(list::id::<OrderId>),
    }];
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        let it = &entity.state;
        let status = it.status?;
        Some(View {
            head: Head::of(entity),
            reference: it.reference.clone(),
            status,
            order: it.order,
            lines: it.lines.to_vec(),
            parcels: it.parcels.to_vec(),
            consignee: it.parties.as_ref().map(|parties| parties.consignee.clone()),
            sender: it
                .parties
                .as_ref()
                .and_then(|parties| parties.sender.clone()),
            carrier: it.carrier,
            service: it.service.clone(),
            tracking_number: it.tracking_number()?.clone(),
            estimated_delivery: it.estimated_delivery(),
            events: it.scans.iter().map(|scan| Scan::clone(scan)).collect(),
            allowed_transitions: if it.is_called_off {
                Vec::new()
            } else {
                status.next()
            },
            cancel_reason: it.cancel_reason.clone(),
            metadata: it.metadata.clone(),
        })
    }
}

/// A shipment without an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewShipment)]
struct New {
    /// What is inside.
    #[schema(value_type = Vec<Line>, max_items = 1000)]
    #[serde(default)]
    lines: List<Line, 0, 1_000>,
    /// The parcels.
    #[schema(value_type = Vec<Parcel>, min_items = 1, max_items = 100)]
    parcels: List<Parcel, 1, 100>,
    /// To whom.
    consignee: Address,
    /// From whom.
    sender: Option<Address>,
    /// Who carries it.
    #[serde(default)]
    carrier: Carrier,
    /// Which of the carrier's services.
    service: Option<Text<60>>,
    /// The carrier's number; one is made if none is given.
    tracking_number: Option<TrackingNumber>,
    /// When it should arrive.
    estimated_delivery: Option<DateTime<Utc>>,
    /// The client's own name for it, unique among the company's shipments.
    reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    metadata: Metadata,
}

/// What a carrier reports.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CarrierEvents)]
struct Events {
    /// The events, in any order; those already filed have no effect.
    #[schema(value_type = Vec<CarrierEvent>, min_items = 1, max_items = 100)]
    events: List<CarrierEvent, 1, 100>,
}

/// Why something is called off.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// Why.
    pub reason: Option<Text<500>>,
}

/// The routes of shipments.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(Shipment::CONTEXT);
    resource::routes::<Shipment>(api)
        .add(
            keyed(Route::post(
                "/shipments",
                "Makes a shipment without an order",
            ))
            .takes::<New>()
            .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            keyed(Route::post(
                "/shipments/{id}/events",
                "Files a carrier's events",
            ))
            .conditional()
            .takes::<Events>()
            .gives::<View>(StatusCode::OK),
            record,
        )
        .add(
            keyed(Route::post(
                "/shipments/{id}/cancel",
                "Calls a shipment off",
            ))
            .conditional()
            .may_take::<Cancellation>()
            .gives::<View>(StatusCode::OK),
            cancel,
        )
}

async fn create(call: Call, Body(new): Body<New>) -> Result<Response, Problem> {
    call.company()?;
    for (index, line) in new.lines.iter().enumerate() {
        if let Some(id) = line.product {
            let pointer = format!("/lines/{index}/product");
            resource::named::<Product>(&call, id, &pointer).await?;
        }
    }
    let create = Create {
        order: None,
        lines: new.lines,
        parcels: new.parcels,
        consignee: new.consignee,
        sender: new.sender,
        carrier: new.carrier,
        service: new.service,
        numbering: new.tracking_number.map_or(Numbering::Own, Numbering::Given),
        estimated_delivery: new.estimated_delivery,
        reference: new.reference,
        metadata: new.metadata,
    };
    let id = ShipmentId::from(Uuid::now_v7());
    created(
        &call
            .create::<Shipment>(id, Command::Create(Box::new(create)))
            .await?,
    )
}

async fn record(
    call: Call,
    Path(id): Path<ShipmentId>,
    Body(body): Body<Events>,
) -> Result<Response, Problem> {
    done(
        &call
            .send::<Shipment>(id, Command::Record(body.events))
            .await?,
    )
}

async fn cancel(
    call: Call,
    Path(id): Path<ShipmentId>,
    OrDefault(Cancellation { reason }): OrDefault<Cancellation>,
) -> Result<Response, Problem> {
    done(
        &call
            .send::<Shipment>(id, Command::Cancel { reason })
            .await?,
    )
}
