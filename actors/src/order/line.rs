//! A line of an order: what was agreed, how far it has come, and what it costs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::command::NewLine;
use super::consignment::Consignment;
use super::rejection::{Field, Rejection};
use crate::ids::{LocationId, ProductId};
use crate::values::{Currency, Money, Name, Quantity, Sku, Weight};

/// A line: what was agreed, and how much of it has come how far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was agreed.
    pub terms: Arc<Terms>,
    /// How many are in shipments, those that have left included.
    pub assigned: u32,
    /// How many have left.
    pub shipped: u32,
    /// How many were delivered.
    pub delivered: u32,
    /// How many came back to the sender undelivered.
    pub undelivered: u32,
    /// How many were taken back.
    pub returned: u32,
    /// How many will never be shipped.
    pub cancelled: u32,
}

/// What was agreed of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The product.
    pub product: ProductId,
    /// The product's SKU.
    pub sku: Sku,
    /// The product's name.
    pub name: Name,
    /// Which location serves it.
    pub location: LocationId,
    /// How many.
    pub quantity: Quantity,
    /// The price of one.
    pub unit_price: Money,
    /// What is taken off the whole line.
    pub discount: Money,
    /// Tax on the whole line.
    pub tax: Money,
    /// Freight for the whole line.
    pub freight: Money,
    /// `unit_price × quantity - discount + tax + freight`.
    pub total: Money,
    /// The weight of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_g: Option<Weight>,
    /// Whether the order may wait for goods that are not there yet.
    pub backorderable: bool,
}

/// What an order costs, as it was agreed; what is cancelled later does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OrderTotals)]
pub struct Totals {
    /// Prices times quantities.
    pub goods: Money,
    /// What is taken off.
    pub discount: Money,
    /// Tax.
    pub tax: Money,
    /// Freight.
    pub freight: Money,
    /// `goods - discount + tax + freight`.
    pub total: Money,
}

impl Line {
    pub(super) fn new(terms: &Arc<Terms>) -> Self {
        Self {
            terms: Arc::clone(terms),
            assigned: 0,
            shipped: 0,
            delivered: 0,
            undelivered: 0,
            returned: 0,
            cancelled: 0,
        }
    }

    pub(super) fn forget_shipments(&mut self) {
        *self = Self {
            returned: self.returned,
            cancelled: self.cancelled,
            ..Self::new(&self.terms)
        };
    }

    pub(super) fn count(&mut self, consignment: &Consignment, quantity: u32) {
        let count = |counter: &mut u32, is_counted: bool| {
            *counter += if is_counted { quantity } else { 0 };
        };
        count(&mut self.assigned, !consignment.is_cancelled);
        count(&mut self.shipped, consignment.has_left);
        count(&mut self.delivered, consignment.is_delivered);
        let is_undelivered = consignment.is_returned && !consignment.is_delivered;
        count(&mut self.undelivered, is_undelivered);
    }

    /// How many are still to be had.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.terms.quantity.get().saturating_sub(self.cancelled)
    }

    /// How many are in no shipment yet.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.wanted().saturating_sub(self.assigned)
    }

    /// How many have not left yet.
    #[must_use]
    pub fn unshipped(&self) -> u32 {
        self.wanted().saturating_sub(self.shipped)
    }

    /// How many may come back: they were delivered, or the carrier brought them back.
    #[must_use]
    pub fn returnable(&self) -> u32 {
        (self.delivered.saturating_add(self.undelivered)).saturating_sub(self.returned)
    }
}

impl Totals {
    /// Adds lines up.
    ///
    /// # Errors
    /// When a sum is beyond what an amount can be.
    pub fn of(currency: Currency, lines: &[Arc<Terms>]) -> Result<Self, Rejection> {
        let sum = |amount: fn(&Terms) -> Money| {
            Money::sum(currency, lines.iter().map(|terms| amount(terms)))
                .map_err(|_| Rejection::TotalOutOfRange)
        };
        let (discount, tax) = (sum(|terms| terms.discount)?, sum(|terms| terms.tax)?);
        let (freight, total) = (sum(|terms| terms.freight)?, sum(|terms| terms.total)?);
        // Sums over the same lines, so the goods follow exactly; in this order nothing on the way
        // is larger than they are.
        let goods = total
            .checked_sub(freight)
            .and_then(|amount| amount.checked_sub(tax))
            .and_then(|amount| amount.checked_add(discount))
            .map_err(|_| Rejection::TotalOutOfRange)?;
        Ok(Self {
            goods,
            discount,
            tax,
            freight,
            total,
        })
    }
}

/// Works out lines in the order's currency.
pub(super) fn agree(
    currency: Currency,
    lines: &[NewLine],
) -> Result<(Vec<Arc<Terms>>, Totals), Rejection> {
    let terms = lines.iter().enumerate().map(|(line, new)| {
        Terms::new(currency, new)
            .map(Arc::new)
            .map_err(|(field, why)| why(line, field))
    });
    let terms = terms.collect::<Result<Vec<_>, _>>()?;
    let totals = Totals::of(currency, &terms)?;
    Ok((terms, totals))
}

/// A field at fault, and the refusal that its line's index completes.
type Fault = (Field, fn(usize, Field) -> Rejection);

fn mismatch(line: usize, field: Field) -> Rejection {
    Rejection::CurrencyMismatch { line, field }
}

fn negative(line: usize, field: Field) -> Rejection {
    Rejection::NegativeAmount { line, field }
}

fn out_of_range(line: usize, field: Field) -> Rejection {
    Rejection::AmountOutOfRange { line, field }
}

fn too_large(line: usize, _: Field) -> Rejection {
    Rejection::DiscountTooLarge { line }
}

impl Terms {
    fn new(currency: Currency, new: &NewLine) -> Result<Self, Fault> {
        let amount = |field, amount: Option<Money>| {
            let amount = amount.unwrap_or(Money::zero(currency));
            match (amount.currency() == currency, amount.is_negative()) {
                (false, _) => Err((field, mismatch as _)),
                (true, true) => Err((field, negative as _)),
                (true, false) => Ok(amount),
            }
        };
        let unit_price = amount(Field::UnitPrice, Some(new.unit_price))?;
        let discount = amount(Field::Discount, new.discount)?;
        let tax = amount(Field::Tax, new.tax)?;
        let freight = amount(Field::Freight, new.freight)?;
        let beyond = |field| move |_| -> Fault { (field, out_of_range) };
        let goods = unit_price
            .checked_mul(new.quantity.get())
            .map_err(beyond(Field::UnitPrice))?;
        let reduced = goods
            .checked_sub(discount)
            .map_err(beyond(Field::Discount))?;
        if reduced.is_negative() {
            return Err((Field::Discount, too_large));
        }
        let taxed = reduced.checked_add(tax).map_err(beyond(Field::Tax))?;
        let total = taxed.checked_add(freight).map_err(beyond(Field::Freight))?;
        Ok(Self {
            product: new.product,
            sku: new.sku.clone(),
            name: new.name.clone(),
            location: new.location,
            quantity: new.quantity,
            unit_price,
            discount,
            tax,
            freight,
            total,
            weight_g: new.weight_g,
            backorderable: new.backorderable,
        })
    }
}
