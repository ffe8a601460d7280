//! A customer of a company: somebody, or a business, that orders.
//!
//! ```text
//!  (none) --Create--> active --Block--> blocked
//!                       ^                  |
//!                       '-----Unblock------'
//! ```
//!
//! A blocked customer's orders go on, but no new one is taken.

#[cfg(test)]
mod tests;

use engine::{Claim, ClaimScope, Context, Entity, Index, RejectionKind};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::claims;
use crate::ids::CustomerId;
use crate::values::{
    Address, Email, List, Metadata, Money, Name, Phone, Reference, Text, given, set,
};

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

/// What a company knows of a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerDetails)]
pub struct Details {
    /// Whether a person or a business.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The name.
    pub name: Name,
    /// Where to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Where to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Where to send goods and bills; the first is the default unless another is marked.
    #[serde(default)]
    #[schema(value_type = Vec<AddressEntry>, max_items = 20)]
    pub addresses: List<AddressEntry, 0, 20>,
    /// How much the customer may owe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_limit: Option<Money>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Text<2000>>,
    /// The client's own name for the customer, unique in the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Whether a customer is a person or a business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CustomerType)]
pub enum Kind {
    /// A person.
    Individual,
    /// A business.
    Business,
}

/// An address with what it is used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressEntry {
    /// What the client calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Text<60>>,
    /// Whether goods go there unless an order says otherwise.
    #[serde(default)]
    pub is_default_shipping: bool,
    /// Whether bills go there unless an order says otherwise.
    #[serde(default)]
    pub is_default_billing: bool,
    /// The address.
    pub address: Address,
}

/// Changes to a customer: what is left out stays as it is, null clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = CustomerPatch)]
pub struct Patch {
    /// Whether a person or a business.
    #[serde(
        rename = "type",
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<Kind>,
    /// The name.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Where to write to.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Email>)]
    pub email: Option<Option<Email>>,
    /// Where to call.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Phone>)]
    pub phone: Option<Option<Phone>>,
    /// Where to send goods and bills, replaced as a whole.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<AddressEntry>>, max_items = 20)]
    pub addresses: Option<List<AddressEntry, 0, 20>>,
    /// How much the customer may owe.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Money>)]
    pub credit_limit: Option<Option<Money>>,
    /// Remarks.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Text<2000>>)]
    pub notes: Option<Option<Text<2000>>>,
    /// The client's own name for the customer.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Reference>)]
    pub reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// What of a customer may be erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub name: Name,
    /// Where to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Where to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Where to send goods and bills.
    #[serde(default)]
    pub addresses: List<AddressEntry, 0, 20>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Text<2000>>,
}

/// What of a customer stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Whether a person or a business.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How much the customer may owe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_limit: Option<Money>,
    /// The client's own name for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The client's own notes.
    #[serde(default)]
    pub metadata: Metadata,
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

/// A customer: nothing before taken on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Customer(pub Option<State>);

/// A customer as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where the customer stands.
    pub status: Status,
    /// What stays.
    pub account: Account,
    /// Who it is; absent once erased.
    pub person: Option<Box<Person>>,
}

/// Where a customer stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = CustomerStatus)]
pub enum Status {
    /// May order.
    Active,
    /// May not.
    Blocked,
}

/// Why a customer refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, IntoStaticStr)]
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
    /// Two addresses are marked as the default.
    #[error("only one address can be the default")]
    TwoDefaults,
    /// The personal data of the customer were erased.
    #[error("the personal data of this customer were erased")]
    Erased,
}

