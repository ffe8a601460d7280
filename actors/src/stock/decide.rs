//! How a stock item decides.

use chrono::{DateTime, Utc};
use engine::Context;

use super::command::{Action, Command, MoveKind, Remarks};
use super::event::{Entry, EntryKind, Event, RefusalReason};
use super::rejection::{QUANTITY_MAX, Rejection};
use super::state::{Item, Stock, movement_of};
use crate::ids::{LocationId, MovementId, OrderId, ShipmentId};

/// Decides a command; whatever happens first is preceded by the item's opening.
pub(super) fn decide(
    stock: &Stock,
    command: &Command,
    context: &Context,
) -> Result<Vec<Event>, Rejection> {
    let item = Item {
        product: command.product,
        location: command.location,
    };
    if stock.item.is_some_and(|known| known != item) {
        return Err(Rejection::WrongItem);
    }
    let Some(event) = react(stock, item, &command.action, context.clock)? else {
        return Ok(Vec::new());
    };
    if stock.item.is_some() {
        return Ok(vec![event]);
    }
    let opened = Event::Opened {
        product: item.product,
        location: item.location,
    };
    Ok(vec![opened, event])
}

fn react(
    stock: &Stock,
    item: Item,
    action: &Action,
    clock: DateTime<Utc>,
) -> Result<Option<Event>, Rejection> {
    match action {
        Action::Move {
            movement,
            kind,
            quantity,
            remarks,
        } => enter(stock, *movement, *kind, *quantity, remarks),
        Action::TransferOut {
            movement,
            to,
            quantity,
            remarks,
        } => transfer_out(stock, item, *movement, *to, *quantity, remarks),
        Action::TransferIn {
            movement,
            from,
            quantity,
        } => Ok(transfer_in(stock, *movement, *from, *quantity)),
        Action::Reserve {
            order,
            quantity,
            backorder,
            reserve_by,
        } => Ok(reserve(
            stock,
            *order,
            *quantity,
            *backorder,
            *reserve_by,
            clock,
        )),
        Action::Release {
            order,
            keep,
            reserve_by,
        } => Ok(release(stock, *order, *keep, *reserve_by, clock)),
        Action::Issue {
            order,
            shipment,
            quantity,
        } => Ok(issue(stock, *order, *shipment, *quantity)),
        Action::IssueStray {
            order,
            shipment,
            quantity,
        } => Ok(issue_stray(stock, *order, *shipment, *quantity)),
        Action::Return {
            order,
            movement,
            quantity,
        } => Ok(take_back(stock, *order, *movement, *quantity)),
        Action::SetReorderPoint { reorder_point } => set_reorder_point(stock, *reorder_point),
    }
}

fn enter(
    stock: &Stock,
    movement: MovementId,
    kind: MoveKind,
    quantity: i64,
    remarks: &Remarks,
) -> Result<Option<Event>, Rejection> {
    let (kind, change) = match kind {
        MoveKind::Receipt => (EntryKind::Receipt, positive(quantity)?),
        MoveKind::Issue => (EntryKind::Issue, -positive(quantity)?),
        MoveKind::Adjustment => {
            if quantity == 0 || !(-QUANTITY_MAX..=QUANTITY_MAX).contains(&quantity) {
                return Err(Rejection::AdjustmentOutOfRange);
            }
            if remarks.note.is_none() {
                return Err(Rejection::ReasonMissing);
            }
            (EntryKind::Adjustment, quantity)
        }
    };
    if stock.recent.contains(&movement) {
        return Ok(None);
    }
    if change > 0 && stock.on_hand.saturating_add(change) > QUANTITY_MAX {
        return Err(Rejection::BalanceOutOfRange);
    }
    // What a count finds missing is gone, also when customers wait for it; what is only wanted
    // elsewhere is not taken from them.
    let free = match kind {
        EntryKind::Adjustment => stock.spare(),
        _ => stock.available(),
    };
    if -change > free {
        return Err(Rejection::InsufficientStock { available: free });
    }
    Ok(Some(Event::Moved {
        movement,
        remarks: remarks.clone(),
        ledger: Entry {
            kind,
            on_hand: change,
            reserved: 0,
        },
    }))
}

fn transfer_out(
    stock: &Stock,
    item: Item,
    movement: MovementId,
    to: LocationId,
    quantity: i64,
    remarks: &Remarks,
) -> Result<Option<Event>, Rejection> {
    let quantity = positive(quantity)?;
    if to == item.location {
        return Err(Rejection::SameLocation);
    }
    if stock.recent.contains(&movement) {
        return Ok(None);
    }
    let available = stock.available();
    if quantity > available {
        return Err(Rejection::InsufficientStock { available });
    }
    Ok(Some(Event::TransferredOut {
        movement,
        product: item.product,
        from: item.location,
        to,
        quantity,
        remarks: remarks.clone(),
        ledger: Entry {
            kind: EntryKind::TransferOut,
            on_hand: -quantity,
            reserved: 0,
        },
    }))
}

