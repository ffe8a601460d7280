//! What is to be done in a run, and where it must lead.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::data::{Customer, Data, Line, Order, Product};
use super::mapping::{self, Ending, Step};
use super::tally::Tally;

/// Pieces of every product that nobody orders.
pub const SPARE: i64 = 3;
/// The product that stands in for goods that the data does not name.
pub const STAND_IN: &str = "unlisted";

/// What a parcel is said to weigh when that of any piece in it is not known.
const NOMINAL_WEIGHT_G: u32 = 1_000;

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// The orders, as they were bought one after the other.
    pub orders: Vec<Planned>,
    /// The products that they need, by their id in the data.
    pub products: BTreeMap<String, Goods>,
    /// The persons who buy, with where they lived first.
    pub customers: BTreeMap<String, Customer>,
    /// Rows of the data that are broken.
    pub faults: Tally,
}

/// An order with its ending.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What the data says; never without lines.
    pub order: Order,
    /// How it ends.
    pub ending: Ending,
    /// What its parcel weighs, in grams.
    pub weight_g: u32,
}

/// A product, and its stock.
#[derive(Clone, Debug)]
pub struct Goods {
    /// What the data says.
    pub product: Product,
    /// The first price that anyone paid.
    pub price: Decimal,
    /// How many pieces are received before the first order.
    pub received: i64,
    /// How many are there in the end.
    pub on_hand: i64,
    /// How many of these are promised in the end.
    pub reserved: i64,
}

impl Planned {
    /// The price of the goods.
    #[must_use]
    pub fn goods(&self) -> Decimal {
        self.order.lines.iter().map(|line| line.price).sum()
    }

    /// The price of bringing them.
    #[must_use]
    pub fn freight(&self) -> Decimal {
        self.order.lines.iter().map(|line| line.freight).sum()
    }
}

impl Plan {
    /// Plans the first orders of the data, all if there is no limit.
    #[must_use]
    pub fn new(data: Data, limit: Option<usize>) -> Self {
        let Data {
            orders,
            products,
            faults,
        } = data;
        let mut plan = Self {
            orders: Vec::new(),
            products: BTreeMap::new(),
            customers: BTreeMap::new(),
            faults,
        };
        for order in orders.into_iter().take(limit.unwrap_or(usize::MAX)) {
            plan.add(order, &products);
        }
        plan
    }

    /// How many orders end how.
    #[must_use]
    pub fn endings(&self) -> BTreeMap<Ending, usize> {
        let mut endings = BTreeMap::new();
        for planned in &self.orders {
            *endings.entry(planned.ending).or_default() += 1;
        }
        endings
    }

    fn add(&mut self, mut order: Order, products: &BTreeMap<String, Product>) {
        for fault in mapping::faults(&order) {
            self.faults.count(fault);
        }
        if order.lines.is_empty() {
            self.faults
                .count("order that names no goods, given a stand-in");
            order.lines.push(stand_in(order.paid));
        }
        let ending = mapping::ending(&order);
        for line in &order.lines {
            self.goods(line, products).count(ending);
        }
        self.customers
            .entry(order.customer.person.clone())
            .or_insert_with(|| order.customer.clone());
        let weight_g = self.weight_g(&order);
        if weight_g.is_none() && ending.steps().contains(&Step::Ship) {
            self.faults
                .count("parcel of unknown weight, taken for 1 kg");
        }
        self.orders.push(Planned {
            order,
            ending,
            weight_g: weight_g.unwrap_or(NOMINAL_WEIGHT_G),
        });
    }

    fn weight_g(&self, order: &Order) -> Option<u32> {
        let weight = |line: &Line| self.products.get(&line.product)?.product.weight_g;
        order.lines.iter().map(weight).sum()
    }

    fn goods(&mut self, line: &Line, products: &BTreeMap<String, Product>) -> &mut Goods {
        self.products
            .entry(line.product.clone())
            .or_insert_with(|| Goods {
                product: products.get(&line.product).cloned().unwrap_or_default(),
                price: line.price,
                received: SPARE,
                on_hand: SPARE,
                reserved: 0,
            })
    }
}

impl Goods {
    /// Counts a piece of an order that ends so.
    fn count(&mut self, ending: Ending) {
        self.received += i64::from(ending.needs_stock());
        self.on_hand += i64::from(ending.needs_stock() && !ending.consumes());
        self.reserved += i64::from(ending.reserves());
    }
}

fn stand_in(paid: Decimal) -> Line {
    Line {
        product: STAND_IN.to_owned(),
        seller_city: None,
        price: paid,
        freight: Decimal::ZERO,
    }
}
