//! Faults that tests plant: moments at which the program ends at once, and known bugs.
//!
//! Only with the feature `faults`, which tests switch on for the program that they start; without
//! it every question here is answered at compile time, and nothing is left. The variable
//! `QUENTY_FAULT` holds what is planted, separated by commas:
//!
//! - `abort:<moment>`, `abort:<moment>:<kind>`, `abort:<moment>:<kind>.<event>`: the process aborts
//!   when it comes there, with such an entity or event in hand. For the moments of a saga the kind
//!   is `policy` and the event is the policy's name.
//! - `bug:<name>`: the program has a bug that the tests must catch.
//!
//! ```text
//!  loading, passivating                     of an entity
//!  before-append ─ before-commit ─ after-commit ─ before-reply          of a batch of decisions
//!  before-saga-step ─ after-saga-step ─ before-checkpoint               of a policy
//! ```

use crate::journal::Batch;

/// The moments of a batch: `<kind>.<event>` is any of its events.
pub const BATCH_MOMENTS: [&str; 4] = [
    "before-append",
    "before-commit",
    "after-commit",
    "before-reply",
];
/// The moments of a policy's command.
pub const SAGA_MOMENTS: [&str; 2] = ["before-saga-step", "after-saga-step"];

/// Comes to a moment with entities in hand, each given as its kind and its event's name.
#[cfg_attr(
    not(feature = "faults"),
    expect(unused_variables, reason = "nothing is planted")
)]
pub fn reach<'a>(moment: &str, with: impl IntoIterator<Item = (&'a str, &'a str)>) {
    #[cfg(feature = "faults")]
    if planted::is_moment(moment, with) {
        // The end that a test waits for; its status tells that the moment was reached.
        std::process::abort();
    }
}

/// The same with all events of a batch.
pub fn reach_with_batch(moment: &str, batch: &Batch) {
    reach(
        moment,
        batch.appends.iter().flat_map(|append| {
            let names = append.events.iter().map(|event| event.name);
            names.map(|name| (append.key.kind, name))
        }),
    );
}

/// Whether the program is to have a bug.
#[cfg_attr(
    not(feature = "faults"),
    expect(unused_variables, reason = "nothing is planted")
)]
#[must_use]
pub fn has_bug(name: &str) -> bool {
    #[cfg(feature = "faults")]
    return planted::has_bug(name);
    #[cfg(not(feature = "faults"))]
    false
}

/// Plants a bug, runs one test of the running test binary, and tells whether the test failed as it
/// should; what it printed comes with it.
///
/// # Errors
/// When the test could not be started.
#[cfg(feature = "faults")]
pub fn is_caught(bug: &str, test: &str) -> std::io::Result<(bool, String)> {
    let run = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "--test-threads=1", test])
        .env("QUENTY_FAULT", format!("bug:{bug}"))
        .output()?;
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    // Not merely a failure to start: one test ran, and it is the one that failed.
    Ok((printed.contains("0 passed; 1 failed"), printed))
}

#[cfg(feature = "faults")]
mod planted {
    use std::sync::LazyLock;

    static PLANTED: LazyLock<String> =
        LazyLock::new(|| std::env::var("QUENTY_FAULT").unwrap_or_default());

    pub(super) fn has_bug(name: &str) -> bool {
        PLANTED
            .split(',')
            .any(|fault| fault.strip_prefix("bug:") == Some(name))
    }

    pub(super) fn is_moment<'a>(
        moment: &str,
        with: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> bool {
        let aborts = PLANTED
            .split(',')
            .filter_map(|fault| fault.strip_prefix("abort:"));
        let mut here = aborts.filter_map(|fault| match fault.split_once(':') {
            None => (fault == moment).then_some(None),
            Some((name, what)) => (name == moment).then_some(Some(what)),
        });
        match here.next() {
            None => false,
            Some(None) => true,
            Some(Some(what)) => with.into_iter().any(|it| is_meant(what, it)),
        }
    }

    fn is_meant(what: &str, (kind, event): (&str, &str)) -> bool {
        match what.split_once('.') {
            None => what == kind,
            Some(wanted) => wanted == (kind, event),
        }
    }
}
