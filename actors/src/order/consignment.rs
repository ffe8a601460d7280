//! A shipment as its order sees it.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::goods::Portion;
use crate::ids::ShipmentId;

/// The most shipments that an order has, those called off included.
pub const SHIPMENTS_AT_MOST: usize = 100;

/// A shipment as its order sees it: what is inside, and which facts are known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consignment {
    /// The shipment.
    pub id: ShipmentId,
    /// What is inside.
    pub lines: Vec<Portion>,
    /// Whether it was called off before it left, so that its lines are free again.
    pub is_cancelled: bool,
    /// Whether it has left.
    pub has_left: bool,
    /// Whether it left after it had been called off and its lines were given to others.
    pub is_stray: bool,
    /// Whether it was delivered.
    pub is_delivered: bool,
    /// Whether it came back to the sender.
    pub is_returned: bool,
    /// Whether the carrier declared it lost.
    pub is_lost: bool,
}

impl Consignment {
    pub(super) fn new(id: ShipmentId, lines: Vec<Portion>) -> Self {
        Self {
            id,
            lines,
            is_cancelled: false,
            has_left: false,
            is_stray: false,
            is_delivered: false,
            is_returned: false,
            is_lost: false,
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::ShipmentCancelled { .. } => self.is_cancelled = true,
            Event::ShipmentLeft { .. } => {
                // One that was called off and leaves after all takes its lines back.
                self.is_cancelled = false;
                self.has_left = true;
            }
            Event::ShipmentStrayed { .. } => self.is_stray = true,
            Event::ShipmentDelivered { .. } => self.is_delivered = true,
            Event::ShipmentReturned { .. } => self.is_returned = true,
            Event::ShipmentLost { .. } => self.is_lost = true,
            _ => {}
        }
    }

    /// Whether it is known whether it leaves.
    #[must_use]
    pub const fn is_decided(&self) -> bool {
        self.has_left || self.is_cancelled
    }
}
