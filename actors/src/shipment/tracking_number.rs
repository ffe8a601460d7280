//! The number printed on a parcel's label: one that a carrier gave, or one of our own making.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::values::Invalid;

/// What our own numbers begin with.
const OWN_PREFIX: &str = "QT";
/// How many digits of our own numbers are not the check digit.
const OWN_DIGITS: usize = 23;
/// Ten to the power of [`OWN_DIGITS`].
const OWN_SPAN: u128 = 100_000_000_000_000_000_000_000;

/// A tracking number: 5 to 40 capital letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(
    value_type = String,
    example = "QT123456789012345678901236",
    pattern = "^ *[A-Za-z0-9-]( *[A-Za-z0-9-]){4,39} *$"
)]
pub struct TrackingNumber(String);

impl TrackingNumber {
    /// Reads a number as people write it: in any case, with blanks between groups.
    ///
    /// # Errors
    /// When it has the wrong length, other characters, or a wrong check digit where we know of one.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number: String = text
            .chars()
            .filter(|character| *character != ' ')
            .map(|character| character.to_ascii_uppercase())
            .take(41)
            .collect();
        if !number
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '-')
        {
            return Err(Invalid::new(
                "invalid-tracking-number",
                "a tracking number consists of letters, digits and hyphens",
            ));
        }
        if !(5..=40).contains(&number.len()) {
            return Err(Invalid::new(
                "invalid-length",
                "a tracking number has 5 to 40 characters",
            ));
        }
        match own_digits(&number) {
            Some((digits, check)) if check_digit(digits) != check => Err(Invalid::new(
                "wrong-check-digit",
                "the check digit of the tracking number does not match its other digits",
            )),
            _ => Ok(Self(number)),
        }
    }

    /// The number that a shipment gets when nobody gave it one: `QT`, 23 digits drawn from a
    /// SHA-256 of the shipment's id, and the modulo-10 check digit of the GS1 General
    /// Specifications (section 7.9.1, the one of SSCC and GTIN).
    ///
    /// Same id, same number. Ten million shipments have a chance of some 5 in 10^10 that any two
    /// of them meet, which is why the nine digits of a UPU S10 number would not do.
    #[must_use]
    pub fn of(shipment: Uuid) -> Self {
        let hash = Sha256::digest(shipment.as_bytes());
        let drawn = hash
            .iter()
            .take(16)
            .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        let digits = format!("{:0width$}", drawn % OWN_SPAN, width = OWN_DIGITS);
        let check = check_digit(&digits);
        Self(format!("{OWN_PREFIX}{digits}{check}"))
    }

    /// Whether the number has the form of our own ones, which clients may not make up.
    #[must_use]
    pub fn is_own(&self) -> bool {
        own_digits(&self.0).is_some()
    }

    /// The number's characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrackingNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for TrackingNumber {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TrackingNumber {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TrackingNumber> for String {
    fn from(number: TrackingNumber) -> Self {
        number.0
    }
}

/// The digits and the check digit of a number in the form of our own ones.
fn own_digits(number: &str) -> Option<(&str, u32)> {
    let digits = number.strip_prefix(OWN_PREFIX)?;
    if digits.len() != OWN_DIGITS + 1 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (digits, check) = digits.split_at(OWN_DIGITS);
    Some((digits, check.parse().ok()?))
}

/// What brings the weighted sum of the digits to a multiple of ten: from the right the weights
/// are 3, 1, 3, 1 and so on.
fn check_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .zip([3, 1].into_iter().cycle())
        .map(|(digit, weight)| digit * weight)
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digit_is_that_of_gs1() {
        // Examples of GS1: GTIN-13 6291041500213 and SSCC 376104250021234569.
        assert_eq!(check_digit("629104150021"), 3);
        assert_eq!(check_digit("37610425002123456"), 9);
    }

    #[test]
    fn own_numbers_are_stable_and_read_back() {
        let id = Uuid::from_u128(7);
        let number = TrackingNumber::of(id);
        assert_eq!(number, TrackingNumber::of(id));
        assert_ne!(number, TrackingNumber::of(Uuid::from_u128(8)));
        assert_eq!(number.as_str().len(), 26);
        assert!(number.is_own());
        assert_eq!(TrackingNumber::parse(number.as_str()), Ok(number));
    }

    #[test]
    fn a_wrong_digit_in_an_own_number_is_found() {
        let number = TrackingNumber::of(Uuid::from_u128(7)).to_string();
        for place in 2..26 {
            for digit in '0'..='9' {
                let mut typo: Vec<char> = number.chars().collect();
                typo[place] = digit;
                let typo: String = typo.into_iter().collect();
                assert_eq!(TrackingNumber::parse(&typo).is_ok(), typo == number);
            }
        }
    }

    #[test]
    fn numbers_of_carriers_are_normalised() {
        let number = TrackingNumber::parse(" 1z 999 aa1 01 2345 6784 ").expect("a UPS number");
        assert_eq!(number.as_str(), "1Z999AA10123456784");
        assert!(!number.is_own());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "AB1", "1234;5678", "ÄÖÜ12345", "AB\0CDEF"] {
            assert!(TrackingNumber::parse(text).is_err(), "{text:?}");
        }
        let long = TrackingNumber::parse(&"9".repeat(41)).unwrap_err();
        assert_eq!(long.code, "invalid-length");
    }
}
