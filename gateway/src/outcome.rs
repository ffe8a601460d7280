//! What a request learns of what became of it, and so what its answer may say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// What a request that changes something learns of itself on its way. In its extensions.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    facts: Arc<Facts>,
    /// Whether something that was asked for has been done, by whichever of the request's commands.
    is_effective: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Facts {
    is_known: AtomicBool,
    is_repeat: AtomicBool,
    is_retold: AtomicBool,
}

impl Outcome {
    /// The entity that the key addresses has said what came of the request. Only then is an answer
    /// the key's own: another one, such as that a product is gone meanwhile, may be wrong about a
    /// change that an earlier try made.
    pub fn set_known(&self) {
        self.facts.is_known.store(true, Ordering::Release);
    }

    /// What came of it is that it was done.
    pub fn set_done(&self) {
        self.set_known();
        self.set_effective();
    }

    /// Something has been done, now or by an earlier try.
    pub fn set_effective(&self) {
        self.is_effective.store(true, Ordering::Release);
    }

    /// It was said to an earlier try.
    pub fn set_repeat(&self) {
        self.set_done();
        self.facts.is_repeat.store(true, Ordering::Release);
    }

    /// That of one of several commands of the request.
    #[must_use]
    pub fn of_step(&self) -> Self {
        Self {
            facts: Arc::default(),
            is_effective: Arc::clone(&self.is_effective),
        }
    }

    /// The answer, unless it denies what was done: a failure after that leaves open what became of
    /// the rest.
    #[must_use]
    pub fn truthful(&self, response: Response) -> Response {
        let is_failure = matches!(response.status().as_u16(), 429 | 503);
        if is_failure && self.is_effective.load(Ordering::Acquire) {
            return Problem::outcome_unknown().into_response();
        }
        response
    }

    /// Every try is answered with the same state of the entity, found by its version: the answer
    /// need not be kept.
    pub fn set_retold(&self) {
        self.facts.is_retold.store(true, Ordering::Release);
    }

    /// See [`Self::set_known`].
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.facts.is_known.load(Ordering::Acquire)
    }

    /// See [`Self::set_repeat`].
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.facts.is_repeat.load(Ordering::Acquire)
    }

    /// See [`Self::set_retold`].
    #[must_use]
    pub fn is_retold(&self) -> bool {
        self.facts.is_retold.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_not_denied() {
        let outcome = Outcome::default();
        let code = |outcome: &Outcome| {
            let failure = Problem::unavailable("unavailable", "nothing was changed");
            let answer = outcome.truthful(failure.into_response());
            answer.extensions().get::<Problem>().map(Problem::code)
        };
        outcome.set_known();
        assert_eq!(code(&outcome), Some("unavailable"));
        outcome.of_step().set_done();
        assert_eq!(code(&outcome), Some("outcome-unknown"));
    }
}
