//! Whether another process has taken over shards of this one, which must serve nothing from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

/// Set once and for all: what is in memory here may be behind what the other process has written.
#[derive(Clone, Default)]
pub(crate) struct Displaced(Arc<AtomicBool>);

impl Displaced {
    /// Takes note that this process has lost a shard of a context.
    pub(crate) fn set(&self, context: &str) {
        if !self.0.swap(true, Ordering::AcqRel) {
            tracing::error!(
                context,
                "another process has taken shards over: this one serves nothing any more; stop it"
            );
        }
    }

    /// # Errors
    /// When this process has been displaced.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Acquire) {
            let why = "displaced: another process has taken the shards over";
            return Err(Error::Unavailable(why.into()));
        }
        Ok(())
    }
}
