//! The check digits that a document's number may have, each as its publisher defines it.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Characters;

/// How the check digits at the end of a number follow from the rest of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DocumentCheck)]
pub enum Check {
    /// There are none.
    #[default]
    None,
    /// One digit by the Luhn formula of ISO/IEC 7812-1, annex B. Finds every wrong digit.
    Luhn,
    /// The two digits of a Brazilian CPF, as the Receita Federal issues it: modulo 11, weights from
    /// 2 on. As remainders 0 and 1 give the same digit, a wrong digit may pass where the first
    /// check digit is 0.
    Mod11Cpf,
    /// The two digits of a Brazilian CNPJ, with or without letters: modulo 11, weights 2 to 9, by
    /// the annex of Instrução Normativa RFB 2.229/2024. Wrong ones may pass as with a CPF, and
    /// letters that stand 11 or 22 apart, since they weigh the same.
    Mod11Cnpj,
    /// Two digits by MOD 97-10 of ISO/IEC 7064, as in a Legal Entity Identifier (ISO 17442).
    /// Finds every wrong digit.
    #[serde(rename = "mod97_10")]
    Mod97,
}

impl Check {
    /// Whether numbers of these characters and lengths can have such check digits.
    pub(super) fn suits(self, characters: Characters, shortest: u32, longest: u32) -> bool {
        let (lengths, is_digits_only) = self.asks();
        let is_known = match characters {
            Characters::Digits => true,
            Characters::Alphanumeric => !is_digits_only,
            Characters::Letters => self == Self::None,
        };
        is_known && lengths.contains(&shortest) && lengths.contains(&longest)
    }

    /// The lengths that there can be, and whether letters cannot.
    fn asks(self) -> (RangeInclusive<u32>, bool) {
        match self {
            Self::None => (1..=u32::MAX, false),
            Self::Luhn => (2..=u32::MAX, true),
            Self::Mod11Cpf => (11..=11, true),
            Self::Mod11Cnpj => (14..=14, false),
            Self::Mod97 => (3..=u32::MAX, false),
        }
    }

    /// Whether the check digits of a number are right. It consists of digits and capital letters.
    pub(super) fn holds(self, number: &str) -> bool {
        let number = number.as_bytes();
        match self {
            Self::None => true,
            Self::Luhn => luhn(number).is_multiple_of(10),
            Self::Mod11Cpf => ends_with_mod11(number, 11),
            Self::Mod11Cnpj => ends_with_mod11(number, 9),
            Self::Mod97 => mod97(number) == 1,
        }
    }
}

/// The sum of the digits, where every second one from the right is doubled first.
fn luhn(number: &[u8]) -> u32 {
    let digits = number.iter().rev().map(|byte| value(*byte));
    let doubled = digits.enumerate().map(|(place, digit)| match place % 2 {
        0 => digit,
        _ => digit * 2 / 10 + digit * 2 % 10,
    });
    doubled.sum()
}

/// Whether each of the last two is the check digit of all that stands before it.
fn ends_with_mod11(number: &[u8], highest_weight: u32) -> bool {
    let mut last_two = number.len().saturating_sub(2)..number.len();
    last_two.all(|place| mod11(&number[..place], highest_weight) == value(number[place]))
}

/// The check digit: weights go up from 2 on the right, and begin again after the highest.
fn mod11(number: &[u8], highest_weight: u32) -> u32 {
    let weights = (2..=highest_weight).cycle();
    let weighted = number.iter().rev().zip(weights);
    let sum: u32 = weighted.map(|(byte, weight)| value(*byte) * weight).sum();
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

/// The remainder of the number, in which letters stand for 10 to 35.
fn mod97(number: &[u8]) -> u32 {
    number.iter().fold(0, |rest, byte| match byte {
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => (rest * 10 + value(*byte)) % 97,
    })
}

/// A digit's value, and a letter's in a CNPJ: its place in ASCII after that of `0`.
fn value(byte: u8) -> u32 {
    byte.saturating_sub(b'0').into()
}
