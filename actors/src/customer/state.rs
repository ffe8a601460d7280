//! What is known of a customer, and how it changes.

use engine::{Claim, ClaimScope, Context, Entity, Index};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::{AddressEntry, Command, Details, Event, Kind, Rejection};
use crate::claims;
use crate::ids::CustomerId;
use crate::values::{Address, Email, List, Metadata, Money, Name, Phone, Reference, Text};

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
