//! What a run came to, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use super::plan::Plan;

/// Faults of one check that are told in full.
const FAULTS_SHOWN: usize = 5;
/// The column in which figures end.
const WIDTH: usize = 76;

/// Something that was examined.
#[derive(Debug)]
pub struct Check {
    name: &'static str,
    examined: usize,
    faults: Vec<String>,
}

impl Check {
    /// A check that has not examined anything yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            examined: 0,
            faults: Vec::new(),
        }
    }

    /// Examines one thing.
    pub fn that(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        self.examined += 1;
        if !holds {
            self.faults.push(fault());
        }
    }

    /// Examines whether two things are the same.
    pub fn same<T: PartialEq + std::fmt::Debug>(&mut self, of: &str, found: T, expected: T) {
        let holds = found == expected;
        self.that(holds, || format!("{of} is {found:?}, not {expected:?}"));
    }

    /// What did not hold.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// The run's name.
    pub run: String,
    /// How long the orders took.
    pub elapsed: Duration,
    /// Requests that were sent again.
    pub retries: u64,
    /// Events that viewers saw.
    pub sightings: u64,
    /// Connections that viewers made anew.
    pub reconnects: u64,
    /// What was examined.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|check| check.faults.is_empty())
    }

    /// The table.
    #[must_use]
    pub fn render(&self, plan: &Plan) -> String {
        let mut text = format!("\nRun {}\n", self.run);
        let orders = plan.orders.len();
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let rate = orders as f64 / seconds.max(0.001);
        for (what, count) in [
            ("orders", orders.to_string()),
            ("products", plan.products.len().to_string()),
            ("customers", plan.customers.len().to_string()),
            ("seconds for the orders", format!("{seconds:.1}")),
            ("orders per second", format!("{rate:.1}")),
            ("requests sent again", self.retries.to_string()),
            ("events seen by viewers", self.sightings.to_string()),
            (
                "viewers' connections made anew",
                self.reconnects.to_string(),
            ),
        ] {
            line(&mut text, what, &count);
        }
        text.push_str("\nOrders by how they end\n");
        for (ending, count) in plan.endings() {
            let name = format!("{ending:?} ({})", ending.status());
            line(&mut text, &name.to_lowercase(), &count.to_string());
        }
        text.push_str("\nBroken rows of the data\n");
        for (what, count) in plan.faults.iter() {
            line(&mut text, what, &count.to_string());
        }
        self.verdict(&mut text);
        text
    }

    fn verdict(&self, text: &mut String) {
        text.push_str("\nExamined\n");
        for check in &self.checks {
            let outcome = match check.faults.len() {
                0 => format!("{} ok", check.examined),
                wrong => format!("{wrong} of {} WRONG", check.examined),
            };
            line(text, check.name, &outcome);
            for fault in check.faults.iter().take(FAULTS_SHOWN) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "    {fault}");
            }
        }
        text.push_str(match self.is_clean() {
            true => "\nClean.\n",
            false => "\nNOT clean.\n",
        });
    }
}

fn line(text: &mut String, what: &str, figure: &str) {
    let room = WIDTH.saturating_sub(what.chars().count());
    let _ = writeln!(text, "  {what}{figure:>room$}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_fault_makes_a_run_unclean() {
        let mut check = Check::new("sums");
        check.same("one", 1, 1);
        let mut report = Report {
            run: "r".to_owned(),
            elapsed: Duration::ZERO,
            retries: 0,
            sightings: 0,
            reconnects: 0,
            checks: vec![check],
        };
        assert!(report.is_clean());
        report.checks[0].same("two", 1, 2);
        assert!(!report.is_clean());
        let mut text = String::new();
        report.verdict(&mut text);
        assert!(text.contains("1 of 2 WRONG"), "{text}");
        assert!(text.contains("two is 1, not 2"), "{text}");
    }
}
