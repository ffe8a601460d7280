//! A customer of a company: somebody, or a business, that orders.
//!
//! ```text
//!  (none) --Create--> active --Block--> blocked
//!                       ^                  |
//!                       '-----Unblock------'
//! ```
//!
//! A blocked customer's orders go on, but no new one is taken. What tells of a person is kept apart
//! from the account, so that it can be erased; the account and its history stay.

mod details;
mod state;

#[cfg(test)]
mod tests;

use engine::RejectionKind;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

pub use self::details::{AddressEntry, Details, Kind, Patch};
pub use self::state::{Account, Customer, Person, State, Status};
use crate::values::Text;

/// What may be asked of a customer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Takes the customer on.
    Create {
        /// What the company knows.
        details: Box<Details>,
    },
    /// Changes what the company knows.
    Update {
        /// The changes.
        patch: Box<Patch>,
    },
    /// Takes no new orders.
    Block {
        /// Why.
        reason: Option<Text<500>>,
    },
    /// Takes orders again.
    Unblock,
}

/// What may happen to a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(tag = "type", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The customer was taken on.
    Created {
        /// What stays.
        account: Account,
        /// Who it is, until erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        personal: Option<Box<Person>>,
    },
    /// What the company knows has changed.
    Updated {
        /// What stays, as it is now.
        account: Account,
        /// Who it is now, until erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        personal: Option<Box<Person>>,
    },
    /// No new orders are taken.
    Blocked {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<500>>,
    },
    /// Orders are taken again.
    Unblocked {},
}

impl engine::Event for Event {
    const SCHEMA: u16 = 1;

    fn name(&self) -> &'static str {
        self.into()
    }

    fn is_personal(&self) -> bool {
        match self {
            Self::Created { personal, .. } | Self::Updated { personal, .. } => personal.is_some(),
            Self::Blocked { .. } | Self::Unblocked {} => false,
        }
    }
}

/// Why a customer refuses.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    thiserror::Error,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantNames,
)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rejection {
    /// There is no such customer.
    #[error("there is no such customer")]
    NotFound,
    /// The customer was taken on before.
    #[error("the customer exists already")]
    AlreadyExists,
    /// Another customer of the company has the reference.
    #[error("another customer has this reference")]
    ReferenceTaken,
    /// A credit limit below nothing.
    #[error("a credit limit cannot be negative")]
    NegativeCreditLimit,
    /// Two addresses are marked as the default for goods.
    #[error("only one address can be the default for goods")]
    TwoDefaultShipping {
        /// Which address is the second one.
        entry: usize,
    },
    /// Two addresses are marked as the default for bills.
    #[error("only one address can be the default for bills")]
    TwoDefaultBilling {
        /// Which address is the second one.
        entry: usize,
    },
    /// The personal data of the customer were erased.
    #[error("the personal data of this customer were erased")]
    Erased,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::ReferenceTaken | Self::Erased => RejectionKind::Conflict,
            Self::NegativeCreditLimit
            | Self::TwoDefaultShipping { .. }
            | Self::TwoDefaultBilling { .. } => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::ReferenceTaken => Some("/reference".into()),
            Self::NegativeCreditLimit => Some("/credit_limit/amount".into()),
            Self::TwoDefaultShipping { entry } => {
                Some(format!("/addresses/{entry}/is_default_shipping"))
            }
            Self::TwoDefaultBilling { entry } => {
                Some(format!("/addresses/{entry}/is_default_billing"))
            }
            Self::NotFound | Self::AlreadyExists | Self::Erased => None,
        }
    }
}
