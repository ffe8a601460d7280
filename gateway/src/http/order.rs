//! `/orders`: written, placed, picked, packed, shipped, delivered, and what may go otherwise.

mod new;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::ids::{CustomerId, OrderId, ShipmentId};
use actors::order::{Command, Event, LINES_AT_MOST, Order, Portion, Return, Ship, State};
use actors::shipment::{self, Carrier, Parcel, Shipment, TrackingNumber};
use actors::values::{Address, List, Text};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use engine::journal::ClaimHolder;
use engine::{Entity as _, Versioned};
use serde::Deserialize;
use utoipa::{PartialSchema as _, ToSchema};
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Nothing, OrDefault, Path};
use crate::http::list::{self, Filter, On};
use crate::http::parameter::Form;
use crate::http::resource::{self, Resource, answer, done};
use crate::http::shipment::Cancellation;
use crate::problem::Problem;

pub use view::View;

/// How often a shipment that is about to be made is looked for.
const LOOK: Duration = Duration::from_millis(5);

impl Resource for Order {
    const OBJECT: &'static str = "order";
    const PATH: &'static str = "/orders";
    const STATUSES: &'static [&'static str] = &[
        "draft",
        "placed",
        "confirmed",
        "rejected",
        "picking",
        "packed",
        "cancelling",
        "cancelled",
        "partially_shipped",
        "shipped",
        "partially_delivered",
        "delivered",
        "partially_returned",
        "returned",
    ];
    const FILTERS: &'static [Filter] = &[Filter {
        name: "customer",
        what: "Only those of this customer.",
        form: Form::Value(CustomerId::schema),
        on: On::Parent(list::id::<CustomerId>),
    }];
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        View::of(entity)
    }
}

/// Goods to be handed over to a carrier.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrderShipment)]
struct NewShipment {
    /// Which goods; all that are not in a shipment yet, if not given.
    #[schema(value_type = Option<Vec<Portion>>, min_items = 1, max_items = 200)]
    lines: Option<List<Portion, 1, LINES_AT_MOST>>,
    /// The parcels; a single one that weighs what its goods do, if not given.
    #[schema(value_type = Option<Vec<Parcel>>, min_items = 1, max_items = 100)]
    parcels: Option<List<Parcel, 1, 100>>,
    /// From whom.
    sender: Option<Address>,
    /// Who carries it.
    #[serde(default)]
    carrier: Carrier,
    /// Which of the carrier's services.
    service: Option<Text<60>>,
    /// The carrier's number, if it is known already.
    tracking_number: Option<TrackingNumber>,
    /// When it should arrive.
    estimated_delivery: Option<DateTime<Utc>>,
}

/// Goods that have come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrderReturn)]
struct NewReturn {
    /// Which goods.
    #[schema(value_type = Vec<Portion>, min_items = 1, max_items = 200)]
    lines: List<Portion, 1, LINES_AT_MOST>,
    /// Whether they are fit to be sold again.
    #[serde(default = "yes")]
    restock: bool,
    /// Why they came back.
    reason: Option<Text<500>>,
}

fn yes() -> bool {
    true
}

/// The routes of orders.
#[must_use]
pub fn routes(api: Api) -> Api {
    let api = resource::routes::<Order>(api)
        .add(
            Route::post(
                "/orders",
                "Writes an order, and places it unless it is a draft",
            )
            .keyed(Order::CONTEXT)
            .waits()
            .takes::<new::New>()
            .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            act("", "Changes an order, until picking starts", Route::patch)
                .waits()
                .takes::<new::Changes>(),
            update,
        );
    api.add(
        act("/place", "Makes a draft binding", Route::post).waits(),
        place,
    )
    .add(
        act(
            "/cancel",
            "Calls it off, until the first parcel leaves",
            Route::post,
        )
        .waits()
        .may_take::<Cancellation>(),
        cancel,
    )
    .add(
        act("/pick", "Its goods are being collected", Route::post),
        async |call: Call, path: Path<OrderId>, _: Nothing| set(call, path, Command::Pick).await,
    )
    .add(
        act("/pack", "Its goods are collected and packed", Route::post),
        async |call: Call, path: Path<OrderId>, _: Nothing| set(call, path, Command::Pack).await,
    )
    .add(
        act("/ship", "Hands goods over to a carrier", Route::post)
            .waits()
            .may_take::<NewShipment>(),
        ship,
    )
    .add(
        act("/return", "Goods have come back", Route::post).takes::<NewReturn>(),
        take_back,
    )
}

/// A route that does something with an order.
fn act(step: &str, what: &str, route: fn(&str, &str) -> Route) -> Route {
    route(&format!("/orders/{{id}}{step}"), what)
        .keyed(Order::CONTEXT)
        .conditional()
        .gives::<View>(StatusCode::OK)
}

async fn create(call: Call, Body(new): Body<new::New>) -> Result<Response, Problem> {
    let is_draft = new.draft;
    let order = match call.repeated::<Order>().await? {
        Some(order) => order,
        None => {
            let create = new::create(&call, new).await?;
            let id = OrderId::from(Uuid::now_v7());
            let command = Command::Create(Box::new(create));
            call.create::<Order>(id, command).await?
        }
    };
    if is_draft {
        call.set_retold();
        return answer(StatusCode::CREATED, &order);
    }
    answer_settled(&call, StatusCode::CREATED, order).await
}

