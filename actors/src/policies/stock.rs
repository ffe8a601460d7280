//! What follows from the events of stock items.

use engine::{Outgoing, Recorded};

use super::{Reaction, read};
use crate::order::{self, Order};
use crate::stock::{Action, Command, Event, Stock};

/// A stock item's answer goes to the order that asked.
pub(super) fn answer_order(recorded: &Recorded) -> Reaction {
    let stock = recorded.entity.into();
    let answer = match read::<Stock>(recorded, &["reserved", "refused"])? {
        Some(Event::Reserved {
            order, reserve_by, ..
        }) => (order, order::Command::StockReserved { stock, reserve_by }),
        Some(Event::Refused {
            order,
            reserve_by,
            reason,
            available,
            ..
        }) => (
            order,
            order::Command::StockRefused {
                stock,
                reserve_by,
                reason,
                available,
            },
        ),
        _ => return Ok(Vec::new()),
    };
    let (order, command) = answer;
    // An order takes each answer once, and only while it waits for it.
    Ok(vec![Outgoing::to::<Order>(order, command).idempotent()])
}

/// Goods sent to another location arrive there.
pub(super) fn receive_transfer(recorded: &Recorded) -> Reaction {
    let Some(Event::TransferredOut {
        movement,
        product,
        from,
        to,
        quantity,
        ..
    }) = read::<Stock>(recorded, &["transferred_out"])?
    else {
        return Ok(Vec::new());
    };
    let command = Command {
        product,
        location: to,
        action: Action::TransferIn {
            movement,
            from,
            quantity,
        },
    };
    Ok(vec![Outgoing::to::<Stock>(command.addressee(), command)])
}
