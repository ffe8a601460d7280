//! `/document-types`: which identity documents a company knows, and whether a number is one's.

use actors::document_type::{Category, Command, Details, DocumentType, Patch, Verdict};
use actors::ids::{self, DocumentTypeId};
use actors::values::{CountryCode, DocumentCode, Text};
use axum::http::StatusCode;
use axum::response::Response;
use engine::{Entity as _, Versioned};
use serde::{Deserialize, Serialize};
use strum::VariantNames as _;
use utoipa::{PartialSchema as _, ToSchema};
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::extract::{Body, Path};
use crate::http::list::{Filter, On};
use crate::http::parameter::Form;
use crate::http::resource::{self, Head, Resource, created, done, json_response};
use crate::problem::Problem;

/// A document type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentType)]
pub struct View {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    details: Details,
}

impl Resource for DocumentType {
    const OBJECT: &'static str = "document_type";
    const PATH: &'static str = "/document-types";
    const STATUSES: &'static [&'static str] = &[];
    const FILTERS: &'static [Filter] = &[
        Filter {
            name: "country",
            what: "Only those of this country; without those of any.",
            form: Form::Value(CountryCode::schema),
            on: On::Site(|text| Some(ids::named(CountryCode::new(text).ok()?.as_str()))),
        },
        Filter {
            name: "category",
            what: "Only of one of these categories, separated by commas.",
            form: Form::SomeOf(Category::VARIANTS),
            on: On::Status(Category::VARIANTS),
        },
        Filter {
            name: "active",
            what: "Only those in use, `true`, or not in use, `false`.",
            form: Form::Flag,
            on: On::Flag,
        },
        Filter {
            name: "code",
            what: "Only with this code.",
            form: Form::Value(DocumentCode::schema),
            on: On::Parent(|text| Some(ids::named(DocumentCode::new(text).ok()?.as_str()))),
        },
    ];
    type View = View;

    fn view(entity: &Versioned<Self>) -> Option<View> {
        Some(View {
            head: Head::of(entity),
            details: entity.state.0.clone()?,
        })
    }
}

/// A number to be validated.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentNumber)]
struct Question {
    /// The number as people write it.
    number: Text<200>,
}

/// The routes of document types.
#[must_use]
pub fn routes(api: Api) -> Api {
    let keyed = |route: Route| route.keyed(DocumentType::CONTEXT);
    resource::routes::<DocumentType>(api)
        .add(
            keyed(Route::post("/document-types", "Defines a document type"))
                .takes::<Details>()
                .gives::<View>(StatusCode::CREATED),
            create,
        )
        .add(
            keyed(Route::patch(
                "/document-types/{id}",
                "Changes a document type",
            ))
            .conditional()
            .takes::<Patch>()
            .gives::<View>(StatusCode::OK),
            update,
        )
        .add(
            Route::post(
                "/document-types/{id}/validate",
                "Says whether a number is well formed; changes nothing",
            )
            .takes::<Question>()
            .gives::<Verdict>(StatusCode::OK),
            validate,
        )
}

async fn create(call: Call, Body(details): Body<Details>) -> Result<Response, Problem> {
    call.company()?;
    let details = Box::new(details);
    let id = DocumentTypeId::from(Uuid::now_v7());
    let create = Command::Create { details };
    created(&call.create::<DocumentType>(id, create).await?)
}

async fn update(
    call: Call,
    Path(id): Path<DocumentTypeId>,
    Body(patch): Body<Patch>,
) -> Result<Response, Problem> {
    let patch = Box::new(patch);
    let update = Command::Update { patch };
    done(&call.send::<DocumentType>(id, update).await?)
}

async fn validate(
    call: Call,
    Path(id): Path<DocumentTypeId>,
    Body(question): Body<Question>,
) -> Result<Response, Problem> {
    let kind = call.get::<DocumentType>(id).await?;
    let details = kind.state.0.as_ref().ok_or_else(Problem::not_found)?;
    let verdict = details.rule.validate(question.number.as_str());
    Ok(json_response(StatusCode::OK, &verdict))
}
