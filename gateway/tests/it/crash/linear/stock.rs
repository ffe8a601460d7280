//! A stock item as one thing after the other would leave it: received, issued, reserved, read.

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

/// What is there, and what of it is kept for orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Balance {
    pub(super) on_hand: i64,
    pub(super) reserved: i64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    Receive(i64),
    Issue(i64),
    /// An order for so many.
    Reserve(i64),
    Read,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Tell {
    Done,
    Refused,
    /// Done, and this is the balance that it left.
    Left(Balance),
}

impl Specification for Spec {
    type State = Balance;
    type Operation = Operation<Ask, Tell>;

    fn init() -> Balance {
        Balance::default()
    }

    fn apply(operation: &Self::Operation, before: &Balance) -> (bool, Balance) {
        let (after, is_done) = match (operation.asked, before.on_hand - before.reserved) {
            (Ask::Receive(quantity), _) => (before.plus(quantity, 0), true),
            (Ask::Issue(quantity), free) if quantity <= free => (before.plus(-quantity, 0), true),
            (Ask::Reserve(quantity), free) if quantity <= free => (before.plus(0, quantity), true),
            (Ask::Issue(_) | Ask::Reserve(_), _) => (*before, false),
            (Ask::Read, _) => (*before, true),
        };
        let is_told = match operation.told {
            None => true,
            Some(Tell::Done) => is_done,
            Some(Tell::Refused) => !is_done,
            Some(Tell::Left(balance)) => is_done && balance == after,
        };
        (is_told, if is_told { after } else { *before })
    }
}

impl Balance {
    fn plus(self, on_hand: i64, reserved: i64) -> Self {
        Self {
            on_hand: self.on_hand + on_hand,
            reserved: self.reserved + reserved,
        }
    }

    fn of(item: &Value) -> Self {
        Self {
            on_hand: number(item, "on_hand"),
            reserved: number(item, "reserved"),
        }
    }
}

/// A stock item of which nothing is there at first.
pub(super) struct Stock {
    item: String,
    product: String,
    location: String,
    customer: String,
}

impl Subject for Stock {
    type Spec = Spec;
    type Ask = Ask;
    type Tell = Tell;

    async fn make(api: &Api, shop: &Shop, name: &str) -> Self {
        let product = shop::product(api, name).await;
        // A stock item is opened by what is received; this leaves as much as there was before.
        for kind in ["receipt", "issue"] {
            let movement = json!({
                "type": kind, "product": product, "location": shop.location, "quantity": 1,
            });
            shop::make(
                api,
                &format!("{name}-{kind}"),
                "/stock/movements",
                &movement,
            )
            .await;
        }
        let items = api.list(&format!("/stock?product={product}")).await;
        Self {
            item: text(&items[0], "id").to_owned(),
            product,
            location: shop.location.clone(),
            customer: shop.customers[0].clone(),
        }
    }

    fn choose(&self, random: &mut StdRng) -> Ask {
        match random.random_range(0..10) {
            0..3 => Ask::Receive(random.random_range(1..=4)),
            3..5 => Ask::Issue(random.random_range(1..=4)),
            5..8 => Ask::Reserve(random.random_range(1..=4)),
            _ => Ask::Read,
        }
    }

    fn request(&self, ask: Ask, key: &str) -> Change {
        let (product, location, customer) = (&self.product, &self.location, &self.customer);
        let movement = |kind, quantity| json!({ "type": kind, "product": product, "location": location, "quantity": quantity });
        let new = |path, body| Change::new(key, path, body);
        match ask {
            Ask::Receive(quantity) => new("/stock/movements", movement("receipt", quantity)),
            Ask::Issue(quantity) => new("/stock/movements", movement("issue", quantity)),
            Ask::Reserve(quantity) => {
                let line = json!({ "product": product, "quantity": quantity });
                new("/orders", json!({ "customer": customer, "lines": [line] }))
            }
            Ask::Read => Change {
                method: Method::GET,
                ..new(&format!("/stock/{}", self.item), Value::Null)
            },
        }
    }

    async fn told(&self, api: &Api, ask: Ask, how: Asked, answer: &Answer) -> Tell {
        match (ask, answer.status) {
            (Ask::Read, 200) => Tell::Left(Balance::of(&answer.json())),
            // A repeat may be told where the item is by now.
            (Ask::Receive(_) | Ask::Issue(_), 201) if how == Asked::UnderKey => Tell::Done,
            (Ask::Receive(_) | Ask::Issue(_), 201) => {
                Tell::Left(Balance::of(&answer.json()["stock"]))
            }
            (Ask::Issue(_), 409) => Tell::Refused,
            (Ask::Reserve(_), 201 | 202) => decided(api, text(&answer.json(), "id")).await,
            _ => panic!("{ask:?}: {answer:?}"),
        }
    }
}

/// What the item has answered to the order. Only then is the reservation over.
async fn decided(api: &Api, order: &str) -> Tell {
    let path = format!("/orders/{order}");
    let order = super::until(api, &path, |order| order["status"] != "placed").await;
    match text(&order, "status") {
        "confirmed" => Tell::Done,
        "rejected" => {
            assert_eq!(order["reject_reason"], "stock_refused", "{order}");
            Tell::Refused
        }
        _ => panic!("{order}"),
    }
}
