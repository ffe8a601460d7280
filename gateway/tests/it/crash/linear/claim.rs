//! A reference that one customer at most can have: raced for, given up, taken again, looked up.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use reqwest::Method;
use serde_json::{Value, json};
use todc_utils::specifications::Specification;

use super::super::client::{Answer, Api, Change};
use super::super::shop::Shop;
use super::log::Operation;
use super::{Asked, Subject, text};

/// The model.
pub(super) struct Spec;

/// A customer that is to have the reference, by its number.
type Customer = u32;

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// A new customer with it.
    Create(Customer),
    GiveUp(Customer),
    Take(Customer),
    LookUp,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Tell {
    Done,
    Taken,
    HeldBy(Option<Customer>),
}

impl Specification for Spec {
    type State = Option<Customer>;
    type Operation = Operation<Ask, Tell>;

    fn init() -> Option<Customer> {
        None
    }

    fn apply(operation: &Self::Operation, holder: &Option<Customer>) -> (bool, Option<Customer>) {
        let (after, is_done) = match operation.asked {
            Ask::Create(customer) | Ask::Take(customer) => match holder {
                Some(other) if *other != customer => (*holder, false),
                _ => (Some(customer), true),
            },
            Ask::GiveUp(customer) => (holder.filter(|it| *it != customer), true),
            Ask::LookUp => (*holder, true),
        };
        let is_told = match operation.told {
            None => true,
            Some(Tell::Done) => is_done,
            Some(Tell::Taken) => !is_done,
            Some(Tell::HeldBy(told)) => told == after,
        };
        (is_told, if is_told { after } else { *holder })
    }
}

/// A reference that nobody has at first.
pub(super) struct Reference {
    reference: String,
    next: AtomicU32,
    /// The customers of whom somebody has been told, with their ids.
    known: Mutex<Vec<(Customer, String)>>,
}

impl Subject for Reference {
    type Spec = Spec;
    type Ask = Ask;
    type Tell = Tell;

    async fn make(_: &Api, _: &Shop, name: &str) -> Self {
        Self {
            reference: name.to_owned(),
            next: AtomicU32::new(0),
            known: Mutex::default(),
        }
    }

    fn choose(&self, random: &mut StdRng) -> Ask {
        let known = self.known.lock().unwrap().choose(random).map(|it| it.0);
        match (random.random_range(0..10), known) {
            (0..3, Some(known)) => Ask::GiveUp(known),
            (3..6, Some(known)) => Ask::Take(known),
            (6..8, _) => Ask::LookUp,
            _ => Ask::Create(self.next.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn request(&self, ask: Ask, key: &str) -> Change {
        let reference = &self.reference;
        let patch = |customer, reference: Value| Change {
            method: Method::PATCH,
            ..Change::new(key, &self.path(customer), json!({ "reference": reference }))
        };
        match ask {
            Ask::Create(customer) => {
                let name = customer.to_string();
                let new = json!({ "type": "individual", "name": name, "reference": reference });
                Change::new(key, "/customers", new)
            }
            Ask::GiveUp(customer) => patch(customer, Value::Null),
            Ask::Take(customer) => patch(customer, json!(reference)),
            Ask::LookUp => Change {
                method: Method::GET,
                ..Change::new(
                    key,
                    &format!("/customers?reference={reference}"),
                    Value::Null,
                )
            },
        }
    }

    async fn told(&self, _: &Api, ask: Ask, _: Asked, answer: &Answer) -> Tell {
        match (ask, answer.status) {
            (Ask::Create(_), 201) => {
                self.learn(&answer.json());
                Tell::Done
            }
            (Ask::GiveUp(_) | Ask::Take(_), 200) => Tell::Done,
            (Ask::Create(_) | Ask::Take(_), 409) => Tell::Taken,
            (Ask::LookUp, 200) => {
                let page = answer.json();
                let holders = page["data"].as_array().unwrap();
                assert!(holders.len() <= 1, "{page}");
                Tell::HeldBy(holders.first().map(|it| self.learn(it)))
            }
            _ => panic!("{ask:?}: {answer:?}"),
        }
    }
}

impl Reference {
    fn learn(&self, customer: &Value) -> Customer {
        let number = text(customer, "name").parse().unwrap();
        let mut known = self.known.lock().unwrap();
        if known.iter().all(|(it, _)| *it != number) {
            known.push((number, text(customer, "id").to_owned()));
        }
        number
    }

    fn path(&self, customer: Customer) -> String {
        let known = self.known.lock().unwrap();
        let (_, id) = known.iter().find(|(it, _)| *it == customer).unwrap();
        format!("/customers/{id}")
    }
}
