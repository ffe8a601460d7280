//! What a company knows of a customer, and changes to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Account, Person, Rejection};
use crate::values::{
    Address, Email, List, Metadata, Money, Name, Phone, Reference, Text, given, set,
};

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
    #[serde(default)]
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
#[serde(deny_unknown_fields)]
#[schema(as = CustomerPatch)]
pub struct Patch {
    /// Whether a person or a business.
    #[serde(
        rename = "type",
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub kind: Option<Kind>,
    /// The name.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<Name>,
    /// Where to write to.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Email>)]
    pub email: Option<Option<Email>>,
    /// Where to call.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Phone>)]
    pub phone: Option<Option<Phone>>,
    /// Where to send goods and bills, replaced as a whole.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Vec<AddressEntry>, max_items = 20)]
    pub addresses: Option<List<AddressEntry, 0, 20>>,
    /// How much the customer may owe.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Money>)]
    pub credit_limit: Option<Option<Money>>,
    /// Remarks.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Text<2000>>)]
    pub notes: Option<Option<Text<2000>>>,
    /// The client's own name for the customer.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Reference>)]
    pub reference: Option<Option<Reference>>,
    /// The client's own notes, replaced as a whole.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub metadata: Option<Metadata>,
}

impl Details {
    pub(super) fn checked(self) -> Result<Self, Rejection> {
        if self.credit_limit.is_some_and(Money::is_negative) {
            return Err(Rejection::NegativeCreditLimit);
        }
        if let Some(entry) = self.second(|entry| entry.is_default_shipping) {
            return Err(Rejection::TwoDefaultShipping { entry });
        }
        if let Some(entry) = self.second(|entry| entry.is_default_billing) {
            return Err(Rejection::TwoDefaultBilling { entry });
        }
        Ok(self)
    }

    /// Where the second of the addresses stands that are so marked.
    fn second(&self, is_marked: impl Fn(&AddressEntry) -> bool) -> Option<usize> {
        let entries = self.addresses.iter().enumerate();
        let mut marked = entries.filter(|(_, entry)| is_marked(entry));
        marked.nth(1).map(|(index, _)| index)
    }

    pub(super) fn split(self) -> (Account, Option<Box<Person>>) {
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

    pub(super) fn patched(mut self, patch: &Patch) -> Self {
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
