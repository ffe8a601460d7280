//! `/stock`: what is where, and the movements that are entered.

use actors::ids::{LocationId, MovementId, ProductId, StockId};
use actors::location::Location;
use actors::product::Product;
use actors::stock::{Action, Command, Event, MoveKind, Note, Remarks, Stock, Summary};
use actors::values::{Metadata, Reference, given};
use axum::http::StatusCode;
use axum::response::Response;
use engine::journal::Document;
use engine::{Entity as _, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{PartialSchema as _, ToSchema};
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Path};
use crate::http::ledger;
use crate::http::list::{self, Filter, On};
use crate::http::parameter::Form;
use crate::http::resource::{self, Head, Resource, done, json_response};
use crate::problem::Problem;

/// A product at a location.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockItem)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// The product.
    product: ProductId,
    /// The location.
    location: LocationId,
    /// How much is there.
    on_hand: i64,
    /// How much is kept for orders.
    reserved: i64,
    /// `on_hand - reserved`; negative only when orders accept to wait.
    available: i64,
    /// From which available quantity down it counts as low.
    reorder_point: Option<i64>,
    /// Whether it is low.
    low: bool,
}

impl View {
    fn of(head: Head, balance: &Summary) -> Option<Self> {
        let item = balance.item?;
        Some(Self {
            head,
            product: item.product,
            location: item.location,
            on_hand: balance.on_hand,
            reserved: balance.reserved,
            available: balance.available,
            reorder_point: balance.reorder_point,
            low: balance.is_low,
        })
    }
}

impl Resource for Stock {
    const OBJECT: &'static str = "stock_item";
    const PATH: &'static str = "/stock";
    const STATUSES: &'static [&'static str] = &["open"];
    const FILTERS: &'static [Filter] = &[
        Filter {
            name: "product",
            what: "Only of this product.",
            form: Form::Value(ProductId::schema),
            on: On::Parent(list::id::<ProductId>),
        },
        Filter {
            name: "location",
            what: "Only at this location.",
            form: Form::Value(LocationId::schema),
            on: On::Site(list::id::<LocationId>),
        },
        Filter {
            name: "low",
            what: "`true`: only those that are low; `false`: only the others.",
            form: Form::Flag,
            on: On::Flag,
        },
    ];
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        View::of(Head::of(entity), &entity.state.balance())
    }

    fn listed(document: &Document) -> Option<Value> {
        let balance: Summary = serde_json::from_str(document.listed.as_deref()?).ok()?;
        let head = Head {
            id: StockId::from(document.id).to_string(),
            object: Self::OBJECT,
            version: document.version,
            created_at: document.created_at,
            updated_at: document.updated_at,
        };
        serde_json::to_value(View::of(head, &balance)?).ok()
    }
}

/// A movement to be entered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMovement {
    /// What kind.
    #[serde(rename = "type")]
    kind: Kind,
    /// The product.
    product: ProductId,
    /// Where it happens; for a transfer, where the goods leave.
    location: LocationId,
    /// For a transfer, where the goods go.
    to: Option<LocationId>,
    /// How much: positive, except for an adjustment, whose sign says the direction.
    #[schema(minimum = -1_000_000_000_000_i64, maximum = 1_000_000_000_000_i64)]
    quantity: i64,
    /// A remark; for an adjustment the reason, which must be given.
    note: Option<Note>,
    /// The client's own name for it, which no other movement of the company's may have. A transfer
    /// is one movement with a line in two ledgers: the line where the goods leave has it.
    reference: Option<Reference>,
    /// The client's own notes; for a transfer, in the line where the goods leave.
    #[serde(default)]
    metadata: Metadata,
}

/// The kinds of movements that staff enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MovementType)]
enum Kind {
    /// Goods arrive from outside.
    Receipt,
    /// Goods leave without an order.
    Issue,
    /// The books are brought in line with a count.
    Adjustment,
    /// Goods go to another location.
    Transfer,
}

