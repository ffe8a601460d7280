//! Orders as clients write them, and what is read for them elsewhere: prices, addresses, defaults.

use actors::company::Company;
use actors::customer::{self, Customer};
use actors::ids::{CustomerId, LocationId, OrderId, ProductId};
use actors::location::{self, Location};
use actors::order::{Create, LINES_AT_MOST, NewLine, Note, Order, Patch};
use actors::product::{self, Product};
use actors::values::{Address, Currency, List, Metadata, Money, Quantity, Reference, given};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::call::Call;
use crate::http::resource::named;
use crate::problem::Problem;

/// Lines for which products are read at once.
const READ_AT_ONCE: usize = 32;

/// An order to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrder)]
pub(super) struct New {
    /// Whose order it is.
    customer: CustomerId,
    /// The currency of every amount; the company's, if not given.
    currency: Option<Currency>,
    /// What is wanted.
    #[schema(value_type = Vec<Line>, min_items = 1, max_items = 200)]
    lines: List<Line, 1, LINES_AT_MOST>,
    /// Whether it is to stay a draft.
    #[serde(default)]
    pub(super) draft: bool,
    /// Where the goods go; the customer's, if not given.
    shipping_address: Option<Address>,
    /// Where the invoice goes; the customer's, if not given.
    billing_address: Option<Address>,
    /// For whoever handles it.
    notes: Option<Note>,
    /// The client's own name for it, unique in the company.
    reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    metadata: Metadata,
    /// When it should arrive.
    estimated_delivery: Option<DateTime<Utc>>,
}

/// A line of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrderLine)]
pub(super) struct Line {
    /// The product.
    product: ProductId,
    /// Which location serves it; the company's default one, if not given.
    location: Option<LocationId>,
    /// How many.
    quantity: Quantity,
    /// The price of one; the product's, if not given.
    unit_price: Option<Money>,
    /// What is taken off the whole line.
    discount: Option<Money>,
    /// Tax on the whole line.
    tax: Option<Money>,
    /// Freight for the whole line.
    freight: Option<Money>,
}

/// Changes to an order: what is left out stays as it is, null clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderPatch)]
pub(super) struct Changes {
    /// All lines, in place of the present ones.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<Line>, min_items = 1, max_items = 200)]
    lines: Option<List<Line, 1, LINES_AT_MOST>>,
    /// Where the goods go.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Address>)]
    shipping_address: Option<Option<Address>>,
    /// Where the invoice goes.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Address>)]
    billing_address: Option<Option<Address>>,
    /// For whoever handles it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Note>)]
    notes: Option<Option<Note>>,
    /// The client's own name for it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Reference>)]
    reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    metadata: Option<Metadata>,
    /// When it should arrive.
    #[serde(default, deserialize_with = "given")]
    estimated_delivery: Option<Option<DateTime<Utc>>>,
}

/// The order with what the catalogue, the company and the customer say.
pub(super) async fn create(call: &Call, new: New) -> Result<Create, Problem> {
    let customer = customer(call, new.customer).await?;
    let currency = match new.currency {
        Some(currency) => currency,
        None => company(call).await?.currency,
    };
    Ok(Create {
        customer: new.customer,
        currency,
        lines: lines(call, new.lines).await?,
        is_draft: new.draft,
        shipping_address: new
            .shipping_address
            .or_else(|| customer.shipping_address().cloned()),
        billing_address: new
            .billing_address
            .or_else(|| customer.billing_address().cloned()),
        notes: new.notes,
        reference: new.reference,
        metadata: new.metadata,
        estimated_delivery: new.estimated_delivery,
    })
}

/// The changes with what the catalogue and the company say.
pub(super) async fn patch(call: &Call, id: OrderId, changes: Changes) -> Result<Patch, Problem> {
    // An order that is not there is told before what is wrong with its new lines.
    call.get::<Order>(id).await?;
    Ok(Patch {
        lines: match changes.lines {
            Some(new) => Some(lines(call, new).await?),
            None => None,
        },
        shipping_address: changes.shipping_address,
        billing_address: changes.billing_address,
        notes: changes.notes,
        reference: changes.reference,
        metadata: changes.metadata,
        estimated_delivery: changes.estimated_delivery,
    })
}

async fn customer(call: &Call, id: CustomerId) -> Result<customer::State, Problem> {
    call.company()?;
    let customer = named::<Customer>(call, id, "/customer").await?;
    let state = customer.state.0.clone().ok_or_else(Problem::not_found)?;
    match state.status {
        customer::Status::Active => Ok(state),
        customer::Status::Blocked => Err(Problem::invalid(
            "/customer",
            "customer-blocked",
            "no new orders are taken from this customer",
        )),
    }
}

async fn company(call: &Call) -> Result<actors::company::Details, Problem> {
    let tenant = call.company()?;
    let company = call.get::<Company>(tenant.into()).await?;
    let state = company.state.0.as_ref().ok_or_else(Problem::not_found)?;
    Ok(state.details.clone())
}

async fn lines(
    call: &Call,
    lines: List<Line, 1, LINES_AT_MOST>,
) -> Result<List<NewLine, 1, LINES_AT_MOST>, Problem> {
    let default = match lines.iter().any(|line| line.location.is_none()) {
        true => company(call).await?.settings.default_location,
        false => None,
    };
    let lines = lines.into_inner().into_iter().enumerate();
    let read = lines.map(|(index, line)| complete(call, index, line, default));
    let lines: Vec<NewLine> = futures::stream::iter(read)
        .buffered(READ_AT_ONCE)
        .try_collect()
        .await?;
    List::new(lines).map_err(|_| Problem::internal())
}

async fn complete(
    call: &Call,
    index: usize,
    line: Line,
    default: Option<LocationId>,
) -> Result<NewLine, Problem> {
    let at = |field: &str| format!("/lines/{index}/{field}");
    let product = named::<Product>(call, line.product, &at("product")).await?;
    let product = product.state.0.as_ref().ok_or_else(Problem::not_found)?;
    if product.status == product::Status::Inactive {
        let what = "the product is not sold";
        return Err(Problem::invalid(at("product"), "product-inactive", what));
    }
    let location = line.location.or(default).ok_or_else(|| {
        let what = "name a location: the company has no default one";
        Problem::invalid(at("location"), "location-missing", what)
    })?;
    let site = named::<Location>(call, location, &at("location")).await?;
    if site.state.0.as_ref().map(|it| it.status) == Some(location::Status::Inactive) {
        let what = "no orders are served from this location";
        return Err(Problem::invalid(at("location"), "location-inactive", what));
    }
    let details = &product.details;
    Ok(NewLine {
        product: line.product,
        sku: details.sku.clone(),
        name: details.name.clone(),
        location,
        quantity: line.quantity,
        unit_price: line.unit_price.unwrap_or(details.price),
        discount: line.discount,
        tax: line.tax,
        freight: line.freight,
        weight_g: details.weight_g,
        backorderable: details.backorderable,
    })
}
