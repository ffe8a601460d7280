//! Checksums over stored text, so that damage on disk is noticed when it is read.
//!
//! They are part of the stored format: what is hashed, and in which order, never changes.

use crc32fast::Hasher;
use uuid::Uuid;

/// The checksum of an event without its personal part, which may be erased.
#[must_use]
pub fn event(kind: &str, entity: Uuid, version: u64, name: &str, data: &str) -> u32 {
    let mut hasher = Hasher::new();
    // Stored text holds no NUL, so one between the parts keeps them apart.
    hasher.update(kind.as_bytes());
    hasher.update(&[0]);
    hasher.update(entity.as_bytes());
    hasher.update(&version.to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(&[0]);
    hasher.update(data.as_bytes());
    hasher.finalize()
}

/// The checksum of a text that belongs to a version of an entity: a document, or the personal part
/// of an event.
#[must_use]
pub fn text(entity: Uuid, version: u64, text: &str) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(entity.as_bytes());
    hasher.update(&version.to_le_bytes());
    hasher.update(text.as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored format: if these numbers change, every stored event reads as damaged.
    #[test]
    fn never_change() {
        let entity = Uuid::from_u128(7);
        assert_eq!(event("order", entity, 3, "placed", "{}"), 328_324_716);
        assert_eq!(text(entity, 3, "{}"), 2_409_610_510);
    }

    #[test]
    fn see_what_moved_from_one_part_to_the_next() {
        let entity = Uuid::nil();
        assert_ne!(
            event("a", entity, 1, "bc", "d"),
            event("a", entity, 1, "b", "cd")
        );
    }
}
