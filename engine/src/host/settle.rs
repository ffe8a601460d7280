//! What a host does when the committer tells it what became of a decision.

use std::collections::VecDeque;
use std::sync::Arc;

use super::decide::{guarded, now};
use super::{Answer, Call, Mode, Order, Pending, State};
use crate::committer::Failure;
use crate::entity::Entity;
use crate::error::Error;
use crate::journal::Outcome;
use crate::router::Reply;

impl<E: Entity> State<E> {
    pub(super) fn settled(&mut self, ticket: u64, result: Result<Outcome, Failure>) {
        // What was decided again is settled twice: the first time does not count.
        if self
            .pending
            .front()
            .is_none_or(|front| front.ticket != Some(ticket))
        {
            return;
        }
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        match result {
            Ok(Outcome::Committed { .. }) => {
                self.commit(pending);
                self.answer_waiting();
            }
            Ok(Outcome::Duplicate(row)) => {
                let has_events = pending.has_events;
                pending.call.answer(Ok(Reply::Seen(row)));
                if has_events {
                    self.decide_again()
                } else {
                    self.answer_waiting()
                }
            }
            Ok(Outcome::ClaimTaken(index)) => self.claim_lost(pending, index),
            Ok(Outcome::Superseded) => {
                self.pending.push_front(pending);
                self.decide_again();
            }
            Ok(Outcome::Fenced) => {
                pending
                    .call
                    .answer(Err(Error::Unavailable("another node owns it".into())));
                self.drain();
            }
            Err(failure) => {
                if matches!(failure, Failure::InDoubt(_)) {
                    // It may have happened, and whoever is told of the doubt looks next.
                    self.handle.hide();
                }
                pending.call.answer(Err(failure.into()));
                self.drain();
            }
        }
        if matches!(self.mode, Mode::Draining) {
            self.drain();
        }
    }

    fn commit(&mut self, pending: Pending<E>) {
        if pending.has_events {
            self.committed = Arc::clone(&pending.after);
            self.handle.publish(Arc::clone(&pending.after));
        }
        if pending.stores_state {
            self.stored_version = pending.after.version;
            self.is_state_due = false;
        }
        pending.finish();
    }

    /// Answers those at the front that need no commit of their own.
    pub(super) fn answer_waiting(&mut self) {
        while self
            .pending
            .front()
            .is_some_and(|front| front.ticket.is_none())
        {
            if let Some(pending) = self.pending.pop_front() {
                pending.finish();
            }
        }
    }

    fn claim_lost(&mut self, mut pending: Pending<E>, index: usize) {
        self.renew_generation();
        let rest = std::mem::take(&mut self.pending);
        if index < pending.losses.len() {
            let rejection = pending.losses.swap_remove(index);
            self.decide_without(rejection, pending.call);
        } else {
            let why = "a claim was lost that was never made".to_owned();
            pending.call.answer(Err(Error::Unavailable(why)));
        }
        self.decide_each(rest);
    }

    /// Decides what the entity wants decided in place of a command that lost a claim, if anything.
    fn decide_without(&mut self, lost: E::Rejection, mut call: Call<E>) {
        let instead = match &call.order {
            Order::Command(command) => guarded(|| E::instead(command, &lost)),
            Order::Timer { .. } => Ok(None),
        };
        match instead {
            Ok(Some(command)) => {
                call.order = Order::Command(command);
                self.called(call);
            }
            Ok(None) => {
                let before = Arc::clone(&self.committed);
                let at = now(&before);
                self.refuse(before, lost, call, at);
            }
            Err(what) => self.panicked(what, call),
        }
    }

    /// Decides everything under way again: something before it was dropped.
    fn decide_again(&mut self) {
        self.renew_generation();
        let rest = std::mem::take(&mut self.pending);
        self.decide_each(rest);
    }

    fn decide_each(&mut self, rest: VecDeque<Pending<E>>) {
        for pending in rest {
            self.called(pending.call);
        }
    }
}

impl<E: Entity> Pending<E> {
    fn finish(self) {
        drop(self.committing);
        let answer = match self.answer {
            Answer::Done => Ok(Reply::Done(self.after)),
            Answer::Refused(rejection) => Ok(Reply::Refused(rejection)),
            Answer::Stale => Err(Error::Stale {
                actual: self.after.version,
            }),
            Answer::NotFound => Err(Error::NotFound),
        };
        self.call.answer(answer);
    }
}
