//! Tests of the domain from outside.

#[cfg(test)]
mod golden;
