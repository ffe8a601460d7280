//! Backup and restore by the README's own commands, under load: what was acknowledged before is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::watch;

use super::check;
use super::client::{Api, text};
use super::figures::{self, Times};
use super::load::Load;
use super::server::{Home, PASSWORD};
use super::shop::Shop;
use super::{campaign, until_good};
use crate::postgres;

/// How often one is made and restored, daily and in a campaign.
const BACKUPS: [usize; 2] = [1, 5];
/// How many requests succeed before the backup, while it is kept, and after the restore.
const GOOD: usize = 100;
/// How many pages of the feed somebody has read before the backup.
const PAGES: usize = 3;

/// How a backup is made and restored, as the shell has it.
struct Manual {
    backup: String,
    restore: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_sqlite_under_load_brings_everything_back() {
    if is_there("a backup of SQLite", "sqlite3").await {
        let [backup, restore, ..] = blocks();
        let manual = Manual { backup, restore };
        let homes = async || Some([Home::on_sqlite(), Home::on_sqlite()]);
        repeat("SQLite", homes, &manual).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_postgres_under_load_brings_everything_back() {
    let what = "a backup of Postgres";
    if !is_there(what, "pg_dump").await {
        return;
    }
    let [.., backup, restore] = blocks();
    let manual = Manual { backup, restore };
    let homes = async || {
        let home = Home::on_postgres(what).await?;
        Some([home, Home::on_postgres(what).await?])
    };
    repeat("Postgres", homes, &manual).await;
}

/// Makes and restores backups, each from and to storages of its own.
async fn repeat(database: &str, homes: impl AsyncFn() -> Option<[Home; 2]>, manual: &Manual) {
    let mut random = StdRng::seed_from_u64(super::seed());
    let mut took = Vec::new();
    for _ in 0..campaign(BACKUPS) {
        let Some(homes) = homes().await else {
            return;
        };
        took.push(survive(homes, manual, &mut random).await);
    }
    figures::print(
        &format!("backup and restore on {database}"),
        &format!("{} times", took.len()),
        &format!(
            "nothing missing, feeds go on; a backup took: {}",
            Times::new(took)
        ),
    );
}

async fn is_there(what: &str, program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().await;
    if found.is_err() {
        postgres::skip(what, &format!("there is no program {program}"));
    }
    found.is_ok()
}

/// The commands of the README's section about backups: for SQLite and for Postgres, each to make
/// one and to restore it.
fn blocks() -> [String; 4] {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("\n### Backup\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").unwrap().0.to_owned());
    blocks.collect::<Vec<_>>().try_into().unwrap()
}

/// How long the backup took.
async fn survive([home, fresh]: [Home; 2], manual: &Manual, random: &mut StdRng) -> Duration {
    let server = home.serve().await;
    let (place, found_at) = watch::channel(server.address);
    let api = Api::sign_in(found_at, PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(api).await;
    let load = Load::start(&api, &shop, "before", random.random());
    until_good(&api, GOOD).await;
    let read = api.feed_after("", PAGES).await;
    let begun = Instant::now();
    run(&home, &manual.backup).await;
    let took = begun.elapsed();
    until_good(&api, GOOD).await;
    let mut operations = load.leave().await.operations;
    let all = operations.len();
    operations.retain(|it| it.answered < begun);
    eprintln!("{} of {all} operations before the backup", operations.len());
    server.kill().await;

    carry(&home, &fresh);
    run(&fresh, &manual.restore).await;
    let server = fresh.serve().await;
    place.send_replace(server.address);
    check::with_balances(&api, &operations).await;
    goes_on(&api, read).await;
    let load = Load::start(&api, &shop, "after", random.random());
    until_good(&api, GOOD).await;
    operations.extend(load.leave().await.operations);
    check::with_balances(&api, &operations).await;
    server.terminate().await;
    check::storage(&fresh).await;
    took
}

/// Runs what somebody would paste into a shell.
async fn run(home: &Home, commands: &str) {
    let output = Command::new("bash")
        .args(["-e", "-c", commands])
        .current_dir(home.folder())
        .env("DATABASE", &home.storage)
        .output()
        .await
        .unwrap();
    let [out, error] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(output.status.success(), "{commands}\n{out}\n{error}");
}

/// What is kept elsewhere: the backup and, apart from it, the signing key.
fn carry(home: &Home, fresh: &Home) {
    let [from, to] = [home.folder(), fresh.folder()];
    std::fs::create_dir(to.join("data")).unwrap();
    std::fs::rename(from.join("backup"), to.join("backup")).unwrap();
    let key = "data/signing-key.pem";
    std::fs::copy(from.join(key), to.join(key)).unwrap();
}

/// Whoever read the feed before the backup goes on from there, without a gap or a repeat.
async fn goes_on(api: &Api, (mut read, cursor): (Vec<Value>, String)) {
    assert!(!read.is_empty());
    let (rest, _) = api.feed_after(&cursor, usize::MAX).await;
    assert!(!rest.is_empty());
    let whole = api.feed().await;
    read.extend(rest);
    let [read_once, whole_once] = [&read, &whole].map(|events| {
        let ids = events.iter().map(|it| text(it, "id"));
        ids.collect::<BTreeSet<_>>()
    });
    assert_eq!(read_once, whole_once);
    assert_eq!(
        (read.len(), whole.len()),
        (whole_once.len(), whole_once.len())
    );
}
