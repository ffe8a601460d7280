//! Numbers of things.

bounded_integer! {
    /// A number of things: 1 to 1,000,000.
    Quantity, "quantity-out-of-range", "a quantity", 1..=1_000_000
}
