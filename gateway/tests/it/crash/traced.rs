//! No answer leaves before what it acknowledges is on disk, as the system calls of the server show.
//!
//! ```text
//!  pwrite64(log, … "R" …)   <   fdatasync(log)  …  = 0   <   sendto(client, … "R" …)
//! ```
//! The lines of a trace are a true order: a thread that makes a call goes on only once its line is
//! written, so what it causes in another thread comes later.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::server::{Home, Server};
use super::tracer::Tracer;
use super::trial::Trial;
use super::{campaign, figures, until_good};

/// How many orders are acknowledged at least, daily and in a campaign, and how many requests succeed
/// for each of them.
const ACKNOWLEDGED: [usize; 2] = [200, 2_000];
const GOOD_EACH: usize = 4;
/// Every call by which something is kept or told. Pages of a file are seen whole, and its name.
const WATCH: [&str; 5] = [
    "-y",
    "-s",
    "16384",
    "-e",
    "trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg",
];
/// What the name of a file ends with that is there to keep what is appended to it.
const LOG: &str = ".db-wal";
/// What comes before an order's reference, in its event and its document as well as in an answer.
const REFERENCE: &str = r#"\"reference\":\""#;

/// When things happened, in lines.
#[derive(Default)]
struct Trace {
    /// The first append of an order: to which file, and when it was over.
    appended: HashMap<String, (String, usize)>,
    /// By file: when each call began and ended that made it durable.
    synced: HashMap<String, Vec<(usize, usize)>>,
    /// When the first answer began that tells of an order.
    answered: HashMap<String, usize>,
    /// By thread: what it is in the middle of, and since when.
    under_way: HashMap<String, (String, usize)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_no_answer_leaves_before_what_it_tells_is_on_disk() {
    if !Tracer::is_allowed("the order of fsync and answer").await {
        return;
    }
    let attach = async |server: &Server| Tracer::attach(&[server.id()], &WATCH).await;
    let (trial, tracer) = Trial::start_watched(Home::on_sqlite(), 0, attach).await;
    let wanted = campaign(ACKNOWLEDGED);
    until_good(&trial.api, wanted * GOOD_EACH).await;
    let seen = tracer.unwrap().seen().await;
    let checked = Trace::read(seen.lines()).check();
    figures::print(
        "order of append, fdatasync and answer",
        &format!("{checked} orders"),
        "each on disk before its answer left",
    );
    assert!(checked >= wanted, "{checked}");
    trial.end().await;
}

impl Trace {
    fn read(lines: &Path) -> Self {
        let mut trace = Self::default();
        let lines = BufReader::new(File::open(lines).unwrap()).lines();
        for (now, line) in lines.enumerate() {
            let line = line.unwrap();
            let (thread, call) = line.split_once(' ').unwrap();
            trace.see(now, thread, call.trim_start());
        }
        trace
    }

    /// A call whose end comes in a later line is put together again.
    fn see(&mut self, now: usize, thread: &str, line: &str) {
        if let Some(start) = line.strip_suffix(" <unfinished ...>") {
            self.begins(now, start);
            self.under_way
                .insert(thread.to_owned(), (start.to_owned(), now));
        } else if let Some(rest) = line.strip_prefix("<... ") {
            // Those that began before the trace did are of no use.
            if let Some((start, began)) = self.under_way.remove(thread) {
                let (_, end) = rest.split_once(" resumed>").unwrap();
                self.ends(began, now, &(start + end));
            }
        } else {
            self.begins(now, line);
            self.ends(now, now, line);
        }
    }

    fn begins(&mut self, now: usize, call: &str) {
        if place(call).is_some_and(|it| it.starts_with("socket:")) {
            for reference in references(call) {
                self.answered.entry(reference).or_insert(now);
            }
        }
    }

    fn ends(&mut self, began: usize, now: usize, call: &str) {
        // Its own scratch files are none of anybody's business.
        let Some(file) = place(call).filter(|it| it.ends_with(LOG)) else {
            return;
        };
        if call.starts_with("pwrite64") {
            for reference in references(call) {
                let append = (file.to_owned(), now);
                self.appended.entry(reference).or_insert(append);
            }
        } else if call.contains("sync(") && call.ends_with(" = 0") {
            let synced = self.synced.entry(file.to_owned()).or_default();
            synced.push((began, now));
        }
    }

    /// How many orders were told of, each of which was on disk by then.
    fn check(&self) -> usize {
        for (reference, answered) in &self.answered {
            let (file, appended) = &self.appended[reference];
            let mut synced = self.synced.get(file).into_iter().flatten();
            let is_kept = synced.any(|(began, ended)| appended < began && ended < answered);
            assert!(
                is_kept,
                "{reference}: in {file} at {appended}, told at {answered}"
            );
        }
        self.answered.len()
    }
}

/// The file or socket that a call is about: `call(7<place>, …`.
fn place(call: &str) -> Option<&str> {
    let (_, rest) = call.split_once('<')?;
    Some(rest.split_once('>')?.0)
}

fn references(call: &str) -> impl Iterator<Item = String> + '_ {
    let after = call.split(REFERENCE).skip(1);
    after.filter_map(|rest| Some(rest.split_once('\\')?.0.to_owned()))
}

/// By thread: an append, its sync in two lines, and the answer.
const APPENDED: (&str, &str) = (
    "7",
    r#"pwrite64(9</d/order.db-wal>, "\"reference\":\"R\",", 4096, 0) = 4096"#,
);
const SYNC: (&str, &str) = ("7", "fdatasync(9</d/order.db-wal> <unfinished ...>");
const SYNCED: (&str, &str) = ("7", "<... fdatasync resumed>) = 0");
const TOLD: (&str, &str) = (
    "8",
    r#"writev(12<socket:[1]>, [{iov_base="\"reference\":\"R\","}], 1) = 20"#,
);

fn trace(lines: [(&str, &str); 4]) -> Trace {
    let mut trace = Trace::default();
    for (now, (thread, line)) in lines.into_iter().enumerate() {
        trace.see(now, thread, line);
    }
    trace
}

#[test]
fn an_answer_after_the_sync_is_fine() {
    assert_eq!(trace([APPENDED, SYNC, SYNCED, TOLD]).check(), 1);
}

#[test]
#[should_panic(expected = "told at 2")]
fn an_answer_during_the_sync_is_noticed() {
    trace([APPENDED, SYNC, TOLD, SYNCED]).check();
}

#[test]
#[should_panic(expected = "told at 3")]
fn a_sync_that_began_before_the_append_is_none() {
    trace([SYNC, APPENDED, SYNCED, TOLD]).check();
}
