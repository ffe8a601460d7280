//! Tickets: a browser cannot send a header with a WebSocket, so it shows one of these once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::caller::Caller;
use crate::problem::Problem;

/// How long a ticket is good for.
pub const LIFE: Duration = Duration::from_secs(30);
/// Tickets that are good at a time.
const TICKETS_MAX: usize = 10_000;

/// The tickets that were given out here. They are kept in memory only, so a ticket is good on the
/// node that gave it.
#[derive(Default)]
pub struct Tickets {
    open: Mutex<HashMap<String, (Caller, Instant)>>,
}

impl Tickets {
    /// Gives a ticket out.
    ///
    /// # Errors
    /// 503 when too many are out.
    pub fn issue(&self, caller: Caller) -> Result<String, Problem> {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= TICKETS_MAX {
            open.retain(|_, (_, until)| *until > now);
        }
        if open.len() >= TICKETS_MAX {
            return Err(Problem::unavailable(
                "overloaded",
                "too many tickets have been given out",
            ));
        }
        let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        open.insert(ticket.clone(), (caller, now + LIFE));
        Ok(ticket)
    }

    /// Takes a ticket back; whoever it was given to, if it is still good.
    ///
    /// # Errors
    /// 401 when it is not.
    pub fn redeem(&self, ticket: &str) -> Result<Caller, Problem> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(ticket)
            .filter(|(_, until)| *until > Instant::now())
            .map(|(caller, _)| caller)
            .ok_or_else(|| {
                Problem::unauthenticated(
                    "unauthenticated",
                    "this ticket was used, is too old, or is none",
                )
            })
    }
}
