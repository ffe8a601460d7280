//! How far an order's goods are, all lines together.

use super::line::Line;
use super::status::Status;

/// The furthest that any goods have come, and whether all have; `None` while none has left.
pub(super) fn progress(lines: &[Line]) -> Option<Status> {
    let sum =
        |count: fn(&Line) -> u32| -> u64 { lines.iter().map(|line| u64::from(count(line))).sum() };
    let reached = |count: u64, all: Status, some: Status| {
        let is_all = count == sum(Line::wanted);
        (count > 0).then_some(if is_all { all } else { some })
    };
    let returned = sum(|line| line.returned);
    let delivered = sum(|line| line.delivered);
    let shipped = sum(|line| line.shipped);
    reached(returned, Status::Returned, Status::PartiallyReturned)
        .or_else(|| reached(delivered, Status::Delivered, Status::PartiallyDelivered))
        .or_else(|| reached(shipped, Status::Shipped, Status::PartiallyShipped))
}
