//! The kinds of entities that the program runs: one line for each, and no other list of them.

use actors::api_key::{self, ApiKey};
use actors::company::{self, Company};
use actors::customer::{self, Customer};
use actors::document_type::{self, DocumentType};
use actors::ids;
use actors::location::{self, Location};
use actors::order::Order;
use actors::product::{self, Product};
use actors::session::{self, Session};
use actors::shipment::Shipment;
use actors::stock::Stock;
use actors::user::{self, User};
use engine::{Builder, Entity, Event as _};
use futures::future::BoxFuture;
use serde_json::Value;
use strum::VariantNames as _;

use crate::http::export::{self, Writer};
use crate::http::problems;
use crate::http::resource::Resource;

/// What the program has to know of a kind of entity.
pub struct Kind {
    /// Its name in the journal.
    pub name: &'static str,
    /// The context whose journal holds it.
    pub context: &'static str,
    /// What its ids begin with.
    pub prefix: &'static str,
    /// The schema of its events.
    pub schema: u16,
    /// Brings the JSON of an older event to that schema.
    pub upcast: fn(u16, Value) -> Value,
    /// The codes of its refusals, each of which has a page.
    pub codes: &'static [&'static str],
    /// Has the engine run it.
    pub register: fn(Builder) -> Builder,
    /// Writes all of a company's, if they are part of its export.
    pub export: Option<Export>,
}

/// Writes all resources of a kind.
type Export = for<'a> fn(&'a Writer) -> BoxFuture<'a, anyhow::Result<()>>;

/// All kinds, in the order of an export: what others refer to comes before them.
pub static ALL: &[Kind] = &[
    resource::<Company>(ids::CompanyId::PREFIX, company::Rejection::VARIANTS),
    resource::<User>(ids::UserId::PREFIX, user::Rejection::VARIANTS),
    kind::<Session>(ids::SessionId::PREFIX, session::Rejection::VARIANTS),
    resource::<ApiKey>(ids::ApiKeyId::PREFIX, api_key::Rejection::VARIANTS),
    resource::<Customer>(ids::CustomerId::PREFIX, customer::Rejection::VARIANTS),
    resource::<DocumentType>(
        ids::DocumentTypeId::PREFIX,
        document_type::Rejection::VARIANTS,
    ),
    resource::<Location>(ids::LocationId::PREFIX, location::Rejection::VARIANTS),
    resource::<Product>(ids::ProductId::PREFIX, product::Rejection::VARIANTS),
    resource::<Stock>(ids::StockId::PREFIX, problems::STOCK),
    resource::<Order>(ids::OrderId::PREFIX, problems::ORDER),
    resource::<Shipment>(ids::ShipmentId::PREFIX, problems::SHIPMENT),
];

/// The kind of that name in the journal.
#[must_use]
pub fn of(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}

/// A kind that exports include.
const fn resource<R: Resource>(prefix: &'static str, codes: &'static [&'static str]) -> Kind {
    Kind {
        export: Some(export::resources::<R>),
        ..kind::<R>(prefix, codes)
    }
}

/// A kind that exports leave out.
const fn kind<E: Entity>(prefix: &'static str, codes: &'static [&'static str]) -> Kind {
    Kind {
        name: E::KIND,
        context: E::CONTEXT,
        prefix,
        schema: E::Event::SCHEMA,
        upcast: E::Event::upcast,
        codes,
        register: Builder::entity::<E>,
        export: None,
    }
}
