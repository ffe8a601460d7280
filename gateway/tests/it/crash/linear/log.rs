//! What the clients of one entity asked and were told, in the order of real time.

use std::sync::{Mutex, MutexGuard};

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Operation<A, T> {
    /// What was asked.
    pub(super) asked: A,
    /// What was told; none if nothing ever was.
    pub(super) told: Option<T>,
}

/// Requests and answers as they were sent and came. Every request counts as a process of its own, so
/// that one without an answer holds nobody back.
pub(super) struct Log<A, T>(Mutex<Lines<A, T>>);

/// A request or its answer, with the request's number.
type Line<A, T> = (usize, Action<Operation<A, T>>);

struct Lines<A, T> {
    lines: Vec<Line<A, T>>,
    next: usize,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// Histories.
    pub(super) histories: usize,
    /// Requests in them.
    pub(super) operations: usize,
    /// Of those, such as may have had their effect at any time, or never.
    pub(super) unknown: usize,
}

impl<A, T> Default for Log<A, T> {
    fn default() -> Self {
        let (lines, next) = (Vec::new(), 0);
        Self(Mutex::new(Lines { lines, next }))
    }
}

impl<A: Clone, T: Clone> Log<A, T> {
    /// A request is about to be sent. Gives its number.
    pub(super) fn ask(&self, asked: A) -> usize {
        let mut log = self.lines();
        let number = log.next;
        log.next += 1;
        let call = Action::Call(Operation { asked, told: None });
        log.lines.push((number, call));
        number
    }

    /// Its answer has come.
    pub(super) fn tell(&self, number: usize, asked: A, told: T) {
        let told = Some(told);
        let response = Action::Response(Operation { asked, told });
        self.lines().lines.push((number, response));
    }

    /// It was not sent after all.
    pub(super) fn withdraw(&self, number: usize) {
        self.lines().lines.retain(|(it, _)| *it != number);
    }

    /// The history, in which whatever nobody was told of may have come about until the very end.
    fn history(&self) -> (Vec<Line<A, T>>, usize) {
        let mut lines = self.lines().lines.clone();
        let mut open: Vec<(usize, Operation<A, T>)> = Vec::new();
        for (number, action) in &lines {
            match action {
                Action::Call(call) => open.push((*number, call.clone())),
                Action::Response(_) => open.retain(|(it, _)| it != number),
            }
        }
        let unknown = open.len();
        lines.extend(
            open.into_iter()
                .map(|(it, call)| (it, Action::Response(call))),
        );
        (lines, unknown)
    }

    fn lines(&self) -> MutexGuard<'_, Lines<A, T>> {
        self.0.lock().unwrap()
    }
}

/// Whether there is an order in which one after the other would have been answered alike, none
/// before it was asked and none after it was answered.
pub(super) fn is_linearizable<S, A, T>(log: &Log<A, T>) -> bool
where
    S: Specification<Operation = Operation<A, T>>,
    A: Clone,
    T: Clone,
{
    let (history, _) = log.history();
    WGLChecker::<S>::is_linearizable(History::from_actions(history))
}

/// Fails unless it is linearizable.
pub(super) fn check<S, A, T>(what: &str, log: &Log<A, T>) -> Count
where
    S: Specification<Operation = Operation<A, T>>,
    A: Clone + std::fmt::Debug,
    T: Clone + std::fmt::Debug,
{
    let (history, unknown) = log.history();
    let text = |(number, line): &(usize, Action<_>)| format!("{number:3} {line:?}");
    let told: Vec<String> = history.iter().map(text).collect();
    let operations = history.len() / 2;
    let is_fine = WGLChecker::<S>::is_linearizable(History::from_actions(history));
    assert!(is_fine, "no order explains {what}:\n{}", told.join("\n"));
    Count {
        histories: 1,
        operations,
        unknown,
    }
}

impl Count {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            histories: self.histories + other.histories,
            operations: self.operations + other.operations,
            unknown: self.unknown + other.unknown,
        }
    }
}