/// A movement that was entered.
#[derive(Debug, Serialize, ToSchema)]
struct Movement {
    #[serde(flatten)]
    head: Head,
    /// What kind.
    #[serde(rename = "type")]
    kind: Kind,
    /// The product.
    product: ProductId,
    /// Where it happened.
    location: LocationId,
    /// For a transfer, where the goods go.
    to: Option<LocationId>,
    /// How much.
    quantity: i64,
    /// The remark.
    note: Option<Note>,
    /// The client's own name for it.
    reference: Option<Reference>,
    /// The client's own notes.
    metadata: Metadata,
    /// The stock item after it.
    stock: View,
}

/// Changes to a stock item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StockItemPatch)]
struct Patch {
    /// From which available quantity down it counts as low; null if never.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<i64>, required = true, minimum = 0, maximum = 1_000_000_000_000_i64)]
    reorder_point: Option<Option<i64>>,
}

/// The routes of stock.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(Stock::CONTEXT);
    let api = ledger::routes(api).add(
        keyed(Route::post("/stock/movements", "Enters a movement"))
            .conditional_on("The version of the stock item at `location`, quoted: a count holds for what was counted.")
            .takes::<NewMovement>()
            .gives::<Movement>(StatusCode::CREATED),
        enter,
    );
    resource::routes::<Stock>(api).add(
        keyed(Route::patch("/stock/{id}", "Changes a stock item"))
            .conditional()
            .takes::<Patch>()
            .gives::<View>(StatusCode::OK),
        update,
    )
}

async fn enter(call: Call, Body(new): Body<NewMovement>) -> Result<Response, Problem> {
    call.company()?;
    resource::named::<Product>(&call, new.product, "/product").await?;
    resource::named::<Location>(&call, new.location, "/location").await?;
    if let Some(to) = new.to {
        resource::named::<Location>(&call, to, "/to").await?;
    }
    let movement = MovementId::from(Uuid::now_v7());
    let command = Command {
        product: new.product,
        location: new.location,
        action: action(&new, movement)?,
    };
    let (item, earlier) = call
        .send_or_recall::<Stock>(command.addressee(), command)
        .await?;
    let movement = match earlier {
        Some(Event::Moved { movement, .. } | Event::TransferredOut { movement, .. }) => movement,
        _ => movement,
    };
    let movement = Movement {
        // A movement never changes: its first version is its only one.
        head: Head {
            id: movement.to_string(),
            object: "movement",
            version: 1,
            created_at: item.updated_at,
            updated_at: item.updated_at,
        },
        kind: new.kind,
        product: new.product,
        location: new.location,
        to: new.to,
        quantity: new.quantity,
        note: new.note,
        reference: new.reference,
        metadata: new.metadata,
        stock: Stock::view(&item).ok_or_else(Problem::internal)?,
    };
    Ok(json_response(StatusCode::CREATED, &movement))
}

fn action(new: &NewMovement, movement: MovementId) -> Result<Action, Problem> {
    let quantity = new.quantity;
    let remarks = Remarks {
        note: new.note.clone(),
        reference: new.reference.clone(),
        metadata: new.metadata.clone(),
    };
    let kind = match (new.kind, new.to) {
        (Kind::Transfer, Some(to)) => {
            return Ok(Action::TransferOut {
                movement,
                to,
                quantity,
                remarks,
            });
        }
        (Kind::Transfer, None) => {
            let what = "a transfer says where the goods go";
            return Err(Problem::invalid("/to", "destination-missing", what));
        }
        (_, Some(_)) => {
            let what = "only a transfer goes to another location";
            return Err(Problem::invalid("/to", "destination-misplaced", what));
        }
        (Kind::Receipt, None) => MoveKind::Receipt,
        (Kind::Issue, None) => MoveKind::Issue,
        (Kind::Adjustment, None) => MoveKind::Adjustment,
    };
    Ok(Action::Move {
        movement,
        kind,
        quantity,
        remarks,
    })
}

async fn update(
    call: Call,
    Path(id): Path<StockId>,
    Body(patch): Body<Patch>,
) -> Result<Response, Problem> {
    let stock = call.get::<Stock>(id).await?;
    let item = stock.state.item.ok_or_else(Problem::not_found)?;
    let command = Command {
        product: item.product,
        location: item.location,
        action: Action::SetReorderPoint {
            reorder_point: patch.reorder_point.flatten(),
        },
    };
    done(&call.send::<Stock>(id, command).await?)
}
