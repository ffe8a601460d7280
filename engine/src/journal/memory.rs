//! In-memory journal.
