//! Settings laid over each other, each remembering where it came from, so that errors can say so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// How the environment's variables begin.
const PREFIX: &str = "QUENTY__";
/// Settings that are never printed.
const SECRETS: [&str; 1] = ["auth.signing_key"];

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("reading {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{origin}: {problem}")]
    Syntax {
        /// Where it was read.
        origin: String,
        /// What the parser says, with line and column.
        problem: String,
    },
    /// There is no such key.
    #[error("{origin}: there is no setting `{key}`{}", nearest(.meant))]
    UnknownKey {
        /// Where it was read.
        origin: String,
        /// The key as it was written.
        key: String,
        /// The nearest key that exists.
        meant: Option<String>,
    },
    /// The key exists but its value is not acceptable.
    #[error("{origin}: `{key}`: {problem}")]
    BadValue {
        /// Where it was read.
        origin: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn nearest(meant: &Option<String>) -> String {
    meant
        .as_ref()
        .map(|meant| format!("; did you mean `{meant}`?"))
        .unwrap_or_default()
}

/// The settings so far. The first layer, the shipped file, has every key there is.
pub(super) struct Layers {
    values: Table,
    origins: BTreeMap<String, String>,
}

impl Layers {
    /// The first layer.
    pub(super) fn new(defaults: &str) -> Result<Self, Error> {
        Ok(Self {
            values: parse(defaults, "the built-in defaults")?,
            origins: BTreeMap::new(),
        })
    }

    /// Lays a file over what is there.
    pub(super) fn file(&mut self, path: &Path) -> Result<(), Error> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        for (key, value) in flatten(parse(&text, &origin)?) {
            self.set(&key, value, &origin)?;
        }
        Ok(())
    }

    /// Lays the environment's `QUENTY__SECTION__KEY` over what is there.
    pub(super) fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), Error> {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let key = rest.to_ascii_lowercase().replace("__", ".");
            let origin = format!("environment variable {name}");
            let value = match find(&self.values, &key) {
                Some(present) => value_like(present, &text).map_err(|problem| Error::BadValue {
                    origin: origin.clone(),
                    key: key.clone(),
                    problem,
                })?,
                None => Value::String(text),
            };
            self.set(&key, value, &origin)?;
        }
        Ok(())
    }

    /// The settings as what they configure.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_path_to_error::deserialize(Value::Table(self.values)).map_err(|error| {
            let key = error.path().to_string();
            Error::BadValue {
                origin: self
                    .origins
                    .get(&key)
                    .cloned()
                    .unwrap_or_else(|| "the built-in defaults".into()),
                problem: error.into_inner().to_string().trim_end().to_owned(),
                key,
            }
        })
    }

    /// The settings as TOML, secrets left out.
    pub(super) fn print(&self) -> String {
        let mut shown = self.values.clone();
        for (key, value) in flatten(self.values.clone()) {
            if let Value::String(text) = value {
                put(&mut shown, &key, Value::String(without_secret(&key, &text)));
            }
        }
        shown.to_string()
    }

    fn set(&mut self, key: &str, value: Value, origin: &str) -> Result<(), Error> {
        let origin = origin.to_owned();
        let Some(present) = find(&self.values, key) else {
            return Err(Error::UnknownKey {
                meant: self.nearest(key),
                key: key.to_owned(),
                origin,
            });
        };
        if !present.same_type(&value) {
            return Err(Error::BadValue {
                problem: format!(
                    "expected {}, found {}",
                    present.type_str(),
                    value.type_str()
                ),
                key: key.to_owned(),
                origin,
            });
        }
        put(&mut self.values, key, value);
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }

    fn nearest(&self, key: &str) -> Option<String> {
        flatten(self.values.clone())
            .into_iter()
            .map(|(known, _)| (strsim::jaro_winkler(&known, key), known))
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, known)| known)
    }
}

fn parse(text: &str, origin: &str) -> Result<Table, Error> {
    text.parse()
        .map_err(|error: toml::de::Error| Error::Syntax {
            origin: origin.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })
}

/// The table as dotted keys with their values. Empty sections have none.
fn flatten(table: Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => flat.extend(
                flatten(inner)
                    .into_iter()
                    .map(|(rest, value)| (format!("{key}.{rest}"), value)),
            ),
            value => flat.push((key, value)),
        }
    }
    flat
}

/// The setting of that name; a section is none.
fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let found = match key.split_once('.') {
        Some((section, rest)) => find(table.get(section)?.as_table()?, rest)?,
        None => table.get(key)?,
    };
    (!found.is_table()).then_some(found)
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        Some((section, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                put(inner, rest, value);
            }
        }
        None => {
            table.insert(key.to_owned(), value);
        }
    }
}

/// Reads the text of a variable as the type that the setting has.
fn value_like(present: &Value, text: &str) -> Result<Value, String> {
    let misfit = || format!("expected {}, found {text:?}", present.type_str());
    match present {
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| misfit()),
        Value::Float(_) => text.parse().map(Value::Float).map_err(|_| misfit()),
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| misfit()),
        Value::Array(_) if text.trim_start().starts_with('[') => {
            let mut table: Table = format!("list = {text}").parse().map_err(|_| misfit())?;
            table.remove("list").ok_or_else(misfit)
        }
        Value::Array(_) => Ok(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// The text with a secret hidden: the whole, or the password in a URL.
fn without_secret(key: &str, text: &str) -> String {
    if SECRETS.contains(&key) && !text.is_empty() {
        return "(hidden)".into();
    }
    let hidden = text.split_once("://").and_then(|(scheme, rest)| {
        let (credentials, place) = rest.rsplit_once('@')?;
        let (user, _password) = credentials.split_once(':')?;
        Some(format!("{scheme}://{user}:(hidden)@{place}"))
    });
    hidden.unwrap_or_else(|| text.to_owned())
}
