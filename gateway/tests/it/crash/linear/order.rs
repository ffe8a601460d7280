//! An order as one thing after the other would leave it: its notes are written while they may be,
//! some of them on condition that nothing has changed, and several clients pick, pack and cancel it.

use std::sync::atomic::{AtomicI64, Ordering};

use rand::RngExt as _;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};
use todc_utils::specifications::Specification;

use super::super::client::{Answer, Api, Change};
use super::super::shop::{self, Shop};
use super::log::Operation;
use super::{Asked, Subject, number, text};

/// The model.
pub(super) struct Spec;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Status {
    #[default]
    Confirmed,
    Picking,
    Packed,
    Cancelled,
}

/// Where an order stands; versions are counted from its confirmation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) status: Status,
    pub(super) version: i64,
    /// The number that is its note; 0 if it has none yet.
    pub(super) note: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Write(u64),
    /// Only if the version is this one.
    WriteAt(i64, u64),
    Move(Status),
    Read,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Tell {
    Done,
    Refused,
    Stale,
    /// Done, and this is how it was left.
    Left(State),
}

impl Specification for Spec {
    type State = State;
    type Operation = Operation<Ask, Tell>;

    fn init() -> State {
        State::default()
    }

    fn apply(operation: &Self::Operation, before: &State) -> (bool, State) {
        let answer = before.answer(operation.asked);
        let is_told = match (operation.told, answer) {
            (None, _)
            | (Some(Tell::Done), Ok(_))
            | (Some(Tell::Refused), Err(Tell::Refused))
            | (Some(Tell::Stale), Err(Tell::Stale)) => true,
            (Some(Tell::Left(told)), Ok(after)) => told == after,
            _ => false,
        };
        let after = answer.ok().filter(|_| is_told).unwrap_or(*before);
        (is_told, after)
    }
}

impl State {
    fn answer(self, ask: Ask) -> Result<Self, Tell> {
        match ask {
            Ask::Read => Ok(self),
            Ask::WriteAt(version, _) if version != self.version => Err(Tell::Stale),
            Ask::Write(_) | Ask::WriteAt(..) if self.status != Status::Confirmed => {
                Err(Tell::Refused)
            }
            Ask::Write(note) | Ask::WriteAt(_, note) => Ok(Self {
                note,
                ..self.next()
            }),
            // To be there already is no mistake, and changes nothing.
            Ask::Move(to) if to == self.status => Ok(self),
            Ask::Move(to) if self.status.allows(to) => Ok(Self {
                status: to,
                ..self.next()
            }),
            Ask::Move(_) => Err(Tell::Refused),
        }
    }

    fn next(self) -> Self {
        Self {
            version: self.version + 1,
            ..self
        }
    }
}

impl Status {
    fn allows(self, to: Self) -> bool {
        match self {
            Self::Confirmed => matches!(to, Self::Picking | Self::Cancelled),
            Self::Picking => matches!(to, Self::Packed | Self::Cancelled),
            Self::Packed => to == Self::Cancelled,
            Self::Cancelled => false,
        }
    }
}

/// A confirmed order.
pub(super) struct Order {
    path: String,
    confirmed_at: i64,
    /// The last version that a client has seen, for conditions that may hold.
    seen: AtomicI64,
}

impl Subject for Order {
    type Spec = Spec;
    type Ask = Ask;
    type Tell = Tell;

    async fn make(api: &Api, shop: &Shop, name: &str) -> Self {
        let product = &shop.common[0];
        let receipt = shop.receipt(product, 1);
        shop::make(api, &format!("{name}-goods"), "/stock/movements", &receipt).await;
        let lines = json!([{ "product": product, "quantity": 1 }]);
        let order = json!({ "customer": shop.customers[0], "lines": lines });
        let answer = api.ask_for(&Change::new(name, "/orders", order)).await;
        let path = format!("/orders/{}", text(&answer.json(), "id"));
        let order = super::until(api, &path, |order| order["status"] != "placed").await;
        assert_eq!(order["status"], "confirmed", "{order}");
        Self {
            path,
            confirmed_at: number(&order, "version"),
            seen: AtomicI64::new(0),
        }
    }

    fn choose(&self, random: &mut StdRng) -> Ask {
        let note = random.random_range(1..1 << 40);
        match random.random_range(0..30) {
            0..10 => Ask::Write(note),
            10..17 => Ask::WriteAt(self.seen.load(Ordering::Relaxed), note),
            17..20 => Ask::Move(Status::Picking),
            20 => Ask::Move(Status::Packed),
            21 => Ask::Move(Status::Cancelled),
            _ => Ask::Read,
        }
    }

    fn request(&self, ask: Ask, key: &str) -> Change {
        let patch = |note: u64| Change {
            method: Method::PATCH,
            ..Change::new(key, &self.path, json!({ "notes": note.to_string() }))
        };
        let act = |verb| Change::new(key, &format!("{}/{verb}", self.path), json!({}));
        match ask {
            Ask::Write(note) => patch(note),
            Ask::WriteAt(version, note) => Change {
                if_match: Some(self.confirmed_at + version),
                ..patch(note)
            },
            Ask::Move(Status::Picking) => act("pick"),
            Ask::Move(Status::Packed) => act("pack"),
            Ask::Move(Status::Cancelled) => act("cancel"),
            Ask::Move(Status::Confirmed) | Ask::Read => Change {
                method: Method::GET,
                ..Change::new(key, &self.path, Value::Null)
            },
        }
    }

    async fn told(&self, _: &Api, ask: Ask, how: Asked, answer: &Answer) -> Tell {
        match answer.status {
            200 => {
                let state = self.state(&answer.json());
                self.seen.fetch_max(state.version, Ordering::Relaxed);
                // A repeat may be told where the order is by now.
                match how {
                    Asked::UnderKey => Tell::Done,
                    Asked::Once => Tell::Left(state),
                }
            }
            409 => Tell::Refused,
            412 => Tell::Stale,
            _ => panic!("{ask:?}: {answer:?}"),
        }
    }
}

impl Order {
    fn state(&self, order: &Value) -> State {
        let status = match text(order, "status") {
            "confirmed" => Status::Confirmed,
            "picking" => Status::Picking,
            "packed" => Status::Packed,
            "cancelled" => Status::Cancelled,
            _ => panic!("{order}"),
        };
        State {
            status,
            version: number(order, "version") - self.confirmed_at,
            note: order["notes"].as_str().map_or(0, |it| it.parse().unwrap()),
        }
    }
}
