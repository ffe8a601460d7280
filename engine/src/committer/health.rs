//! Since when a committer has been in doubt, told to whoever asks whether it is well.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// How long a doubt may take to be settled. One renewal after a lost connection takes far less; but
/// meanwhile nothing of the context is written.
const DOUBT_MAX: Duration = Duration::from_secs(5);

/// Since when there has been a doubt, if there is one.
#[derive(Clone, Default)]
pub(super) struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    pub(super) fn begin(&self) {
        self.set(Some(Instant::now()));
    }

    pub(super) fn end(&self) {
        self.set(None);
    }

    /// # Errors
    /// When there has been a doubt for long.
    pub(super) fn check(&self, context: &str) -> Result<(), Error> {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(long) = since.map(|it| it.elapsed()).filter(|it| *it > DOUBT_MAX) else {
            return Ok(());
        };
        Err(Error::Unavailable(format!(
            "the committer of the context {context} has been in doubt for {} s",
            long.as_secs()
        )))
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}
