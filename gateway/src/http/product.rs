//! `/products`: the catalogue.

use std::sync::Arc;

use actors::ids::ProductId;
use actors::product::{Command, Details, Patch, Product, Status};
use actors::values::List;
use axum::http::StatusCode;
use axum::response::Response;
use engine::{Entity as _, Versioned};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::VariantNames as _;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Nothing, Path};
use crate::http::resource::{self, Head, Resource, created, done, json_response, shown};
use crate::http::strict;
use crate::problem::Problem;

/// Rows of a bulk import that are under way at once: enough to share commits, few enough to leave
/// others their turn.
const BULK_AT_ONCE: usize = 256;

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    /// Where it stands.
    status: Status,
    #[serde(flatten)]
    details: Details,
}

impl Resource for Product {
    const OBJECT: &'static str = "product";
    const PATH: &'static str = "/products";
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

/// Products to be listed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProducts)]
struct Bulk {
    /// The products.
    #[schema(value_type = Vec<Details>, min_items = 1, max_items = 1000)]
    products: List<Value, 1, 1_000>,
}

/// What became of products to be listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkResult)]
struct Report {
    /// One for each, in order: `index`, `status`, and `product` or `problem`.
    #[schema(value_type = Vec<Object>)]
    results: Vec<Value>,
    /// How many were listed.
    succeeded: usize,
    /// How many were not.
    failed: usize,
}

/// The routes of products.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(Product::CONTEXT);
    let act = |route: Route| keyed(route).conditional().gives::<View>(StatusCode::OK);
    resource::routes::<Product>(api)
        .add(
            keyed(Route::post("/products", "Lists a product"))
                .takes::<Details>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            keyed(Route::post(
                "/products/bulk",
                "Lists up to 1,000 products, each for itself",
            ))
            .takes::<Bulk>()
            .gives::<Report>(StatusCode::OK),
            create_many,
        )
        .add(
            act(Route::patch("/products/{id}", "Changes a product")).takes::<Patch>(),
            update,
        )
        .add(
            act(Route::post("/products/{id}/activate", "Sells it again")),
            async |call: Call, path: Path<ProductId>, _: Nothing| {
                set(call, path, Command::Activate).await
            },
        )
        .add(
            act(Route::post("/products/{id}/deactivate", "Sells it no more")),
            async |call: Call, path: Path<ProductId>, _: Nothing| {
                set(call, path, Command::Deactivate).await
            },
        )
}

async fn create(call: Call, Body(details): Body<Details>) -> Result<Response, Problem> {
    created(&list_one(&call, details).await?)
}

async fn list_one(call: &Call, details: Details) -> Result<Arc<Versioned<Product>>, Problem> {
    call.company()?;
    let details = Box::new(details);
    let id = ProductId::from(Uuid::now_v7());
    call.create::<Product>(id, Command::Create { details })
        .await
}

/// Each row stands for itself, under a key of its own. The first row that can be sent has the
/// request's key, so that the answer to the whole is kept with it.
async fn create_many(call: Call, Body(bulk): Body<Bulk>) -> Result<Response, Problem> {
    call.company()?;
    let rows: Vec<Result<Details, Problem>> =
        bulk.products.iter().map(strict::read_value).collect();
    let first = rows.iter().position(Result::is_ok);
    let rows = rows.into_iter().enumerate().map(|(index, row)| {
        let call = if first == Some(index) {
            call.clone()
        } else {
            call.step(index)
        };
        async move {
            match row {
                Ok(details) => list_one(&call, details).await.and_then(|it| shown(&it)),
                Err(problem) => Err(problem),
            }
        }
    });
    let rows: Vec<_> = futures::stream::iter(rows)
        .buffered(BULK_AT_ONCE)
        .collect()
        .await;
    let succeeded = rows.iter().filter(|row| row.is_ok()).count();
    // A row that only the machinery failed is not an answer yet: the same request ends the rest.
    if let Some(Err(problem)) = rows.iter().find(|row| is_passing(row)) {
        return Err(problem.clone());
    }
    let failed = rows.len() - succeeded;
    let results = rows.into_iter().enumerate().map(result).collect();
    let report = Report {
        results,
        succeeded,
        failed,
    };
    Ok(json_response(StatusCode::OK, &report))
}

fn is_passing(row: &Result<Value, Problem>) -> bool {
    let status = row.as_ref().err().map(Problem::status);
    status.is_some_and(|it| it.is_server_error() || it == StatusCode::TOO_MANY_REQUESTS)
}

fn result((index, row): (usize, Result<Value, Problem>)) -> Value {
    match row {
        Ok(product) => json!({ "index": index, "status": 201, "product": product }),
        Err(problem) => json!({
            "index": index,
            "status": problem.status().as_u16(),
            "problem": problem.document(None),
        }),
    }
}

async fn update(
    call: Call,
    Path(id): Path<ProductId>,
    Body(patch): Body<Patch>,
) -> Result<Response, Problem> {
    let patch = Box::new(patch);
    done(&call.send::<Product>(id, Command::Update { patch }).await?)
}

async fn set(call: Call, Path(id): Path<ProductId>, command: Command) -> Result<Response, Problem> {
    done(&call.send::<Product>(id, command).await?)
}
