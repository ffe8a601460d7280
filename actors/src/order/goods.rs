//! Quantities of an order's lines, and what they come to at the stock items.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::line::Line;
use crate::ids::{LocationId, MovementId, ProductId};
use crate::values::Quantity;

/// Some of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderPortion)]
pub struct Portion {
    /// The line's number, from 1.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub line: u32,
    /// How many.
    pub quantity: Quantity,
}

/// Some of what a stock item holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    /// The product.
    pub product: ProductId,
    /// The location.
    pub location: LocationId,
    /// How much.
    pub quantity: i64,
}

/// Goods on their way back into stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restock {
    /// The goods.
    pub goods: Goods,
    /// The movement by which they come.
    pub movement: MovementId,
}

/// What portions come to at each stock item.
pub(super) fn goods(lines: &[Line], portions: &[Portion]) -> Vec<Goods> {
    sum(portions.iter().filter_map(|portion| {
        let terms = &line(lines, portion.line)?.terms;
        let quantity = i64::from(portion.quantity.get());
        Some(((terms.product, terms.location), quantity))
    }))
}

/// What quantities come to at each stock item; nothing is also an answer.
pub(super) fn sum(
    quantities: impl IntoIterator<Item = ((ProductId, LocationId), i64)>,
) -> Vec<Goods> {
    let mut sums = BTreeMap::new();
    for (item, quantity) in quantities {
        *sums.entry(item).or_insert(0_i64) += quantity;
    }
    let goods = sums
        .into_iter()
        .map(|((product, location), quantity)| Goods {
            product,
            location,
            quantity,
        });
    goods.collect()
}

/// The line with a number.
pub(super) fn line(lines: &[Line], number: u32) -> Option<&Line> {
    lines.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// The line with a number, to be changed.
pub(super) fn line_mut(lines: &mut [Line], number: u32) -> Option<&mut Line> {
    lines.get_mut(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// So many of every line that has any.
pub(super) fn portions(lines: &[Line], quantity: impl Fn(&Line) -> u32) -> Vec<Portion> {
    let portions = (1..).zip(lines).filter_map(|(number, line)| {
        Some(Portion {
            line: number,
            quantity: Quantity::new(quantity(line)).ok()?,
        })
    });
    portions.collect()
}
