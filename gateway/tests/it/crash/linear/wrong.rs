//! Histories that no order explains: the checker must reject each, and accept it put right.

use todc_utils::specifications::Specification;

use super::log::{Log, Operation, is_linearizable};
use super::order::Status;
use super::stock::Balance;
use super::{claim, order, stock};

/// Whether this is explained: each asked when the one before was answered, and those without an
/// answer never answered.
fn is_explained<S, A: Copy, T: Copy>(steps: &[(A, Option<T>)]) -> bool
where
    S: Specification<Operation = Operation<A, T>>,
{
    let log = Log::default();
    for (asked, told) in steps {
        let number = log.ask(*asked);
        if let Some(told) = told {
            log.tell(number, *asked, *told);
        }
    }
    is_linearizable::<S, _, _>(&log)
}

fn of(on_hand: i64, reserved: i64) -> Option<stock::Tell> {
    Some(stock::Tell::Left(Balance { on_hand, reserved }))
}

#[test]
fn no_unit_is_sold_twice_and_none_is_withheld() {
    use stock::Ask::{Receive, Reserve};
    use stock::Tell::{Done, Refused};
    let sold = |second| {
        let steps = [
            (Receive(5), Some(Done)),
            (Reserve(3), Some(Done)),
            (Reserve(3), Some(second)),
        ];
        is_explained::<stock::Spec, _, _>(&steps)
    };
    assert!(!sold(Done));
    assert!(sold(Refused));
    let withheld = [(Receive(5), Some(Done)), (Reserve(5), Some(Refused))];
    assert!(!is_explained::<stock::Spec, _, _>(&withheld));
}

#[test]
fn what_was_acknowledged_is_read() {
    use stock::Ask::{Read, Receive};
    let read = |balance| {
        let steps = [(Receive(5), Some(stock::Tell::Done)), (Read, balance)];
        is_explained::<stock::Spec, _, _>(&steps)
    };
    assert!(!read(of(0, 0)));
    assert!(read(of(5, 0)));
}

#[test]
fn what_nobody_knows_of_comes_once_and_stays() {
    use stock::Ask::{Issue, Read, Receive};
    let read = |balances: [Option<stock::Tell>; 3]| {
        let before = [(Receive(5), Some(stock::Tell::Done)), (Issue(2), None)];
        let reads = balances.map(|balance| (Read, balance));
        is_explained::<stock::Spec, _, _>(&[&before[..], &reads[..]].concat())
    };
    assert!(read([of(5, 0), of(5, 0), of(5, 0)]));
    assert!(read([of(5, 0), of(5, 0), of(3, 0)]));
    assert!(!read([of(5, 0), of(3, 0), of(5, 0)]));
    assert!(!read([of(5, 0), of(3, 0), of(1, 0)]));
}

#[test]
fn of_two_changes_to_the_same_version_one_is_refused() {
    use order::Ask::WriteAt;
    use order::Tell::{Done, Stale};
    let second = |told| {
        let steps = [(WriteAt(0, 7), Some(Done)), (WriteAt(0, 8), Some(told))];
        is_explained::<order::Spec, _, _>(&steps)
    };
    assert!(!second(Done));
    assert!(second(Stale));
}

#[test]
fn a_cancelled_order_is_not_picked() {
    use order::Ask::Move;
    use order::Tell::{Done, Refused};
    let picked = |told| {
        let steps = [
            (Move(Status::Cancelled), Some(Done)),
            (Move(Status::Picking), Some(told)),
        ];
        is_explained::<order::Spec, _, _>(&steps)
    };
    assert!(!picked(Done));
    assert!(picked(Refused));
}

#[test]
fn a_reference_has_one_holder_and_is_refused_for_no_other_reason() {
    use claim::Ask::{Create, GiveUp, LookUp};
    use claim::Tell::{Done, HeldBy, Taken};
    let is_explained = is_explained::<claim::Spec, _, _>;
    let two = [(Create(1), Some(Done)), (Create(2), Some(Done))];
    assert!(!is_explained(&two));
    assert!(is_explained(&[two[0], (GiveUp(1), None), two[1]]));
    assert!(!is_explained(&[(Create(1), Some(Taken))]));
    assert!(is_explained(&[(Create(2), None), (Create(1), Some(Taken))]));
    let found = |holder| is_explained(&[two[0], (LookUp, Some(HeldBy(holder)))]);
    assert!(found(Some(1)));
    assert!(!found(None));
}
