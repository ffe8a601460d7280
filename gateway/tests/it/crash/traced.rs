//! No answer leaves before what it acknowledges is on disk, as the system calls show of the server and
//! of what keeps its data.
//!
//! ```text
//!  pwrite64(log, … "R" …)   <   fdatasync(log)  …  = 0   <   sendto(client, … "R" …)
//! ```
//! The lines of a trace are a true order: a thread that makes a call goes on only once its line is
//! written, so what it causes in another thread or process comes later.
//!
//! What is asked for is done in one commit and answered after that: of what takes several, an answer
//! that left before the last of them might still follow the first. And to see that an answer which
//! leaves too early would be noticed, that bug is planted in the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;

use futures::stream::{self, StreamExt as _};
use serde_json::json;
use tokio::sync::watch;

use super::client::{Api, Change, Told};
use super::cluster::Cluster;
use super::server::{self, Home};
use super::shop::Shop;
use super::tracer::Tracer;
use super::{campaign, figures};

/// How many changes are acknowledged, daily and in a campaign.
const ACKNOWLEDGED: [usize; 2] = [200, 2_000];
/// How many are while the bug is there.
const TOO_EARLY: usize = 20;
/// How many are asked for at once.
const AT_ONCE: usize = 4;
const BUG: &str = "bug:acknowledge-before-commit";
/// Every call by which something is kept or told. What is written is seen whole, and where it goes.
const WATCH: [&str; 5] = [
    "-yy",
    "-s",
    "262144",
    "-e",
    "trace=pwrite64,pwritev,fsync,fdatasync,write,writev,sendto,sendmsg",
];
/// What is in the names of files that are there to keep what is appended to them.
const LOG_OF_SQLITE: &str = ".db-wal";
const LOG_OF_POSTGRES: &str = "/pg_wal/";
/// What comes before a change's number in its name, and after it.
const NAME: (&str, char) = ("traced-", '.');

