//! How quick commits are, roughly: figures to read, which nothing depends on.

use std::time::{Duration, Instant};

use engine::Shard;
use engine::journal::{Journal, Lease};
use uuid::Uuid;

use crate::draft::{append, batch, is_committed};
use crate::make::{database, server, sqlite_url};

const SPAN: Duration = Duration::from_secs(3);

async fn measure(name: &str, journal: &dyn Journal) {
    let shards: Vec<_> = (0..journal.shards()).map(Shard).collect();
    let leases = journal.take_over(Uuid::nil(), &shards).await.unwrap();
    let mut next = 0;
    for size in [1, 64, 512] {
        let started = Instant::now();
        let mut commits = 0_u32;
        while started.elapsed() < SPAN {
            commit(journal, &leases, next, size).await;
            next += size;
            commits += 1;
        }
        let per_second = f64::from(commits) / started.elapsed().as_secs_f64();
        let appends = per_second * f64::from(u32::try_from(size).unwrap());
        println!(
            "{name}: batches of {size:3}: {per_second:8.1} commits/s, {appends:8.0} appends/s"
        );
    }
}

/// Half of the appends make an entity, the other half change one.
async fn commit(journal: &dyn Journal, leases: &[Lease], next: u128, size: u128) {
    let appends = (next..next + size).map(|number| {
        let id = Uuid::from_u128(number / 2);
        let shard = Shard::of(id, journal.shards());
        append(
            leases[usize::from(shard.0)],
            number / 2,
            u64::from(number % 2 == 1),
        )
    });
    let outcomes = journal.commit(&batch(appends)).await.unwrap();
    assert!(outcomes.iter().all(is_committed));
}

#[tokio::test]
#[ignore = "prints figures"]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let journal = storage::open(&sqlite_url(&folder), "order", 256, 2).await;
    measure("sqlite", &*journal.unwrap()).await;
}

#[tokio::test]
#[ignore = "prints figures"]
async fn postgres() {
    let Some(server) = server() else { return };
    let journal = storage::open(&database(&server).await, "order", 256, 2).await;
    measure("postgres", &*journal.unwrap()).await;
}