impl engine::Rejection for Rejection {
    fn kind(&self) -> RejectionKind {
        match self {
            Self::NotFound => RejectionKind::NotFound,
            Self::AlreadyExists | Self::ReferenceTaken | Self::Erased => RejectionKind::Conflict,
            Self::NegativeCreditLimit | Self::TwoDefaults => RejectionKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn pointer(&self) -> Option<String> {
        match self {
            Self::ReferenceTaken => Some("/reference".into()),
            Self::NegativeCreditLimit => Some("/credit_limit/amount".into()),
            Self::TwoDefaults => Some("/addresses".into()),
            Self::NotFound | Self::AlreadyExists | Self::Erased => None,
        }
    }
}

impl State {
    /// Where goods go unless an order says otherwise.
    #[must_use]
    pub fn shipping_address(&self) -> Option<&Address> {
        self.default_address(|entry| entry.is_default_shipping)
    }

    /// Where bills go unless an order says otherwise.
    #[must_use]
    pub fn billing_address(&self) -> Option<&Address> {
        self.default_address(|entry| entry.is_default_billing)
    }

    fn default_address(&self, is_default: impl Fn(&AddressEntry) -> bool) -> Option<&Address> {
        let addresses = &self.person.as_ref()?.addresses;
        let marked = addresses.iter().find(|entry| is_default(entry));
        Some(&marked.or(addresses.first())?.address)
    }

    /// What the company knows; `None` once the personal data were erased.
    #[must_use]
    pub fn details(&self) -> Option<Details> {
        let (account, person) = (self.account.clone(), Person::clone(self.person.as_ref()?));
        Some(Details {
            kind: account.kind,
            name: person.name,
            email: person.email,
            phone: person.phone,
            addresses: person.addresses,
            credit_limit: account.credit_limit,
            notes: person.notes,
            reference: account.reference,
            metadata: account.metadata,
        })
    }
}

impl Entity for Customer {
    const KIND: &'static str = "customer";
    const CONTEXT: &'static str = "customer";
    const SCHEMA: u32 = 1;

    type Id = CustomerId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        let Some(state) = &self.0 else {
            return match command {
                Command::Create { details } => {
                    let (account, personal) = Details::clone(details).checked()?.split();
                    Ok(vec![Event::Created { account, personal }])
                }
                Command::Update { .. } | Command::Block { .. } | Command::Unblock => {
                    Err(Rejection::NotFound)
                }
            };
        };
        Ok(match (state.status, command) {
            (_, Command::Create { .. }) => return Err(Rejection::AlreadyExists),
            (_, Command::Update { patch }) => {
                let details = state.details().ok_or(Rejection::Erased)?;
                let patched = details.clone().patched(patch).checked()?;
                if patched == details {
                    return Ok(vec![]);
                }
                let (account, personal) = patched.split();
                vec![Event::Updated { account, personal }]
            }
            (Status::Active, Command::Block { reason }) => vec![Event::Blocked {
                reason: reason.clone(),
            }],
            (Status::Blocked, Command::Unblock) => vec![Event::Unblocked {}],
            (Status::Blocked, Command::Block { .. }) | (Status::Active, Command::Unblock) => vec![],
        })
    }

    fn evolve(mut self, event: &Event) -> Self {
        match (event, &mut self.0) {
            (Event::Created { account, personal }, state) => {
                *state = Some(State {
                    status: Status::Active,
                    account: account.clone(),
                    person: personal.clone(),
                });
            }
            (Event::Updated { account, personal }, Some(state)) => {
                state.account.clone_from(account);
                state.person.clone_from(personal);
            }
            (Event::Blocked { .. }, Some(state)) => state.status = Status::Blocked,
            (Event::Unblocked {}, Some(state)) => state.status = Status::Active,
            (Event::Updated { .. } | Event::Blocked { .. } | Event::Unblocked {}, None) => {}
        }
        self
    }

    fn index(&self) -> Index {
        let Some(state) = &self.0 else {
            return Index::default();
        };
        let text = state.person.as_ref().map(|person| {
            let email = person.email.as_ref().map_or("", Email::as_str);
            format!("{} {email}", person.name)
        });
        Index {
            reference: state.account.reference.as_ref().map(Reference::to_string),
            status: state.status.into(),
            text: text.unwrap_or_default(),
            ..Index::default()
        }
    }

    fn claims(&self) -> Vec<Claim<Rejection>> {
        let reference = self.0.as_ref().and_then(|it| it.account.reference.as_ref());
        claims::reference(ClaimScope::Tenant, reference, Rejection::ReferenceTaken)
            .into_iter()
            .collect()
    }
}

impl Details {
    fn checked(self) -> Result<Self, Rejection> {
        if self.credit_limit.is_some_and(Money::is_negative) {
            return Err(Rejection::NegativeCreditLimit);
        }
        let count = |is_default: fn(&&AddressEntry) -> bool| {
            self.addresses.iter().filter(is_default).count()
        };
        if count(|it| it.is_default_shipping) > 1 || count(|it| it.is_default_billing) > 1 {
            return Err(Rejection::TwoDefaults);
        }
        Ok(self)
    }

    fn split(self) -> (Account, Option<Box<Person>>) {
        let account = Account {
            kind: self.kind,
            credit_limit: self.credit_limit,
            reference: self.reference,
            metadata: self.metadata,
        };
        let person = Person {
            name: self.name,
            email: self.email,
            phone: self.phone,
            addresses: self.addresses,
            notes: self.notes,
        };
        (account, Some(Box::new(person)))
    }

    fn patched(mut self, patch: &Patch) -> Self {
        set(&mut self.kind, &patch.kind);
        set(&mut self.name, &patch.name);
        set(&mut self.email, &patch.email);
        set(&mut self.phone, &patch.phone);
        set(&mut self.addresses, &patch.addresses);
        set(&mut self.credit_limit, &patch.credit_limit);
        set(&mut self.notes, &patch.notes);
        set(&mut self.reference, &patch.reference);
        set(&mut self.metadata, &patch.metadata);
        self
    }
}
