//! Lists: what a client may ask for, and cursors that are bound to the question.

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use engine::journal::{Document, Query};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::http::parameter::{Form, WHOLE_MAX};
use crate::problem::Problem;

/// The page size if none is asked for.
pub const LIMIT: u32 = 20;
/// The largest page size.
const LIMIT_MAX: u32 = 100;
/// The longest text searched for, in characters.
const SEARCH_MAX: usize = 200;

/// What orders lists.
const SORTS: &[&str] = &["-created_at", "created_at"];

/// The parameters of every list but `status`, for the documentation.
pub const PARAMETERS: [(&str, &str, Form); 8] = [
    LIMIT_PARAMETER,
    ("cursor", "`next_cursor` of the page before.", Form::Text),
    (
        "sort",
        "`-created_at` (newest first, the default) or `created_at`.",
        Form::OneOf(SORTS),
    ),
    (
        "q",
        "Only those whose names and numbers contain this, compared without case.",
        Form::Short(SEARCH_MAX),
    ),
    ("reference", "Only the one with this reference.", Form::Text),
    (
        "created_from",
        "Only created at or after this time.",
        Form::Time,
    ),
    (
        "created_before",
        "Only created before this time.",
        Form::Time,
    ),
    (
        "fields",
        "Only these members of each, separated by commas.",
        Form::Text,
    ),
];

/// The page size, for the documentation.
pub const LIMIT_PARAMETER: (&str, &str, Form) = (
    "limit",
    "1 to 100; 20 if not given.",
    Form::Whole(1, LIMIT_MAX as u64),
);

/// A filter that a resource has beside the common ones.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The parameter's name.
    pub name: &'static str,
    /// What it does, for the documentation.
    pub what: &'static str,
    /// What it may be.
    pub form: Form,
    /// What it looks at.
    pub on: On,
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// What the entity belongs to; reads the id.
    Parent(fn(&str) -> Option<Uuid>),
    /// Where it is; reads the id.
    Site(fn(&str) -> Option<Uuid>),
    /// Its status, where that goes by another name; all that there are.
    Status(&'static [&'static str]),
    /// Its mark.
    Flag,
}

/// Reads an id of the kind that a filter takes.
#[must_use]
pub fn id<I: std::str::FromStr + Into<Uuid>>(text: &str) -> Option<Uuid> {
    text.parse::<I>().ok().map(Into::into)
}

/// A list that was asked for.
#[derive(Debug)]
pub struct Asked {
    /// The question, for one entry more than the page has, which tells whether there is a next one.
    pub query: Query,
    /// The members wanted.
    pub fields: Option<Fields>,
    /// Identifies company and question: a cursor of another one is refused.
    binding: [u8; 8],
}

impl Asked {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// 422 when a parameter is not known, comes twice or does not read.
    pub fn read(
        kind: &'static str,
        tenant: Option<Uuid>,
        statuses: &[&str],
        filters: &[Filter],
        uri: &Uri,
    ) -> Result<Self, Problem> {
        let mut asked = Self {
            query: everything(kind, tenant),
            fields: None,
            binding: [0; 8],
        };
        let mut cursor = None;
        let mut pairs = pairs(uri)?;
        pairs.sort_unstable();
        for (name, value) in &pairs {
            match name.as_str() {
                "cursor" => cursor = Some(value.as_str()),
                name => asked.take(name, value, statuses, filters)?,
            }
        }
        asked.bind(&pairs);
        if let Some(cursor) = cursor {
            asked.query.after = Some(asked.after(cursor)?);
        }
        asked.query.limit += 1;
        Ok(asked)
    }

    /// Takes the surplus entry off; the cursor of the next page if there was one.
    pub fn next_cursor(&self, page: &mut Vec<Document>) -> Option<String> {
        if page.len() < self.query.limit as usize {
            return None;
        }
        page.pop();
        let last = page.last()?;
        let mut bytes = self.binding.to_vec();
        bytes.extend(last.created_at.timestamp_millis().to_be_bytes());
        bytes.extend(last.id.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn take(
        &mut self,
        name: &str,
        value: &str,
        statuses: &[&str],
        filters: &[Filter],
    ) -> Result<(), Problem> {
        let query = &mut self.query;
        match name {
            "limit" => query.limit = limit(value)?,
            "sort" => query.descending = is_descending(value)?,
            "q" if value.chars().nth(SEARCH_MAX).is_none() => query.search = Some(value.to_owned()),
            "q" => return Err(bad("q", "at most 200 characters")),
            "reference" => query.reference = Some(value.to_owned()),
            "status" if !statuses.is_empty() => query.status = some_of(name, value, statuses)?,
            "created_from" => query.created_from = Some(time("created_from", value)?),
            "created_before" => query.created_before = Some(time("created_before", value)?),
            "fields" => self.fields = Some(Fields::read(value)),
            name => match filters.iter().find(|filter| filter.name == name) {
                Some(filter) => apply(query, filter, value)?,
                None => return Err(unknown(name)),
            },
        }
        Ok(())
    }

    /// The limit and the members shown may change from page to page, the rest may not.
    fn bind(&mut self, pairs: &[(String, String)]) {
        let mut hash = Sha256::new();
        hash.update(self.query.kind);
        hash.update(self.query.tenant.unwrap_or_default());
        for (name, value) in pairs {
            if !["cursor", "limit", "fields"].contains(&name.as_str()) {
                hash.update(format!("\0{name}\0{value}"));
            }
        }
        self.binding.copy_from_slice(&hash.finalize()[..8]);
    }

    fn after(&self, cursor: &str) -> Result<(DateTime<Utc>, Uuid), Problem> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let bytes: [u8; 32] = bytes.try_into().ok()?;
            let (binding, rest) = bytes.split_at(8);
            let (at, id) = rest.split_at(8);
            let at = i64::from_be_bytes(at.try_into().ok()?);
            let place = (
                DateTime::from_timestamp_millis(at)?,
                Uuid::from_slice(id).ok()?,
            );
            (binding == self.binding).then_some(place)
        };
        read().ok_or_else(|| {
            Problem::bad_parameter(
                "cursor",
                "invalid-cursor",
                "this is no cursor of this list with these filters",
            )
        })
    }
}

