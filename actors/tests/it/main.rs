//! Tests of the domain from outside.

#[cfg(test)]
mod decoders;
#[cfg(test)]
mod golden;
