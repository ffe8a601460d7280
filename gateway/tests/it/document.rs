//! The OpenAPI document as tests that try every operation read it.

use std::collections::BTreeSet;

use serde_json::Value;

/// A field of a request's body: its place, as in a body with one element in each list, and its
/// schema.
pub(crate) type Field<'a> = (String, &'a Value);

/// Every operation, as `GET /orders/{id}` and as the document describes it.
pub(crate) fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, methods)| {
        let path = path.trim_start_matches("/api/v1");
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(move |(method, it)| (format!("{} {path}", method.to_uppercase()), it))
    })
}

/// The parameters of an operation that are in one place, such as `query`.
pub(crate) fn parameters<'a>(operation: &'a Value, place: &str) -> Vec<(&'a str, &'a Value)> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(|it| it["in"] == place)
        .map(|it| (it["name"].as_str().unwrap(), &it["schema"]))
        .collect()
}

/// Every field of an operation's body, however deep.
pub(crate) fn fields<'a>(document: &'a Value, operation: &'a Value) -> Vec<Field<'a>> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut fields = Vec::new();
    collect(document, schema, "", &mut fields);
    fields
}

fn collect<'a>(document: &'a Value, schema: &'a Value, at: &str, fields: &mut Vec<Field<'a>>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(&reference[1..]).unwrap();
        return collect(document, target, at, fields);
    }
    fields.push((at.to_owned(), schema));
    for combined in ["allOf", "oneOf", "anyOf"] {
        for part in schema[combined].as_array().into_iter().flatten() {
            collect(document, part, at, fields);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(document, property, &format!("{at}/{name}"), fields);
    }
    if !schema["items"].is_null() {
        collect(document, &schema["items"], &format!("{at}/0"), fields);
    }
}

/// What kind of id a schema describes: its prefix, such as `ord`.
pub(crate) fn id_of(schema: &Value) -> Option<&str> {
    let pattern = schema["pattern"].as_str()?.strip_prefix('^')?;
    pattern.split_once("_[0-7]").map(|(prefix, _)| prefix)
}

/// The kinds of topics that can be watched.
pub(crate) fn topics(document: &Value) -> BTreeSet<String> {
    let sse = &document["paths"]["/api/v1/live/sse"]["get"];
    let topic = parameters(sse, "query")
        .into_iter()
        .find(|(name, _)| *name == "topic");
    // As in `^(company|(shipment:shp|order:ord)_…)$`.
    let pattern = topic.unwrap().1["pattern"].as_str().unwrap();
    let words = pattern
        .split(['^', '(', '|', ')'])
        .filter(|it| !it.is_empty());
    let kinds = words.map(|word| word.split(':').next().unwrap());
    let is_name = |it: &&str| it.chars().all(|letter| letter.is_ascii_lowercase());
    kinds.filter(is_name).map(str::to_owned).collect()
}