/// The members of a resource that a client wants to see.
#[derive(Clone, Debug)]
pub struct Fields(Vec<String>);

impl Fields {
    /// Reads names separated by commas.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(text.split(',').map(|name| name.trim().to_owned()).collect())
    }

    /// Leaves out what is not wanted; the id is always shown.
    pub fn cut(&self, resource: &mut serde_json::Value) {
        if let Some(members) = resource.as_object_mut() {
            members.retain(|name, _| name == "id" || self.0.contains(name));
        }
    }
}

/// The question for the newest of a kind, without any filter.
#[must_use]
pub fn everything(kind: &'static str, tenant: Option<Uuid>) -> Query {
    Query {
        descending: true,
        ..Query::everything(kind, tenant, LIMIT)
    }
}

/// The parameters of a request; each may come once.
///
/// # Errors
/// 422 when one comes twice, contains NUL, or the query does not read.
pub fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let axum::extract::Query(pairs) =
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| bad("", "the query does not read"))?;
    for (index, (name, value)) in pairs.iter().enumerate() {
        if name.contains('\0') || value.contains('\0') {
            return Err(bad("", "no parameter may contain NUL"));
        }
        if pairs[..index].iter().any(|(other, _)| other == name) {
            let what = "this parameter comes twice";
            return Err(Problem::bad_parameter(name, "duplicate-parameter", what));
        }
    }
    Ok(pairs)
}

/// 422: there is no such parameter.
pub fn unknown(name: &str) -> Problem {
    Problem::bad_parameter(name, "unknown-parameter", "there is no such parameter here")
}

/// A page size.
///
/// # Errors
/// 422 when it is not 1 to 100.
pub fn limit(text: &str) -> Result<u32, Problem> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| bad("limit", "a whole number from 1 to 100"))
}

/// A version.
///
/// # Errors
/// 422 when it is no whole number that JSON holds.
pub fn version(name: &str, text: &str) -> Result<u64, Problem> {
    let version = text.parse().ok();
    version
        .filter(|version| *version <= WHOLE_MAX)
        .ok_or_else(|| bad(name, "a version is a whole number"))
}

/// A moment.
///
/// # Errors
/// 422 when it is not RFC 3339.
pub fn time(name: &str, text: &str) -> Result<DateTime<Utc>, Problem> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| bad(name, "a time as in RFC 3339, such as 2026-01-31T12:00:00Z"))
}

fn is_descending(text: &str) -> Result<bool, Problem> {
    match text {
        "created_at" => Ok(false),
        "-created_at" => Ok(true),
        _ => Err(bad("sort", "`created_at` or `-created_at`")),
    }
}

fn some_of(name: &str, text: &str, known: &[&str]) -> Result<Vec<String>, Problem> {
    let wanted: Vec<&str> = text.split(',').map(str::trim).collect();
    if let Some(other) = wanted.iter().find(|status| !known.contains(status)) {
        let what = format!("{other:?} is none of {}", known.join(", "));
        return Err(bad(name, &what));
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

fn apply(query: &mut Query, filter: &Filter, value: &str) -> Result<(), Problem> {
    let id = |read: fn(&str) -> Option<Uuid>| {
        read(value).ok_or_else(|| bad(filter.name, "this is none of that kind"))
    };
    match filter.on {
        On::Parent(read) => query.parent = Some(id(read)?),
        On::Site(read) => query.site = Some(id(read)?),
        On::Status(known) => query.status = some_of(filter.name, value, known)?,
        On::Flag => {
            let flag = value.parse().ok();
            query.flagged = Some(flag.ok_or_else(|| bad(filter.name, "`true` or `false`"))?);
        }
    }
    Ok(())
}

fn bad(name: &str, what: &str) -> Problem {
    Problem::bad_parameter(name, "invalid-value", what)
}
