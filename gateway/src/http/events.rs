//! `/events`: what happened in a company, and events as the API shows them everywhere.

use actors::values::milliseconds;
use std::sync::Arc;

use actors::api_key::ApiKey;
use actors::company::Company;
use actors::customer::Customer;
use actors::ids;
use actors::location::Location;
use actors::order::Order;
use actors::product::Product;
use actors::session::Session;
use actors::shipment::Shipment;
use actors::stock::Stock;
use actors::user::User;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};
use engine::{Entity, Event as _, Recorded};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::list;
use crate::http::parameter::Form;
use crate::http::resource::page;
use crate::live::cursor::Vector;
use crate::live::feed;
use crate::problem::Problem;

/// Events on a page if the client does not say.
const LIMIT: u32 = 20;
/// Stretches of other companies' events that one request skips.
const STRETCHES: usize = 16;

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct View {
    /// Its id: the same wherever the event is seen.
    id: String,
    /// `event`.
    object: &'static str,
    /// What happened to what, such as `order.placed`.
    #[serde(rename = "type")]
    kind: String,
    /// The id of what it happened to.
    resource: String,
    /// The version that the resource has with it.
    version: u64,
    /// When.
    #[serde(serialize_with = "milliseconds")]
    at: DateTime<Utc>,
    /// Who asked for it: a user, an API key, a policy, or a timer.
    #[schema(value_type = String)]
    principal: Arc<str>,
    /// The request that it was part of.
    #[schema(value_type = String)]
    request_id: Arc<str>,
    /// The id of the event that led to it.
    cause: Option<String>,
    /// The part of the system that the resource belongs to.
    context: &'static str,
    /// The shard of that part.
    shard: u16,
    /// The position in the shard's feed.
    seq: u64,
    /// What there is to say about it. What tells of a person is in `personal`, until erased.
    data: Value,
}

/// What is to be known of a kind of entity to show its events.
struct Kind {
    name: &'static str,
    context: &'static str,
    prefix: &'static str,
    schema: u16,
    upcast: fn(u16, Value) -> Value,
}

static KINDS: [Kind; 10] = [
    kind::<Company>(ids::CompanyId::PREFIX),
    kind::<User>(ids::UserId::PREFIX),
    kind::<Session>(ids::SessionId::PREFIX),
    kind::<ApiKey>(ids::ApiKeyId::PREFIX),
    kind::<Customer>(ids::CustomerId::PREFIX),
    kind::<Location>(ids::LocationId::PREFIX),
    kind::<Product>(ids::ProductId::PREFIX),
    kind::<Stock>(ids::StockId::PREFIX),
    kind::<Order>(ids::OrderId::PREFIX),
    kind::<Shipment>(ids::ShipmentId::PREFIX),
];

const fn kind<E: Entity>(prefix: &'static str) -> Kind {
    Kind {
        name: E::KIND,
        context: E::CONTEXT,
        prefix,
        schema: E::Event::SCHEMA,
        upcast: E::Event::upcast,
    }
}

/// Adds the routes.
#[must_use]
pub fn routes(api: Api) -> Api {
    let what = "What happened in the company, oldest first. `next_cursor` is always there: ask \
                again with it as `after`. An empty page may come before the end of a long feed.";
    api.add(
        Route::get("/events", what)
            .query(
                "after",
                "`next_cursor` of the page before; from the beginning without.",
                Form::Text,
            )
            .with(list::LIMIT_PARAMETER)
            .gives_page_of::<View>(),
        list,
    )
}

async fn list(call: Call, uri: Uri) -> Result<Response, Problem> {
    let tenant = call.company()?;
    let (mut position, mut limit) = (Vector::default(), LIMIT);
    for (name, value) in list::pairs(&uri)? {
        match name.as_str() {
            "after" => position = after(&call, tenant, &value).await?,
            "limit" => limit = list::limit(&value)?,
            _ => return Err(list::unknown(&name)),
        }
    }
    let mut data = Vec::new();
    for _ in 0..STRETCHES {
        let read = feed::page(&call.app.engine, tenant, &position, limit).await?;
        position = read.after;
        data.extend(read.events.iter().map(|(_, event)| render(event)));
        if read.is_end || !data.is_empty() {
            break;
        }
    }
    Ok(page(data, Some(position.encode(tenant))))
}

