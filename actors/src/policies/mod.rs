//! When this event, then that command to another entity: the rules that make the sagas.
//!
//! ```text
//!  order placed, wants more               -> reserve            at each stock item
//!  stock reserved, refused                -> StockReserved, StockRefused
//!  order rejected, cancelled, reduced     -> release            at each stock item
//!  order asks for a shipment              -> Create
//!  shipment made, with a number to come   -> Number
//!  shipment left, delivered, called off … -> ShipmentMoved
//!  order's shipment left                  -> issue              at each stock item
//!  order being cancelled                  -> CancelForOrder     to each shipment
//!  order's goods came back                -> take them back     at each stock item
//!  stock sent to another location         -> let it arrive there
//! ```
//!
//! A rule is a function of one event, which says all that the command needs. Nothing here keeps
//! anything, so a rule may run again at any time; the receivers see to it that it has no effect.

mod order;
mod shipment;
mod stock;

#[cfg(test)]
mod tests;

use engine::{Entity, Outgoing, Policy, Recorded, Unreadable};

use crate::order::Order;
use crate::shipment::Shipment;

/// Every rule.
pub const ALL: &[Policy] = &[
    rule("reserve-stock", Order::CONTEXT, order::reserve),
    rule("answer-order", Order::CONTEXT, stock::answer_order),
    rule("release-stock", Order::CONTEXT, order::release),
    rule("make-shipment", Order::CONTEXT, order::make_shipment),
    rule("number-shipment", Shipment::CONTEXT, shipment::number),
    rule("follow-shipment", Shipment::CONTEXT, shipment::tell_order),
    rule("issue-stock", Order::CONTEXT, order::issue),
    rule("cancel-shipments", Order::CONTEXT, order::cancel_shipments),
    rule("return-stock", Order::CONTEXT, order::take_back),
    rule("receive-transfer", Order::CONTEXT, stock::receive_transfer),
];

type Reaction = Result<Vec<Outgoing>, Unreadable>;

const fn rule(
    name: &'static str,
    context: &'static str,
    react: fn(&Recorded) -> Reaction,
) -> Policy {
    Policy {
        name,
        context,
        react,
    }
}

/// The event, if it is one of an entity `E` that has one of the names. Every rule sees every event
/// of its context, so the ones that are not its own must cost it nothing.
fn read<E: Entity>(recorded: &Recorded, names: &[&str]) -> Result<Option<E::Event>, Unreadable> {
    let is_ours = &*recorded.kind == E::KIND && names.contains(&&*recorded.name);
    is_ours.then(|| recorded.event::<E>()).transpose()
}
