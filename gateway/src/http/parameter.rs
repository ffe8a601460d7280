//! Parameters of requests as the documentation describes them: exactly what the code takes.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required, SchemaFormat};

/// The largest whole number that every JSON reader holds exactly.
pub const WHOLE_MAX: u64 = (1 << 53) - 1;

/// Any text without NUL.
const WITHOUT_NUL: &str = r"^[^\u0000]*$";

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Any text without NUL.
    Text,
    /// Text of so many characters at most, without NUL.
    Short(usize),
    /// Text of this pattern.
    Pattern(&'static str),
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// `true` or `false`.
    Flag,
    /// A time as in RFC 3339.
    Time,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Some of these, separated by commas.
    SomeOf(&'static [&'static str]),
    /// What reads as a value of the domain.
    Value(fn() -> RefOr<Schema>),
}

/// A parameter's description.
pub(super) fn describe(name: &str, place: ParameterIn, what: &str, form: Form) -> ParameterBuilder {
    let parameter = ParameterBuilder::new()
        .name(name)
        // First: a builder without a place takes it for the path, where all is required.
        .parameter_in(place)
        .required(Required::False)
        .schema(Some(form.schema()));
    let parameter = match form {
        Form::SomeOf(_) => parameter
            .style(Some(ParameterStyle::Form))
            .explode(Some(false)),
        _ => parameter,
    };
    if what.is_empty() {
        return parameter;
    }
    parameter.description(Some(what))
}

impl Form {
    fn schema(self) -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        match self {
            Self::Text => text.pattern(Some(WITHOUT_NUL)).into(),
            Self::Short(longest) => text
                .pattern(Some(WITHOUT_NUL))
                .max_length(Some(longest))
                .into(),
            Self::Pattern(pattern) => text.pattern(Some(pattern)).into(),
            Self::Whole(least, most) => whole(least, most).into(),
            Self::Flag => ObjectBuilder::new().schema_type(Type::Boolean).into(),
            Self::Time => text
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                .into(),
            Self::OneOf(names) => text.enum_values(Some(names.iter().copied())).into(),
            Self::SomeOf(names) => ArrayBuilder::new()
                .items(text.enum_values(Some(names.iter().copied())))
                .min_items(Some(1))
                .into(),
            Self::Value(schema) => schema(),
        }
    }
}

fn whole(least: u64, most: u64) -> ObjectBuilder {
    #[expect(clippy::cast_precision_loss, reason = "no bound is beyond WHOLE_MAX")]
    let (least, most) = (least as f64, most as f64);
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most))
}
