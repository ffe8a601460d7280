//! `/events`: what happened in a company, and events as the API shows them everywhere.

use std::sync::Arc;

use actors::ids;
use actors::values::milliseconds;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use engine::Recorded;
use engine::journal::{Damaged, Read};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::CONTEXTS;
use crate::http::api::{Api, Route};
use crate::http::call::Call;
use crate::http::list;
use crate::http::parameter::Form;
use crate::http::resource::page;
use crate::kinds::{self, Kind};
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

/// An event that cannot be shown: what is stored of it is damaged. Once it is repaired it is shown
/// like any other, in the same place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DamagedEvent)]
pub struct Damage {
    /// `damaged_event`.
    object: &'static str,
    /// The part of the system that it belongs to.
    context: &'static str,
    /// The shard of that part.
    shard: u16,
    /// The position in the shard's feed.
    seq: u64,
    /// What this means.
    detail: &'static str,
}

/// An event, or where one is that is damaged.
#[derive(Serialize, ToSchema)]
#[schema(as = EventOrDamage)]
#[serde(untagged)]
pub enum Shown {
    /// An event.
    Event(View),
    /// One that is damaged.
    Damage(Damage),
}

/// The members of events that are times. Known by name: a text of a client's may look like a time
/// and must be shown as it was sent.
const TIMES: [&str; 9] = [
    "at",
    "carrier_at",
    "estimated_delivery",
    "expires_at",
    "idle_expires_at",
    "locked_until",
    "occurred_at",
    "recorded_at",
    "reserve_by",
];

/// Adds the routes.
#[must_use]
pub fn routes(api: Api) -> Api {
    let what = "What happened in the company, oldest first. `next_cursor` is always there: ask \
                again with it as `after`. An empty page may come before the end of a long feed. \
                Where an event is damaged in the storage, a `damaged_event` says so.";
    api.add(
        Route::get("/events", what)
            .query(
                "after",
                "`next_cursor` of the page before; from the beginning without.",
                Form::Text,
            )
            .with(list::LIMIT_PARAMETER)
            .gives_page_of::<Shown>(),
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
        let events = read.events.iter();
        data.extend(events.map(|(context, event)| shown(CONTEXTS[*context], event)));
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
        let kind = kinds::of(&event.kind);
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

/// An event of a context as the API shows it, damaged or not.
#[must_use]
pub fn shown(context: &'static str, event: &Read) -> Value {
    let shown = match event {
        Ok(event) => Shown::Event(View::of(event)),
        Err(damaged) => Shown::Damage(Damage::of(context, damaged)),
    };
    serde_json::to_value(shown).unwrap_or_default()
}

/// An event as text.
#[must_use]
pub fn raw(event: &Recorded) -> Option<Box<RawValue>> {
    to_raw_value(&View::of(event)).ok()
}

/// Where a damaged event is, as text.
#[must_use]
pub fn raw_damaged(context: &'static str, damaged: &Damaged) -> Option<Box<RawValue>> {
    to_raw_value(&Damage::of(context, damaged)).ok()
}

impl Damage {
    /// What exactly is damaged is for operators, who find it in the log and by `quenty verify`.
    fn of(context: &'static str, damaged: &Damaged) -> Self {
        Self {
            object: "damaged_event",
            context,
            shard: damaged.shard.0,
            seq: damaged.seq,
            detail: "what is stored of this event is damaged; it is shown here once it is repaired",
        }
    }
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
    let mut data = Value::Object(members);
    write_times(&mut data);
    data
}

/// Gives the times milliseconds, as all times of the API have; they are stored without if they have
/// none. What clients keep in `metadata` is theirs.
fn write_times(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(write_times),
        Value::Object(members) => {
            for (name, member) in members.iter_mut().filter(|(name, _)| *name != "metadata") {
                match member {
                    Value::String(text) if TIMES.contains(&name.as_str()) => write_time(text),
                    member => write_times(member),
                }
            }
        }
        _ => {}
    }
}

fn write_time(text: &mut String) {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        *text = time.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true);
    }
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
    fn times_have_milliseconds_and_what_only_looks_like_one_is_left_alone() {
        let time = "2027-01-15T08:00:00Z";
        let stored = json!({
            "type": "x", "reference": time, "metadata": {"at": time},
            "expires_at": time, "scans": [{"at": "2027-01-15T08:00:00.120Z"}], "locked_until": null,
        });
        let shown = render(&recorded(&stored, Some(&json!({"at": time}))));
        let expected = json!({
            "reference": time, "metadata": {"at": time},
            "expires_at": "2027-01-15T08:00:00.000Z",
            "scans": [{"at": "2027-01-15T08:00:00.120Z"}], "locked_until": null,
            "personal": {"at": "2027-01-15T08:00:00.000Z"},
        });
        assert_eq!(shown["data"], expected);
    }

    /// Every event that there is has a golden file: a time with another name would be seen here.
    #[test]
    fn every_time_of_every_event_is_known_by_its_name() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../actors/tests/golden");
        let mut seen = 0;
        for kind in std::fs::read_dir(golden).unwrap() {
            for file in std::fs::read_dir(kind.unwrap().path()).unwrap() {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                let mut value = serde_json::from_str(&text).unwrap();
                write_times(&mut value);
                seen += check_times(&value);
            }
        }
        assert!(seen > 10, "{seen}");
    }

    /// How many times there are; fails where one has no milliseconds.
    fn check_times(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(check_times).sum(),
            Value::Object(members) => members.values().map(check_times).sum(),
            Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => {
                assert_eq!(text.len(), "2027-01-15T08:00:00.000Z".len(), "{text}");
                1
            }
            _ => 0,
        }
    }

    #[test]
    fn a_cause_that_is_no_event_is_shown_as_it_is() {
        assert_eq!(cause("import"), "import");
        assert_eq!(cause("timer-x"), "timer-x");
    }
}