/// Goods on their way have to arrive, so the limit of the balance does not hold here.
fn transfer_in(
    stock: &Stock,
    movement: MovementId,
    from: LocationId,
    quantity: i64,
) -> Option<Event> {
    if quantity < 1 || stock.recent.contains(&movement) {
        return None;
    }
    Some(Event::TransferredIn {
        movement,
        from,
        ledger: Entry {
            kind: EntryKind::TransferIn,
            on_hand: quantity,
            reserved: 0,
        },
    })
}

/// An order may ask again for another quantity in all, as long as it asks later: of what it asks,
/// in whatever order it arrives, the latest holds.
fn reserve(
    stock: &Stock,
    order: OrderId,
    quantity: i64,
    backorder: bool,
    reserve_by: DateTime<Utc>,
    clock: DateTime<Utc>,
) -> Option<Event> {
    let reservation = stock.reservations.get(&order);
    if reservation.is_some_and(|known| known.reserve_by >= reserve_by)
        || stock.settled.contains(order, reserve_by)
    {
        return None;
    }
    let (had, issued) = reservation.map_or((0, 0), |known| (known.quantity, known.issued));
    let (more, available) = (quantity.saturating_sub(had), stock.available());
    let reason = if clock > reserve_by || stock.settled.is_forgotten(reserve_by) {
        RefusalReason::TooLate
    } else if quantity <= issued || more > QUANTITY_MAX.saturating_sub(stock.reserved) {
        RefusalReason::OutOfRange
    } else if more > available && !backorder {
        RefusalReason::InsufficientStock
    } else {
        return Some(Event::Reserved {
            order,
            quantity,
            backorder,
            reserve_by,
            at: clock,
            ledger: Entry {
                kind: EntryKind::Reservation,
                on_hand: 0,
                reserved: more,
            },
        });
    };
    Some(Event::Refused {
        order,
        quantity,
        available: available.saturating_add(had),
        reason,
        reserve_by,
        at: clock,
    })
}

fn release(
    stock: &Stock,
    order: OrderId,
    keep: i64,
    reserve_by: DateTime<Utc>,
    clock: DateTime<Utc>,
) -> Option<Event> {
    let barred = Event::Barred {
        order,
        reserve_by,
        at: clock,
    };
    let Some(reservation) = stock.reservations.get(&order) else {
        // An order that keeps something was reserved for: it is here no more because all was
        // issued, or released later than this.
        let is_settled = stock.settled.contains(order, reserve_by)
            || stock.settled.is_forgotten(reserve_by)
            || keep > 0;
        return (!is_settled).then_some(barred);
    };
    if reserve_by < reservation.reserve_by {
        return None;
    }
    let released = reservation.quantity - keep.max(reservation.issued);
    if released > 0 {
        return Some(Event::Released {
            order,
            keep,
            reserve_by,
            ledger: Entry {
                kind: EntryKind::Release,
                on_hand: 0,
                reserved: -released,
            },
        });
    }
    (reserve_by > reservation.reserve_by).then_some(barred)
}

/// Issues no more than is reserved for the order. Orders never ship more than that; a shipment
/// whose order has no reservation left is a repeat.
fn issue(stock: &Stock, order: OrderId, shipment: ShipmentId, quantity: i64) -> Option<Event> {
    let reservation = stock.reservations.get(&order)?;
    let quantity = quantity.min(reservation.open());
    if quantity < 1 || reservation.shipments.contains(&shipment) {
        return None;
    }
    Some(Event::Sold {
        order,
        shipment,
        ledger: Entry {
            kind: EntryKind::Sale,
            on_hand: -quantity,
            reserved: -quantity,
        },
    })
}

/// The goods are gone whatever was promised of them, so what is available may fall below nothing:
/// the one way in which that happens without anybody's consent, and the books had better say so.
fn issue_stray(
    stock: &Stock,
    order: OrderId,
    shipment: ShipmentId,
    quantity: i64,
) -> Option<Event> {
    if quantity < 1 || stock.recent.contains(&movement_of(shipment)) {
        return None;
    }
    Some(Event::Strayed {
        order,
        shipment,
        ledger: Entry {
            kind: EntryKind::Sale,
            on_hand: -quantity,
            reserved: 0,
        },
    })
}

fn take_back(stock: &Stock, order: OrderId, movement: MovementId, quantity: i64) -> Option<Event> {
    if quantity < 1 || stock.recent.contains(&movement) {
        return None;
    }
    Some(Event::Returned {
        order,
        movement,
        ledger: Entry {
            kind: EntryKind::Return,
            on_hand: quantity,
            reserved: 0,
        },
    })
}

fn set_reorder_point(
    stock: &Stock,
    reorder_point: Option<i64>,
) -> Result<Option<Event>, Rejection> {
    if reorder_point.is_some_and(|point| !(0..=QUANTITY_MAX).contains(&point)) {
        return Err(Rejection::ReorderPointOutOfRange);
    }
    Ok((reorder_point != stock.reorder_point).then_some(Event::ReorderPointSet { reorder_point }))
}

fn positive(quantity: i64) -> Result<i64, Rejection> {
    if (1..=QUANTITY_MAX).contains(&quantity) {
        Ok(quantity)
    } else {
        Err(Rejection::QuantityOutOfRange)
    }
}
