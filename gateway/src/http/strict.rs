//! JSON as strictly as an API for machines should read it: no duplicate keys, no NUL, exact fields.

mod objects;

use std::collections::HashSet;
use std::fmt;

use actors::values::Invalid;
use axum::http::StatusCode;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment, Track};

use crate::problem::Problem;
use objects::Objects;

/// What our own check says of a text with NUL; Postgres cannot hold one.
const NUL: &str = "text must not contain NUL";

/// Reads a body.
///
/// # Errors
/// 400 when it is no JSON, or ambiguous; 422 with a pointer when it is not what `T` takes.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    check(body)?;
    let mut track = Track::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let objects = Objects(&mut deserializer);
    let tracked = serde_path_to_error::Deserializer::new(objects, &mut track);
    T::deserialize(tracked).map_err(|error| refusal(&error, &track.path()))
}

/// Reads a value that is part of a body, and was checked with it.
///
/// # Errors
/// 422 with a pointer, from the value on, when it is not what `T` takes.
pub(crate) fn read_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, Problem> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(Objects(value), &mut track);
    T::deserialize(tracked).map_err(|error| refusal(&error, &track.path()))
}

/// What serde's derived code does not see: keys that come twice in free-form parts, and NUL.
fn check(body: &[u8]) -> Result<(), Problem> {
    let mut track = Track::new();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let outcome = Unambiguous
        .deserialize(tracked)
        .and_then(|()| deserializer.end());
    outcome.map_err(|error| match error.classify() {
        Category::Data if error.to_string().starts_with(NUL) => {
            Problem::invalid(pointer(&track.path()), "invalid-value", NUL)
        }
        _ => Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            format!("the body is not acceptable JSON: {error}"),
        ),
    })
}

fn refusal(error: &serde_json::Error, path: &Path) -> Problem {
    let said = error.to_string();
    // serde_json adds its position, which says nothing that the pointer does not.
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(what, _)| what);
    if let Some((code, message)) = Invalid::split(said) {
        return Problem::invalid(pointer(path), code.to_owned(), message);
    }
    let code = match said {
        said if said.starts_with("unknown field") => "unknown-field",
        said if said.starts_with("missing field") => {
            let place = format!("{}/{}", pointer(path), quoted(said));
            return Problem::invalid(place, "missing-field", "this field is needed");
        }
        said if said.starts_with("invalid type") => "invalid-type",
        _ => "invalid-value",
    };
    Problem::invalid(pointer(path), code, said)
}

/// The name between the first pair of backquotes.
fn quoted(text: &str) -> &str {
    text.split('`').nth(1).unwrap_or_default()
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            // The variant of an enum is not a place in the JSON.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Any JSON value without duplicate keys and without NUL.
#[derive(Clone, Copy)]
struct Unambiguous;

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') {
            return Err(E::custom(NUL));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            self.visit_str::<A::Error>(&key)?;
            members.next_value_seed(self)?;
            if let Some(twice) = seen.replace(key) {
                return Err(A::Error::custom(format!("key {twice:?} comes twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        metadata: std::collections::BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        quantity: u32,
    }

    fn refused(body: &str) -> (u16, String, String) {
        let problem = read::<Order>(body.as_bytes()).unwrap_err();
        let fault = problem.errors().first().cloned().unwrap_or_default();
        (
            problem.status().as_u16(),
            fault.pointer.unwrap_or_default(),
            if fault.code.is_empty() {
                problem.code().to_owned()
            } else {
                fault.code.into_owned()
            },
        )
    }

    #[test]
    fn a_good_body_is_read() {
        let order: Order = read(br#"{"lines":[{"quantity":2}],"metadata":{"a":"b"}}"#).unwrap();
        assert_eq!(order.lines[0].quantity, 2);
        assert_eq!(order.metadata["a"], "b");
    }

    #[test]
    fn every_misfit_has_a_pointer() {
        let cases = [
            (
                r#"{"lines":[{"quantity":"2"}]}"#,
                "/lines/0/quantity",
                "invalid-type",
            ),
            (
                r#"{"lines":[{"quantity":-2}]}"#,
                "/lines/0/quantity",
                "invalid-value",
            ),
            (r#"{"lines":[{}]}"#, "/lines/0/quantity", "missing-field"),
            (
                r#"{"lines":[{"quantity":1,"x":1}]}"#,
                "/lines/0/x",
                "unknown-field",
            ),
            (r#"{"nope":1}"#, "/nope", "unknown-field"),
            (r#"{"lines":[[2]]}"#, "/lines/0", "invalid-type"),
            (r#"[[]]"#, "", "invalid-type"),
            (
                r#"{"metadata":{"a/b":1}}"#,
                "/metadata/a~1b",
                "invalid-type",
            ),
            (
                r#"{"metadata":{"a":"x\u0000"}}"#,
                "/metadata/a",
                "invalid-value",
            ),
        ];
        for (body, pointer, code) in cases {
            assert_eq!(
                refused(body),
                (422, pointer.to_owned(), code.to_owned()),
                "{body}"
            );
        }
    }

    #[test]
    fn a_value_says_itself_what_is_wrong() {
        let body = r#"{"price":{"amount":"1.234","currency":"BRL"}}"#;
        #[derive(Debug, Deserialize)]
        struct Product {
            #[expect(dead_code, reason = "is not read into in this test")]
            price: actors::values::Money,
        }
        let problem = read::<Product>(body.as_bytes()).unwrap_err();
        let fault = &problem.errors()[0];
        assert_eq!(fault.code, "amount-too-precise");
        assert_eq!(fault.detail, "an amount in BRL has at most 2 decimals");
    }

    #[test]
    fn what_is_not_json_or_is_ambiguous_is_malformed() {
        let deep = format!("{{\"lines\":{}", "[".repeat(100_000));
        let cases = [
            "",
            "{",
            "{} {}",
            r#"{"lines":[],"lines":[]}"#,
            r#"{"metadata":{"a":"1","a":"2"}}"#,
            r#"{"lines":[{"quantity":1e400}]}"#,
            &deep,
        ];
        for body in cases {
            assert_eq!(
                refused(body),
                (400, String::new(), "malformed".to_owned()),
                "{body:.40}"
            );
        }
    }

    /// JSON as `check` lets it through.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            "[^\u{0}]{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map("[^\u{0}]{0,6}", inner, 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in "[\\[\\]{}\",:0-9a-z\\\\-]{0,60}") {
            for body in [&bytes, text.as_bytes()] {
                let _ = read::<Order>(body);
                let _ = read::<serde_json::Value>(body);
            }
        }

        #[test]
        fn what_was_written_reads_back(value in any_json()) {
            let read = read::<serde_json::Value>(value.to_string().as_bytes());
            prop_assert_eq!(read.unwrap(), value);
        }
    }
}
