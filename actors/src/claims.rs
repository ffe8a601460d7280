//! The unique keys that several kinds of entity claim alike.

use engine::{Claim, ClaimScope};

use crate::values::Reference;

/// The claim on the client's own reference, if there is one.
pub(crate) fn reference<R>(
    scope: ClaimScope,
    reference: Option<&Reference>,
    rejection: R,
) -> Option<Claim<R>> {
    reference.map(|reference| Claim {
        scope,
        key: reference_key(reference),
        rejection,
    })
}

/// The key under which the holder of a reference is found.
#[must_use]
pub fn reference_key(reference: &Reference) -> String {
    format!("reference:{reference}")
}