/// A cursor beyond the end is refused rather than waited for: data was restored since, and what
/// then took the same places would be missed.
async fn after(call: &Call, tenant: Uuid, cursor: &str) -> Result<Vector, Problem> {
    let heads = Vector::heads(&call.app.engine).await?;
    let position = Vector::decode(tenant, cursor).filter(|position| heads.covers(position));
    position.ok_or_else(|| {
        let what = "this is not a cursor of the company's events";
        Problem::bad_parameter("after", "invalid-cursor", what)
    })
}

impl View {
    /// An event as the API shows it.
    #[must_use]
    pub fn of(event: &Recorded) -> Self {
        let kind = KINDS.iter().find(|kind| kind.name == &*event.kind);
        let prefix = kind.map_or(&*event.kind, |kind| kind.prefix);
        Self {
            id: ids::event_id(event.entity, event.version),
            object: "event",
            kind: format!("{}.{}", event.kind, event.name),
            resource: format!("{prefix}_{}", ids::encode(event.entity)),
            version: event.version,
            at: event.at,
            principal: Arc::clone(&event.principal),
            request_id: Arc::clone(&event.request_id),
            cause: event.cause.as_deref().map(cause),
            context: kind.map_or("", |kind| kind.context),
            shard: event.shard.0,
            seq: event.seq,
            data: data(event, kind),
        }
    }
}

/// An event as the API shows it.
#[must_use]
pub fn render(event: &Recorded) -> Value {
    // Values of our own making: writing them cannot fail.
    serde_json::to_value(View::of(event)).unwrap_or_default()
}

/// The same as text.
#[must_use]
pub fn raw(event: &Recorded) -> Option<Box<RawValue>> {
    to_raw_value(&View::of(event)).ok()
}

/// The id of the event that led to another one, from the engine's own form.
fn cause(id: &str) -> String {
    let public = || {
        let (entity, version) = id.split_once('-')?;
        let entity = Uuid::try_parse(entity).ok()?;
        Some(ids::event_id(entity, version.parse().ok()?))
    };
    public().unwrap_or_else(|| id.to_owned())
}

/// The event in its present form, whenever it was written, without what nobody may see: hashes of
/// passwords and keys. What kind of event it is, `type` says already.
fn data(event: &Recorded, kind: Option<&Kind>) -> Value {
    let mut data = serde_json::from_str(&event.data).unwrap_or_default();
    if let Some(kind) = kind.filter(|kind| event.schema < kind.schema) {
        data = (kind.upcast)(event.schema, data);
    }
    let Value::Object(mut members) = data else {
        return Value::Object(Map::new());
    };
    members.remove("type");
    members.remove("secret");
    if let Some(personal) = &event.personal {
        let personal = serde_json::from_str(personal).unwrap_or_default();
        members.insert("personal".into(), personal);
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use engine::Shard;
    use serde_json::json;

    use super::*;

    fn recorded(data: &Value, personal: Option<&Value>) -> Recorded {
        Recorded {
            shard: Shard(3),
            seq: 9,
            kind: "user".into(),
            entity: Uuid::from_u128(1),
            version: 2,
            tenant: Uuid::from_u128(7),
            at: DateTime::from_timestamp_millis(1_800_000_000_000).unwrap(),
            name: "password_changed".into(),
            schema: 1,
            data: data.to_string().into(),
            personal: personal.map(|it| it.to_string().into()),
            principal: "usr_x".into(),
            request_id: "r".into(),
            cause: Some("00000000000000000000000000000007-12".into()),
        }
    }

    #[test]
    fn an_event_is_shown_with_public_ids_and_without_secrets() {
        let stored = json!({"type": "password_changed", "secret": "hash", "by": "reset"});
        let shown = render(&recorded(&stored, Some(&json!({"email": "a@b.example"}))));
        let expected = json!({
            "id": "evt_00000000000000000000000001-2",
            "object": "event",
            "type": "user.password_changed",
            "resource": "usr_00000000000000000000000001",
            "version": 2,
            "at": "2027-01-15T08:00:00.000Z",
            "principal": "usr_x",
            "request_id": "r",
            "cause": "evt_00000000000000000000000007-12",
            "context": "customer",
            "shard": 3,
            "seq": 9,
            "data": {"by": "reset", "personal": {"email": "a@b.example"}},
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_cause_that_is_no_event_is_shown_as_it_is() {
        assert_eq!(cause("import"), "import");
        assert_eq!(cause("timer-x"), "timer-x");
    }
}
