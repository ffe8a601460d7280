//! Where a parcel was seen.

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::values::{CountryCode, Invalid, Text};

/// Where a parcel was seen, as far as the carrier says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// City.
    #[serde(default)]
    pub city: Option<Text<100>>,
    /// Country.
    pub country: CountryCode,
}

/// A point on Earth (WGS 84), kept in microdegrees: exact, comparable, and finer than a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Degrees", into = "Degrees")]
pub struct Coordinates {
    latitude_microdegrees: i32,
    longitude_microdegrees: i32,
}

/// Coordinates as they are written.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Degrees {
    /// Degrees north of the equator, -90 to 90.
    #[schema(minimum = -90, maximum = 90, example = -23.550_52)]
    latitude: f64,
    /// Degrees east of Greenwich, -180 to 180.
    #[schema(minimum = -180, maximum = 180, example = -46.633_31)]
    longitude: f64,
}

impl Coordinates {
    /// A point by its degrees north and east, rounded to microdegrees.
    ///
    /// # Errors
    /// When there is no such point.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, Invalid> {
        let microdegrees = |degrees: f64, limit: f64| {
            (degrees.abs() <= limit).then(|| {
                #[expect(clippy::cast_possible_truncation, reason = "180 million fits")]
                let rounded = (degrees * 1e6).round() as i32;
                rounded
            })
        };
        match (microdegrees(latitude, 90.0), microdegrees(longitude, 180.0)) {
            (Some(latitude_microdegrees), Some(longitude_microdegrees)) => Ok(Self {
                latitude_microdegrees,
                longitude_microdegrees,
            }),
            _ => Err(Invalid::new(
                "invalid-coordinates",
                "latitude is -90 to 90 degrees and longitude -180 to 180",
            )),
        }
    }
}

impl PartialSchema for Coordinates {
    fn schema() -> RefOr<Schema> {
        Degrees::schema()
    }
}

impl ToSchema for Coordinates {}

impl TryFrom<Degrees> for Coordinates {
    type Error = Invalid;

    fn try_from(degrees: Degrees) -> Result<Self, Invalid> {
        Self::new(degrees.latitude, degrees.longitude)
    }
}

impl From<Coordinates> for Degrees {
    fn from(point: Coordinates) -> Self {
        Self {
            latitude: f64::from(point.latitude_microdegrees) / 1e6,
            longitude: f64::from(point.longitude_microdegrees) / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_read_back_as_written() {
        let point = Coordinates::new(-23.550_52, -46.633_308).unwrap();
        let json = serde_json::to_string(&point).unwrap();
        assert_eq!(json, r#"{"latitude":-23.55052,"longitude":-46.633308}"#);
        assert_eq!(serde_json::from_str::<Coordinates>(&json).unwrap(), point);
    }

    #[test]
    fn no_point_beyond_the_poles() {
        assert!(Coordinates::new(90.0, 180.0).is_ok());
        for (latitude, longitude) in [
            (90.1, 0.0),
            (0.0, -180.1),
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
        ] {
            assert!(Coordinates::new(latitude, longitude).is_err());
        }
    }
}
