//! When a request is sent again, and after how long.

use std::time::{Duration, Instant};

/// A server that was killed has to be back within this time.
const PATIENCE: Duration = Duration::from_secs(120);
/// The first pause; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What an answer means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was done.
    Done,
    /// It may succeed when it is sent again.
    Again,
    /// It will not succeed.
    Failed,
}

/// Judges an answer by its status and, for problems, its code.
#[must_use]
pub(super) fn judge(status: u16, code: &str) -> Verdict {
    match (status, code) {
        (200..=299, _) => Verdict::Done,
        (408 | 429 | 500..=599, _) | (409, "request-in-progress") => Verdict::Again,
        _ => Verdict::Failed,
    }
}

/// The pauses of one request, together no longer than the patience with it.
#[derive(Debug)]
pub struct Backoff {
    give_up_at: Instant,
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            give_up_at: Instant::now() + PATIENCE,
            pause: FIRST_PAUSE,
        }
    }
}

impl Backoff {
    /// How long to wait before the next attempt, at least as long as the server asks for; nothing
    /// when there should be none.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let pause = pause.max(asked.unwrap_or_default());
        (Instant::now() + pause < self.give_up_at).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_change_is_tried_again() {
        assert_eq!(judge(201, ""), Verdict::Done);
        for (status, code) in [
            (409, "request-in-progress"),
            (429, "too-many-requests"),
            (500, "internal"),
            (503, "outcome-unknown"),
        ] {
            assert_eq!(judge(status, code), Verdict::Again, "{status} {code}");
        }
        for (status, code) in [
            (401, "token-expired"),
            (404, "not-found"),
            (409, "illegal-transition"),
            (422, "idempotency-key-reused"),
        ] {
            assert_eq!(judge(status, code), Verdict::Failed, "{status} {code}");
        }
    }

    #[test]
    fn pauses_grow_heed_the_server_and_end() {
        let mut backoff = Backoff::default();
        assert!(backoff.next(None).unwrap() <= FIRST_PAUSE);
        assert!(backoff.next(None).unwrap() <= FIRST_PAUSE * 2);
        assert_eq!(backoff.next(Some(PATIENCE / 2)), Some(PATIENCE / 2));
        assert_eq!(backoff.next(Some(PATIENCE * 2)), None);
    }
}
