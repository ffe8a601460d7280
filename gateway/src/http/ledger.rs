//! `GET /stock/movements`: the ledger of a stock item, line by line; its sums are the balance.

use actors::claims::reference_key;
use actors::ids::{self, LocationId, MovementId, OrderId, ProductId, ShipmentId, StockId};
use actors::stock::{EntryKind, Event, Note, Stock};
use actors::values::{Metadata, Reference, milliseconds};
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};
use engine::Recorded;
use serde::Serialize;
use utoipa::{PartialSchema as _, ToSchema};

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::list;
use crate::http::parameter::{Form, WHOLE_MAX};
use crate::http::resource;
use crate::problem::Problem;

/// A line of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LedgerEntry)]
struct View {
    /// The id of the event that it is part of.
    id: String,
    /// `ledger_entry`.
    object: &'static str,
    /// What kind of movement.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: EntryKind,
    /// By how much the quantity on hand changed.
    on_hand: i64,
    /// By how much the reserved quantity changed.
    reserved: i64,
    /// The movement, if it is one.
    movement: Option<MovementId>,
    /// The order, if it is for one.
    order: Option<OrderId>,
    /// The shipment, if goods left in one.
    shipment: Option<ShipmentId>,
    /// A remark.
    note: Option<Note>,
    /// The client's own name for the movement; of a transfer, where the goods left.
    reference: Option<Reference>,
    /// The client's own notes on the movement.
    metadata: Metadata,
    /// The stock item's version with it.
    version: u64,
    /// When.
    #[serde(serialize_with = "milliseconds")]
    at: DateTime<Utc>,
}

/// The route of the ledger.
#[must_use]
pub(super) fn routes(api: Api) -> Api {
    api.add(
        Route::get(
            "/stock/movements",
            "Lists the ledger of a stock item, oldest first, or finds the line with a reference",
        )
        .query(
            "stock",
            "The stock item; or else give product and location, or a reference.",
            Form::Value(StockId::schema),
        )
        .query("product", "The product.", Form::Value(ProductId::schema))
        .query("location", "The location.", Form::Value(LocationId::schema))
        .query(
            "reference",
            "Only the line of the movement with this reference, wherever it was; of a transfer, \
             the line where the goods left.",
            Form::Value(Reference::schema),
        )
        .with(list::LIMIT_PARAMETER)
        .query(
            "cursor",
            "`next_cursor` of the page before.",
            Form::Whole(0, WHOLE_MAX),
        )
        .gives_page_of::<View>(),
        list_ledger,
    )
}

struct Asked {
    of: Of,
    after: u64,
    limit: u32,
}

/// Which lines are asked for.
enum Of {
    Stock(StockId),
    Reference(Reference),
}

async fn list_ledger(call: Call, uri: Uri) -> Result<Response, Problem> {
    let Asked { of, after, limit } = asked(&uri)?;
    match of {
        Of::Stock(stock) => lines(&call, stock, after, limit).await,
        Of::Reference(reference) => line(&call, &reference).await,
    }
}

async fn line(call: &Call, reference: &Reference) -> Result<Response, Problem> {
    let entities = call.entities::<Stock>()?;
    let key = reference_key(reference);
    let event = entities.find_event(call.company()?, &key).await?;
    let view = event.as_ref().map(view).transpose()?.flatten();
    let data = view.and_then(|view| serde_json::to_value(view).ok());
    Ok(resource::page(data.into_iter().collect(), None))
}

async fn lines(
    call: &Call,
    stock: StockId,
    mut after: u64,
    limit: u32,
) -> Result<Response, Problem> {
    let item = call.get::<Stock>(stock).await?;
    let entities = call.entities::<Stock>()?;
    let mut data = Vec::new();
    // Not every event moves the balance, so a page may take several looks.
    while after < item.version && data.len() < limit as usize {
        let events = entities.history(item.tenant, stock, after, limit).await?;
        let Some(last) = events.last() else { break };
        after = last.version;
        for event in &events {
            if let Some(view) = view(event)? {
                if data.len() == limit as usize {
                    break;
                }
                after = event.version;
                data.push(view);
            }
        }
    }
    let is_full = data.len() == limit as usize;
    let next_cursor = (is_full && after < item.version).then(|| after.to_string());
    let data = data
        .into_iter()
        .filter_map(|view| serde_json::to_value(view).ok())
        .collect();
    Ok(resource::page(data, next_cursor))
}

fn asked(uri: &Uri) -> Result<Asked, Problem> {
    let (mut stock, mut product, mut location, mut reference) = (None, None, None, None);
    let (mut after, mut limit) = (0, 20);
    for (name, value) in list::pairs(uri)? {
        let bad = |what| Problem::bad_parameter(name.as_str(), "invalid-value", what);
        let no_id = |_| bad("this is no id of that kind");
        match name.as_str() {
            "stock" => stock = Some(value.parse::<StockId>().map_err(no_id)?),
            "product" => product = Some(value.parse::<ProductId>().map_err(no_id)?),
            "location" => location = Some(value.parse::<LocationId>().map_err(no_id)?),
            "reference" => {
                reference = Some(Reference::new(&value).map_err(|_| bad("no reference"))?)
            }
            "cursor" => after = list::version("cursor", &value)?,
            "limit" => limit = list::limit(&value)?,
            _ => return Err(list::unknown(&name)),
        }
    }
    let of = match (stock, product, location, reference) {
        (Some(stock), None, None, None) => Of::Stock(stock),
        (None, Some(product), Some(location), None) => Of::Stock(StockId::of(product, location)),
        (None, None, None, Some(reference)) => Of::Reference(reference),
        _ => {
            let what = "give stock, or product and location, or reference";
            return Err(Problem::bad_parameter("stock", "missing-parameter", what));
        }
    };
    Ok(Asked { of, after, limit })
}

fn view(recorded: &Recorded) -> Result<Option<View>, Problem> {
    let event = recorded.event::<Stock>().map_err(engine::Error::from)?;
    let Some(entry) = event.ledger() else {
        return Ok(None);
    };
    let mut view = View {
        id: ids::event_id(recorded.entity, recorded.version),
        object: "ledger_entry",
        kind: entry.kind,
        on_hand: entry.on_hand,
        reserved: entry.reserved,
        movement: None,
        order: None,
        shipment: None,
        note: None,
        reference: None,
        metadata: Metadata::default(),
        version: recorded.version,
        at: recorded.at,
    };
    match event {
        Event::Moved {
            movement, remarks, ..
        }
        | Event::TransferredOut {
            movement, remarks, ..
        } => {
            view.movement = Some(movement);
            (view.note, view.reference, view.metadata) =
                (remarks.note, remarks.reference, remarks.metadata);
        }
        Event::TransferredIn { movement, .. } => view.movement = Some(movement),
        Event::Reserved { order, .. } | Event::Released { order, .. } => view.order = Some(order),
        Event::Sold {
            order, shipment, ..
        }
        | Event::Strayed {
            order, shipment, ..
        } => (view.order, view.shipment) = (Some(order), Some(shipment)),
        Event::Returned {
            order, movement, ..
        } => (view.order, view.movement) = (Some(order), Some(movement)),
        Event::Opened { .. }
        | Event::Refused { .. }
        | Event::Barred { .. }
        | Event::ReorderPointSet { .. } => {}
    }
    Ok(Some(view))
}
