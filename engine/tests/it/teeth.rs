//! Bugs planted one at a time: the tests named beside them must fail.

use engine::faults::is_caught;

const TEETH: [(&str, &str); 7] = [
    (
        "acknowledge-before-commit",
        "failing::a_commit_while_the_journal_is_away_fails_and_leaves_nothing_behind",
    ),
    (
        "no-epoch-check",
        "displaced::whoever_was_displaced_serves_nothing_and_is_not_ready",
    ),
    (
        "checkpoint-before-effect",
        "far::the_checkpoint_never_passes_what_is_not_handled",
    ),
    (
        "late-is-ok",
        "bounds::a_caller_does_not_wait_beyond_the_deadline_and_is_not_told_that_nothing_happened",
    ),
    (
        "passivation-drops-messages",
        "bounds::entities_that_come_and_go_lose_no_command",
    ),
    (
        "acknowledge-before-commit",
        "schedules::no_schedule_loses_or_doubles_anything",
    ),
    (
        "passivation-drops-messages",
        "schedules::no_schedule_loses_or_doubles_anything",
    ),
];

#[test]
fn every_planted_bug_is_caught() {
    for (bug, test) in TEETH {
        let (is_caught, printed) = is_caught(bug, test).unwrap();
        assert!(is_caught, "{bug} is not caught by {test}:\n{printed}");
    }
}