async fn update(
    call: Call,
    Path(id): Path<OrderId>,
    Body(changes): Body<new::Changes>,
) -> Result<Response, Problem> {
    let order = match call.repeated::<Order>().await? {
        Some(order) => order,
        None => {
            let patch = new::patch(&call, id, changes).await?;
            let command = Command::Update(Box::new(patch));
            call.send::<Order>(id, command).await?
        }
    };
    answer_settled(&call, StatusCode::OK, order).await
}

async fn place(call: Call, Path(id): Path<OrderId>, _: Nothing) -> Result<Response, Problem> {
    let order = call.send::<Order>(id, Command::Place).await?;
    answer_settled(&call, StatusCode::OK, order).await
}

async fn cancel(
    call: Call,
    Path(id): Path<OrderId>,
    OrDefault(Cancellation { reason }): OrDefault<Cancellation>,
) -> Result<Response, Problem> {
    let order = call.send::<Order>(id, Command::Cancel { reason }).await?;
    answer_settled(&call, StatusCode::OK, order).await
}

async fn set(call: Call, Path(id): Path<OrderId>, command: Command) -> Result<Response, Problem> {
    let order = call.send::<Order>(id, command).await?;
    call.set_retold();
    done(&order)
}

async fn ship(
    call: Call,
    Path(id): Path<OrderId>,
    OrDefault(new): OrDefault<NewShipment>,
) -> Result<Response, Problem> {
    check_number(&call, new.tracking_number.as_ref()).await?;
    let shipment = ShipmentId::from(Uuid::now_v7());
    let ship = Ship {
        shipment,
        lines: new.lines,
        parcels: new.parcels,
        sender: new.sender,
        carrier: new.carrier,
        service: new.service,
        tracking_number: new.tracking_number,
        estimated_delivery: new.estimated_delivery,
    };
    let command = Command::Ship(Box::new(ship));
    let (order, earlier) = call.send_or_recall::<Order>(id, command).await?;
    let shipment = match earlier {
        Some(Event::ShipmentRequested(event)) => event.shipment,
        _ => shipment,
    };
    let is_made = wait_for_shipment(&call, shipment).await?;
    let status = if is_made {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    answer(status, &order)
}

/// A number that another shipment has is told at once; should another take it in the same moment,
/// the shipment keeps a number of our own.
async fn check_number(call: &Call, number: Option<&TrackingNumber>) -> Result<(), Problem> {
    let Some(number) = number.filter(|_| !call.is_repeat()) else {
        return Ok(());
    };
    let shipments = call.entities::<Shipment>()?;
    let claim = format!("tracking:{number}");
    match shipments.find(ClaimHolder::Installation, &claim).await? {
        None => Ok(()),
        Some(_) => Err(Problem::refused(&shipment::Rejection::NumberTaken)),
    }
}

async fn take_back(
    call: Call,
    Path(id): Path<OrderId>,
    Body(new): Body<NewReturn>,
) -> Result<Response, Problem> {
    let command = Command::Return(Box::new(Return {
        lines: new.lines,
        restock: new.restock,
        reason: new.reason,
    }));
    done(&call.send::<Order>(id, command).await?)
}

/// The order once others have said what it waits for, or as it is when the patience ends.
async fn answer_settled(
    call: &Call,
    status: StatusCode,
    order: Arc<Versioned<Order>>,
) -> Result<Response, Problem> {
    let order = settled(call, order).await?;
    if !is_settled(&order) {
        return answer(StatusCode::ACCEPTED, &order);
    }
    call.set_retold();
    answer(status, &order)
}

async fn settled(
    call: &Call,
    order: Arc<Versioned<Order>>,
) -> Result<Arc<Versioned<Order>>, Problem> {
    // An earlier try may have waited, and is repeated.
    if call.patience.is_zero() && !call.is_repeat() {
        return Ok(order);
    }
    let orders = call.entities::<Order>()?;
    let first = orders.first(Arc::clone(&order), call.saga_deadline(), is_settled);
    match first.await {
        Ok(first) => Ok(first),
        // An earlier try may have been answered with more than this.
        Err(error) if call.is_repeat() => Err(error.into()),
        // The order is placed: not being able to read it now is no failure of the request.
        Err(_) => Ok(order),
    }
}

fn is_settled(order: &Versioned<Order>) -> bool {
    order.state.0.as_ref().is_none_or(State::is_settled)
}

/// Whether the shipment was made before the patience ends.
async fn wait_for_shipment(call: &Call, id: ShipmentId) -> Result<bool, Problem> {
    let shipments = call.entities::<Shipment>()?;
    let deadline = call.saga_deadline();
    while !call.patience.is_zero() && Instant::now() < deadline {
        let found = shipments.get(call.caller.tenant, id, deadline).await;
        if matches!(found, Ok(Some(shipment)) if shipment.state.exists()) {
            return Ok(true);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(false)
}
