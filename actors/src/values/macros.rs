//! What all values of one make have in common.

/// A value that is a text: `parse` checks and normalises it. Serde, `FromStr` and `TryFrom` all
/// go through it.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, parse: $parse:path, max: $max:literal, pattern: $pattern:expr, example: $example:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks and normalises a text.
            ///
            /// # Errors
            /// When the text is not such a value.
            pub fn new(text: &str) -> Result<Self, $crate::values::Invalid> {
                $parse(text).map(|text| Self(text.into()))
            }

            /// The value as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_value!(@common [] $name);

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
    (@common [$($generics:tt)*] $name:ty) => {
        impl<$($generics)*> std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl<$($generics)*> std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self.as_str(), formatter)
            }
        }

        impl<$($generics)*> std::str::FromStr for $name {
            type Err = $crate::values::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl<$($generics)*> TryFrom<String> for $name {
            type Error = $crate::values::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl<$($generics)*> From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}

/// Control characters, as patterns of JSON Schema have them within brackets.
macro_rules! controls {
    () => {
        r"\u0000-\u001f\u007f-\u009f"
    };
}

/// One character that is neither a control character nor white space, as a pattern.
macro_rules! visible {
    () => {
        concat!(
            "[^",
            controls!(),
            r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
        )
    };
}

/// A value that is a whole number between two bounds, both included.
macro_rules! bounded_integer {
    ($(#[$doc:meta])* $name:ident, $code:literal, $what:literal, $min:literal ..= $max:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        impl $name {
            /// The smallest.
            pub const MIN: Self = Self($min);
            /// The largest.
            pub const MAX: Self = Self($max);

            /// Checks a number.
            ///
            /// # Errors
            /// When the number is out of bounds.
            pub fn new(number: u32) -> Result<Self, $crate::values::Invalid> {
                if ($min..=$max).contains(&number) {
                    return Ok(Self(number));
                }
                Err($crate::values::Invalid::new(
                    $code,
                    format!(concat!($what, " is a whole number from {} to {}"), $min, $max),
                ))
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = $crate::values::Invalid;

            fn try_from(number: u32) -> Result<Self, Self::Error> {
                Self::new(number)
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::Integer)
                    .minimum(Some($min as f64))
                    .maximum(Some($max as f64))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
