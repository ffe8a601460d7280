//! What is decoded from the journal: damaged events, states and ids are read or refused, never a
//! panic; what was written reads back the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use actors::api_key::ApiKey;
use actors::company::Company;
use actors::customer::Customer;
use actors::document_type::DocumentType;
use actors::location::Location;
use actors::order::Order;
use actors::product::Product;
use actors::session::Session;
use actors::shipment::Shipment;
use actors::stock::Stock;
use actors::user::User;
use engine::Entity;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// What is done to an event's JSON.
#[derive(Clone, Debug)]
enum Harm {
    /// A byte of its text is replaced.
    Byte(Index, u8),
    /// Its text ends early.
    End(Index),
    /// A value of it is replaced by another.
    Value(Index, Value),
}

fn harm() -> impl Strategy<Value = Harm> {
    let numbers = [i64::MIN, -1, 0, 1, i64::MAX].map(|it| json!(it));
    let others = [
        json!(null),
        json!(true),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!([]),
    ];
    let values = select([numbers.as_slice(), &others].concat());
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Harm::Byte(place, byte)),
        any::<Index>().prop_map(Harm::End),
        (any::<Index>(), values).prop_map(|(place, value)| Harm::Value(place, value)),
        (any::<Index>(), ".{0,20}").prop_map(|(place, text)| Harm::Value(place, json!(text))),
    ]
}

impl Harm {
    fn done_to(&self, event: &Value) -> Vec<u8> {
        let mut event = event.clone();
        let mut text = event.to_string().into_bytes();
        match self {
            Self::Byte(place, byte) => {
                let place = place.index(text.len());
                text[place] = *byte;
            }
            Self::End(place) => text.truncate(place.index(text.len())),
            Self::Value(place, value) => {
                let mut places = Vec::new();
                collect(&event, "", &mut places);
                if let Some(there) = event.pointer_mut(&places[place.index(places.len())]) {
                    *there = value.clone();
                }
                text = event.to_string().into_bytes();
            }
        }
        text
    }
}

/// The places of all values, as JSON pointers.
fn collect(value: &Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, it)| collect(it, &format!("{at}/{name}"), places));
        }
        Value::Array(items) => {
            (0..).zip(items).for_each(|(index, it): (usize, _)| {
                collect(it, &format!("{at}/{index}"), places);
            });
        }
        _ => {}
    }
}

/// One good event of each kind and form, by its file.
fn golden<E: Entity>() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(E::KIND);
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let event = |path: &Path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files
        .map(|path| (path.display().to_string(), event(&path)))
        .collect()
}

/// A first event that is good, then one that is harmed: what still reads is applied, and what that
/// leads to is stored as any state is.
fn check<E: Entity>() {
    let events = golden::<E>();
    let good: Vec<Value> = events.into_values().collect();
    let first = good
        .iter()
        .find(|it| ["created", "opened"].iter().any(|name| it["type"] == *name));
    let first: Option<E::Event> = first.map(|it| serde_json::from_value(it.clone()).unwrap());
    let config = ProptestConfig::with_cases(1_000);
    proptest!(config, |(place: Index, harm in harm())| {
        let text = harm.done_to(place.get(&good));
        let Ok(event) = serde_json::from_slice::<E::Event>(&text) else {
            return Ok(());
        };
        let written = serde_json::to_string(&event).unwrap();
        let again: E::Event = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), written);
        let state = first.iter().fold(E::default(), E::evolve).evolve(&event);
        let _ = (state.index(), state.timers(), state.claims(), state.summary());
        let written = serde_json::to_string(&state).unwrap();
        let again: E = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), written);
    });
    proptest!(|(bytes: Vec<u8>)| {
        let _ = serde_json::from_slice::<E::Event>(&bytes);
        let _ = serde_json::from_slice::<E>(&bytes);
    });
}

/// A test of each entity.
macro_rules! checks {
    ($($name:ident: $entity:ty;)*) => {
        $(#[test] fn $name() { check::<$entity>(); })*
    };
}

checks! {
    harmed_events_of_api_keys: ApiKey;
    harmed_events_of_companies: Company;
    harmed_events_of_customers: Customer;
    harmed_events_of_document_types: DocumentType;
    harmed_events_of_locations: Location;
    harmed_events_of_orders: Order;
    harmed_events_of_products: Product;
    harmed_events_of_sessions: Session;
    harmed_events_of_shipments: Shipment;
    harmed_events_of_stock: Stock;
    harmed_events_of_users: User;
}
