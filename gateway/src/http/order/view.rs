//! Orders as clients see them.

use actors::ids::{CustomerId, LocationId, ProductId, ShipmentId};
use actors::order::{
    Answer, Cancellation, Demand, Line, Note, Order, RejectReason, State, Status, Totals,
};
use actors::stock::RefusalReason;
use actors::values::{
    Address, Currency, Metadata, Money, Name, Quantity, Reference, Sku, milliseconds_if_any,
};
use chrono::{DateTime, Utc};
use engine::Versioned;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::resource::Head;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// The client's own name for it.
    reference: Option<Reference>,
    /// Where it stands.
    status: Status,
    /// Whose order it is.
    customer: CustomerId,
    /// The currency of every amount.
    currency: Currency,
    /// Where the goods go; absent once erased.
    shipping_address: Option<Address>,
    /// Where the invoice goes; absent once erased.
    billing_address: Option<Address>,
    /// What is wanted, and how far it has come.
    lines: Vec<LineView>,
    /// What it costs.
    totals: Totals,
    /// Its shipments, in the order in which they were asked for.
    shipments: Vec<ShipmentId>,
    /// The statuses that may follow.
    allowed_transitions: Vec<&'static str>,
    /// What could not be reserved.
    refusals: Vec<Refusal>,
    /// Why it was rejected.
    #[schema(value_type = Option<String>)]
    reject_reason: Option<RejectReason>,
    /// Why it was, or was to be, called off.
    #[schema(value_type = Option<String>)]
    cancel_reason: Option<Cancellation>,
    /// For whoever handles it; absent once erased.
    #[schema(value_type = Option<String>)]
    notes: Option<Note>,
    /// When it should arrive.
    #[serde(serialize_with = "milliseconds_if_any")]
    estimated_delivery: Option<DateTime<Utc>>,
    /// When it became binding.
    #[serde(serialize_with = "milliseconds_if_any")]
    placed_at: Option<DateTime<Utc>>,
    /// When all its goods were reserved.
    #[serde(serialize_with = "milliseconds_if_any")]
    confirmed_at: Option<DateTime<Utc>>,
    /// When it was rejected or cancelled.
    #[serde(serialize_with = "milliseconds_if_any")]
    ended_at: Option<DateTime<Utc>>,
    /// The client's own notes.
    metadata: Metadata,
}

/// A line, and how much of it has come how far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderLine)]
struct LineView {
    /// Its number, from 1.
    line: usize,
    /// The product.
    product: ProductId,
    /// The product's SKU when the order was written.
    sku: Sku,
    /// The product's name when the order was written.
    name: Name,
    /// Which location serves it.
    location: LocationId,
    /// How many.
    quantity: Quantity,
    /// The price of one.
    unit_price: Money,
    /// What is taken off the whole line.
    discount: Money,
    /// Tax on the whole line.
    tax: Money,
    /// Freight for the whole line.
    freight: Money,
    /// `unit_price × quantity - discount + tax + freight`.
    total: Money,
    /// How many are kept in stock for it.
    reserved: u32,
    /// How many have left.
    shipped: u32,
    /// How many were delivered.
    delivered: u32,
    /// How many were taken back.
    returned: u32,
    /// How many will never be shipped.
    cancelled: u32,
}

/// A stock item that could not keep what the order asked of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderRefusal)]
struct Refusal {
    /// The product.
    product: ProductId,
    /// The location.
    location: LocationId,
    /// Why.
    #[schema(value_type = String)]
    reason: RefusalReason,
    /// How much was wanted.
    wanted: i64,
    /// How much was available.
    available: i64,
}

impl View {
    pub(super) fn of(entity: &Versioned<Order>) -> Option<Self> {
        let state = entity.state.0.as_ref()?;
        let personal = state.personal.as_deref();
        let lines = (1..).zip(&state.lines);
        Some(Self {
            head: Head::of(entity),
            reference: state.details.reference.clone(),
            status: state.status,
            customer: state.customer,
            currency: state.currency,
            shipping_address: personal.and_then(|it| it.shipping_address.clone()),
            billing_address: personal.and_then(|it| it.billing_address.clone()),
            lines: lines
                .map(|(number, line)| LineView::of(state, number, line))
                .collect(),
            totals: state.totals,
            shipments: state.shipments.iter().map(|shipment| shipment.id).collect(),
            allowed_transitions: state.allowed_transitions(),
            refusals: state.refusals.iter().filter_map(Refusal::of).collect(),
            reject_reason: state.reject_reason,
            cancel_reason: state.cancel_reason.clone(),
            notes: personal.and_then(|it| it.notes.clone()),
            estimated_delivery: state.details.estimated_delivery,
            placed_at: state.placed_at,
            confirmed_at: state.confirmed_at,
            ended_at: state.ended_at,
            metadata: state.details.metadata.clone(),
        })
    }
}

impl LineView {
    fn of(state: &State, number: usize, line: &Line) -> Self {
        let terms = &line.terms;
        Self {
            line: number,
            product: terms.product,
            sku: terms.sku.clone(),
            name: terms.name.clone(),
            location: terms.location,
            quantity: terms.quantity,
            unit_price: terms.unit_price,
            discount: terms.discount,
            tax: terms.tax,
            freight: terms.freight,
            total: terms.total,
            reserved: state.reserved(line),
            shipped: line.shipped,
            delivered: line.delivered,
            returned: line.returned,
            cancelled: line.cancelled,
        }
    }
}

impl Refusal {
    fn of(demand: &Demand) -> Option<Self> {
        match demand.answer {
            Some(Answer::Refused { reason, available }) => Some(Self {
                product: demand.product,
                location: demand.location,
                reason,
                wanted: demand.quantity,
                available,
            }),
            _ => None,
        }
    }
}
