//! How a number of a type is validated.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, Rejection};
use crate::values::DocumentLength;

/// What people write between the groups of a number.
const SEPARATORS: [char; 4] = ['.', '-', '/', ' '];

/// How a number is validated: case and the separators `.`, `-`, `/` and space do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentRule)]
pub struct Rule {
    /// How many characters it has at least.
    pub min_length: DocumentLength,
    /// How many it has at most.
    pub max_length: DocumentLength,
    /// What it consists of.
    pub characters: Characters,
    /// How its check digits follow from the rest.
    #[serde(default)]
    pub check: Check,
}

/// What a number consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DocumentCharacters)]
pub enum Characters {
    /// 0 to 9.
    Digits,
    /// A to Z.
    Letters,
    /// Both.
    Alphanumeric,
}

/// What a rule says of a number. A valid one is well formed; whether it was issued, nobody asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DocumentVerdict)]
pub struct Verdict {
    /// Whether the number follows the rule.
    pub valid: bool,
    /// The number in upper case, without separators.
    pub normalised: String,
    /// Why it does not.
    pub problem: Option<Fault>,
}

/// Why a number does not follow a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DocumentFault)]
pub enum Fault {
    /// It has too few characters.
    TooShort,
    /// It has too many.
    TooLong,
    /// It has a character that is none of the rule's.
    WrongCharacter,
    /// Its check digits do not follow from the rest.
    WrongCheckDigit,
}

impl Rule {
    /// Validates a number.
    #[must_use]
    pub fn validate(&self, number: &str) -> Verdict {
        let normalised: String = number
            .chars()
            .filter(|character| !SEPARATORS.contains(character))
            .map(|character| character.to_ascii_uppercase())
            .collect();
        let problem = self.fault(&normalised);
        Verdict {
            valid: problem.is_none(),
            normalised,
            problem,
        }
    }

    /// Refuses a rule that no number could follow.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        if self.min_length > self.max_length {
            return Err(Rejection::LengthsReversed);
        }
        let (shortest, longest) = (self.min_length.get(), self.max_length.get());
        if !self.check.suits(self.characters, shortest, longest) {
            return Err(Rejection::CheckUnsuited);
        }
        Ok(())
    }

    fn fault(&self, number: &str) -> Option<Fault> {
        let length = number.chars().count();
        if length < self.min_length.get() as usize {
            return Some(Fault::TooShort);
        }
        if length > self.max_length.get() as usize {
            return Some(Fault::TooLong);
        }
        if !number.chars().all(|it| self.characters.have(it)) {
            return Some(Fault::WrongCharacter);
        }
        (!self.check.holds(number)).then_some(Fault::WrongCheckDigit)
    }
}

impl Characters {
    fn have(self, character: char) -> bool {
        match self {
            Self::Digits => character.is_ascii_digit(),
            Self::Letters => character.is_ascii_uppercase(),
            Self::Alphanumeric => character.is_ascii_digit() || character.is_ascii_uppercase(),
        }
    }
}
