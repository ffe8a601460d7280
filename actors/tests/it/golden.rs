//! Every version of every event ever written stays readable.
//!
//! `tests/golden/<kind>/<event>.v<schema>.json` holds one event as it was written. Files are only
//! ever added: an event that changes gets a new schema, a new file, and an upcast from the old one.

use std::collections::BTreeSet;
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
use engine::{Entity, Event};
use serde_json::Value;
use strum::VariantNames;

#[test]
fn events_of_locations_stay_readable() {
    check::<Location>();
}

#[test]
fn events_of_orders_stay_readable() {
    check::<Order>();
}

#[test]
fn events_of_shipments_stay_readable() {
    check::<Shipment>();
}

#[test]
fn events_of_api_keys_stay_readable() {
    check::<ApiKey>();
}

#[test]
fn events_of_companies_stay_readable() {
    check::<Company>();
}

#[test]
fn events_of_customers_stay_readable() {
    check::<Customer>();
}

#[test]
fn events_of_document_types_stay_readable() {
    check::<DocumentType>();
}

#[test]
fn events_of_products_stay_readable() {
    check::<Product>();
}

#[test]
fn events_of_sessions_stay_readable() {
    check::<Session>();
}

#[test]
fn events_of_stock_stay_readable() {
    check::<Stock>();
}

#[test]
fn events_of_users_stay_readable() {
    check::<User>();
}

/// Reads every golden file of a kind, and sees that every present event has one.
fn check<E: Entity>()
where
    E::Event: VariantNames,
{
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(E::KIND);
    let mut missing: BTreeSet<&str> = E::Event::VARIANTS.iter().copied().collect();
    for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()))
    {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let (name, schema) = file
            .strip_suffix(".json")
            .and_then(|stem| stem.split_once(".v"))
            .unwrap_or_else(|| panic!("{file} should be <event>.v<schema>.json"));
        // One file shows what must be there, another what may be: `moved.v1.reference.json`.
        let schema = schema.split_once('.').map_or(schema, |(schema, _)| schema);
        let schema: u16 = schema.parse().unwrap();
        assert!(schema <= E::Event::SCHEMA, "{file} is of a schema to come");
        let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        read::<E>(&file, name, schema, golden);
        if schema == E::Event::SCHEMA {
            missing.remove(name);
        }
    }
    assert!(missing.is_empty(), "{} lacks {missing:?}", folder.display());
}

fn read<E: Entity>(file: &str, name: &str, schema: u16, golden: Value) {
    let data = if schema < E::Event::SCHEMA {
        E::Event::upcast(schema, golden.clone())
    } else {
        golden.clone()
    };
    let event: E::Event = serde_json::from_value(data.clone())
        .unwrap_or_else(|error| panic!("{file} does not read: {error}"));
    if schema == E::Event::SCHEMA {
        assert_eq!(event.name(), name, "{file} is named after its event");
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(
            without_nulls(written),
            without_nulls(golden.clone()),
            "{file}"
        );
        assert_eq!(
            event.is_personal(),
            golden.get("personal").is_some(),
            "{file}"
        );
    }
    // Applied to nothing, and without what may be erased or left out, it must not panic either.
    let mut erased = data;
    for member in ["personal", "secret"] {
        erased.as_object_mut().unwrap().remove(member);
    }
    let erased: E::Event = serde_json::from_value(erased)
        .unwrap_or_else(|error| panic!("{file} does not read when erased: {error}"));
    let _ = E::default().evolve(&event).evolve(&erased);
}

/// A member that is null says no more than one that is left out: values of a resource are shown
/// with all their members, and their older events were stored with those that were there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name, without_nulls(member)))
            .collect(),
        value => value,
    }
}
