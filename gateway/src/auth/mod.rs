//! Who asks, and how that is proved: passwords, access tokens, and the secrets of keys and sessions.

pub mod caller;
pub mod password;
pub mod secret;
pub mod token;