/// When things happened, in lines.
struct Trace {
    /// What is in the names of logs.
    log: &'static str,
    /// What the sockets of clients are called.
    clients: String,
    /// The first append of a change: to which file, and when it was over.
    appended: HashMap<String, (String, usize)>,
    /// By file: when each call began and ended that made it durable.
    synced: HashMap<String, Vec<(usize, usize)>>,
    /// When the first answer began that tells of a change.
    answered: HashMap<String, usize>,
    /// By thread: what it is in the middle of, and since when.
    under_way: HashMap<String, (String, usize)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_no_answer_leaves_before_what_it_tells_is_on_disk() {
    if Tracer::is_allowed("the order of fsync and answer on SQLite").await {
        judge(&Home::on_sqlite(), LOG_OF_SQLITE, Vec::new).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_no_answer_leaves_before_what_it_tells_is_on_disk() {
    let what = "the order of fsync and answer on Postgres";
    if !Tracer::is_allowed(what).await {
        return;
    }
    if let Some(cluster) = Cluster::start(what).await {
        let home = Home::on(cluster.url.clone());
        judge(&home, LOG_OF_POSTGRES, || cluster.processes()).await;
    }
}

/// Traces the server and other processes while it acknowledges changes: as it is, and with the bug.
async fn judge(home: &Home, log: &'static str, others: impl Fn() -> Vec<u32>) {
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, server::PASSWORD).await.unwrap();
    let (api, _) = Shop::open_with(api, 0).await;
    server.terminate().await;
    let wanted = campaign(ACKNOWLEDGED);
    for (fault, numbers) in [("", 0..wanted), (BUG, wanted..wanted + TOO_EARLY)] {
        let server = home.serve_with(&[("QUENTY_FAULT", fault)]).await;
        place.send_replace(server.address);
        let processes: Vec<_> = others().into_iter().chain([server.id()]).collect();
        let tracer = Tracer::attach(&processes, &WATCH).await.unwrap();
        let number = numbers.len();
        stream::iter(numbers)
            .for_each_concurrent(AT_ONCE, |number| change(&api, number))
            .await;
        let seen = tracer.seen().await;
        let judged = Trace::read(log, server.address, seen.lines()).check();
        server.terminate().await;
        if fault.is_empty() {
            assert_eq!(judged, Ok(number));
            figures::print(
                &format!(
                    "order of append, fdatasync and answer on {}",
                    home.database()
                ),
                &format!("{number} changes"),
                "each on disk before its answer left",
            );
        } else {
            let why = judged.unwrap_err();
            eprintln!("noticed with the bug: {why}");
        }
    }
    super::check::storage(home).await;
}

/// Without a key, under which the answer would be kept in a commit of its own.
async fn change(api: &Api, number: usize) {
    let (before, after) = NAME;
    let name = format!("{before}{number}{after}");
    let product = json!({
        "sku": format!("T-{number}"),
        "name": name,
        "price": { "amount": "10.00", "currency": "BRL" },
    });
    let change = Change::new(&name, "/products", product);
    match api.ask_once(&change).await {
        Told::Answer(answer) => assert_eq!(answer.status, 201, "{answer:?}"),
        Told::Unknown | Told::Nothing => panic!("{name} was not answered"),
    }
}

impl Trace {
    fn new(log: &'static str, server: SocketAddr) -> Self {
        Self {
            log,
            clients: format!("TCP:[{server}->"),
            appended: HashMap::new(),
            synced: HashMap::new(),
            answered: HashMap::new(),
            under_way: HashMap::new(),
        }
    }

    fn read(log: &'static str, server: SocketAddr, lines: &Path) -> Self {
        let mut trace = Self::new(log, server);
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
        // What the server tells its database is no answer.
        if place(call).is_some_and(|it| it.starts_with(&self.clients)) {
            for change in changes(call) {
                self.answered.entry(change).or_insert(now);
            }
        }
    }

    fn ends(&mut self, began: usize, now: usize, call: &str) {
        // Its own scratch files are none of anybody's business.
        let Some(file) = place(call).filter(|it| it.contains(self.log)) else {
            return;
        };
        if call.starts_with("pwrite") {
            for change in changes(call) {
                let append = (file.to_owned(), now);
                self.appended.entry(change).or_insert(append);
            }
        } else if call.contains("sync(") && call.ends_with(" = 0") {
            let synced = self.synced.entry(file.to_owned()).or_default();
            synced.push((began, now));
        }
    }

    /// How many changes were told of, each of which was on disk by then; or which was not.
    fn check(&self) -> Result<usize, String> {
        for (change, answered) in &self.answered {
            let Some((file, appended)) = self.appended.get(change) else {
                return Err(format!("{change}: told at {answered} and never appended"));
            };
            let mut synced = self.synced.get(file).into_iter().flatten();
            let is_kept = synced.any(|(began, ended)| appended < began && ended < answered);
            if !is_kept {
                let what = format!("{change}: in {file} at {appended}, told at {answered}");
                return Err(what);
            }
        }
        Ok(self.answered.len())
    }
}

/// The file or socket that a call is about: `call(7<place>, …`. The name of a connection has an arrow
/// in it.
fn place(call: &str) -> Option<&str> {
    let (_, rest) = call.split_once('<')?;
    let end = rest.find(">, ").or_else(|| rest.find(">)"))?;
    Some(&rest[..end])
}

fn changes(call: &str) -> impl Iterator<Item = String> + '_ {
    let (before, after) = NAME;
    let rest = call.split(before).skip(1);
    rest.filter_map(move |rest| {
        let number = rest.split_once(after)?.0;
        number.parse::<u32>().ok()?;
        Some(number.to_owned())
    })
}

/// By thread: an append, its sync in two lines, and the answer.
const APPENDED: (&str, &str) = (
    "7",
    r#"pwrite64(9</d/order.db-wal>, "\"name\":\"traced-1.\",", 4096, 0) = 4096"#,
);
const SYNC: (&str, &str) = ("7", "fdatasync(9</d/order.db-wal> <unfinished ...>");
const SYNCED: (&str, &str) = ("7", "<... fdatasync resumed>) = 0");
const TOLD: (&str, &str) = (
    "8",
    r#"writev(12<TCP:[127.0.0.1:80->127.0.0.1:9]>, [{iov_base="\"traced-1.\""}], 1) = 20"#,
);
/// What is told to a database.
const ASKED: (&str, &str) = (
    "8",
    r#"sendto(13<TCP:[127.0.0.1:9->127.0.0.1:5432]>, "traced-1.", 9, 0, NULL, 0) = 9"#,
);

fn judged(lines: &[(&str, &str)]) -> Result<usize, String> {
    let server = SocketAddr::from(([127, 0, 0, 1], 80));
    let mut trace = Trace::new(LOG_OF_SQLITE, server);
    for (now, (thread, line)) in lines.iter().enumerate() {
        trace.see(now, thread, line);
    }
    trace.check()
}

#[test]
fn an_answer_after_the_sync_is_fine() {
    assert_eq!(judged(&[ASKED, APPENDED, SYNC, SYNCED, TOLD]), Ok(1));
}

#[test]
fn an_answer_during_the_sync_is_noticed() {
    let why = judged(&[APPENDED, SYNC, TOLD, SYNCED]).unwrap_err();
    assert!(why.ends_with("told at 2"), "{why}");
}

#[test]
fn a_sync_that_began_before_the_append_is_none() {
    let why = judged(&[SYNC, APPENDED, SYNCED, TOLD]).unwrap_err();
    assert!(why.ends_with("told at 3"), "{why}");
}

#[test]
fn an_answer_without_an_append_is_noticed() {
    let why = judged(&[SYNC, SYNCED, TOLD]).unwrap_err();
    assert!(why.ends_with("never appended"), "{why}");
}
