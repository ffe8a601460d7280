//! How values describe themselves that are one of a closed list of names.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// The schema of a text that is one of these names.
pub(super) fn one_of<'a>(
    what: &str,
    names: impl IntoIterator<Item = &'a str>,
    example: &str,
) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(what))
        .enum_values(Some(names))
        .examples([example])
        .into()
}
