//! A user: somebody who signs in with a password.
//!
//! ```text
//!  (none) --Register--> active --Deactivate--> deactivated
//!                         ^                         |
//!                         '--------Activate---------'
//!
//!  signing in, while active:
//!
//!           RecordFailure, the 5th in a row             RecordFailure, once the lock is over
//!   open --------------------------------> locked ----------------------.
//!    ^                                      |  ^  for twice as long      |
//!    |        RecordSuccess, once over      |  '-------------------------'
//!    '--------ChangePassword, at any time --'
//! ```
//!
//! A superuser runs the installation and belongs to no company; everybody else belongs to one.
//! Sessions are opened under the user's `generation`: raising it, as a new password and a
//! deactivation do, ends them all at once, without a word to any of them.

mod command;
mod decide;
mod event;
mod rejection;
mod state;

#[cfg(test)]
mod tests;

pub use command::{Command, Patch, Profile, Role};
pub use event::{Event, Registered, Updated};
pub use rejection::Rejection;
pub use state::{State, Status, User, email_key};
