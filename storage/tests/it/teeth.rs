//! Bugs planted one at a time: the suite that every journal passes must fail.

use engine::faults::is_caught;

const BUGS: [&str; 3] = [
    "no-epoch-check",
    "position-from-a-serial-column",
    "document-without-events",
];

#[test]
fn every_planted_bug_is_caught() {
    for bug in BUGS {
        let (is_caught, printed) = is_caught(bug, "conformance::sqlite_conforms").unwrap();
        assert!(is_caught, "{bug} is not caught:\n{printed}");
    }
}
