//! Subscribers: how far they have come, and what they could not handle.

use super::draft::{append, at, lease, settle};
use crate::envelope::{Recorded, Shard};
use crate::journal::{Batch, Checkpoint, Error, Journal, Lease, Parked};

fn checkpoint(subscriber: &str, lease: Lease, seq: u64) -> Checkpoint {
    Checkpoint {
        subscriber: subscriber.into(),
        lease,
        seq,
    }
}

fn parked(event: &Recorded, attempts: u32) -> Parked {
    Parked {
        subscriber: "saga".into(),
        event: event.clone(),
        reason: format!("tried {attempts} times"),
        attempts,
        at: at(attempts.into()),
    }
}

async fn write(
    journal: &dyn Journal,
    checkpoints: impl Into<Vec<Checkpoint>>,
) -> Result<(), Error> {
    let batch = Batch {
        checkpoints: checkpoints.into(),
        ..Batch::default()
    };
    journal.commit(&batch).await.map(drop)
}

pub(super) async fn keep_checkpoints(journal: &dyn Journal) -> Result<(), Error> {
    let one = lease(journal, 1).await?;
    let two = lease(journal, 2).await?;
    assert_eq!(journal.checkpoints("saga").await?, []);
    let first = [
        checkpoint("saga", one, 5),
        checkpoint("saga", two, 6),
        checkpoint("other", one, 7),
        checkpoint("saga", one, 8),
    ];
    write(journal, first).await?;
    write(journal, [checkpoint("saga", two, 9)]).await?;
    let mut found = journal.checkpoints("saga").await?;
    found.sort_unstable();
    assert_eq!(found, [(Shard(1), 8), (Shard(2), 9)]);
    assert_eq!(journal.checkpoints("other").await?, [(Shard(1), 7)]);
    Ok(())
}

pub(super) async fn checkpoints_need_a_lease(journal: &dyn Journal) -> Result<(), Error> {
    let old = lease(journal, 1).await?;
    let new = lease(journal, 1).await?;
    write(journal, [checkpoint("saga", new, 5)]).await?;
    write(
        journal,
        [checkpoint("saga", old, 9), checkpoint("else", new, 1)],
    )
    .await?;
    assert_eq!(journal.checkpoints("saga").await?, [(Shard(1), 5)]);
    assert_eq!(journal.checkpoints("else").await?, [(Shard(1), 1)]);
    Ok(())
}

pub(super) async fn park_and_unpark(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let mut written = append(lease, 1, 0, 2);
    written.events[0].personal = Some("{\"name\":\"Ada\"}".into());
    settle(journal, [written]).await?;
    let events = journal.feed(Shard(1), 0, 2).await?;
    let parking = |parks: Vec<Parked>| Batch {
        parks,
        ..Batch::default()
    };
    journal
        .commit(&parking(vec![parked(&events[0], 1)]))
        .await?;
    assert_eq!(journal.parked(10).await?, [parked(&events[0], 1)]);

    let again = vec![parked(&events[0], 2), parked(&events[0], 3)];
    journal.commit(&parking(again)).await?;
    assert_eq!(journal.parked(10).await?, [parked(&events[0], 3)]);

    // An event that was never recorded cannot be parked.
    let mut unknown = events[1].clone();
    (unknown.version, unknown.seq) = (99, 99);
    journal.commit(&parking(vec![parked(&unknown, 1)])).await?;
    assert_eq!(journal.parked(10).await?.len(), 1);

    let unparks = ["saga", "other"].map(|it| (it.to_owned(), events[0].id()));
    let batch = Batch {
        parks: vec![parked(&events[1], 4)],
        unparks: unparks.into(),
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    assert_eq!(journal.parked(10).await?, [parked(&events[1], 4)]);
    Ok(())
}

pub(super) async fn parked_in_order(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 3)]).await?;
    let events = journal.feed(Shard(1), 0, 3).await?;
    let tried = [(0, 7), (1, 3), (2, 5)];
    let parks: Vec<_> = tried
        .map(|(event, times)| parked(&events[event], times))
        .into();
    let batch = Batch {
        parks: parks.clone(),
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    let expected = [parks[1].clone(), parks[2].clone(), parks[0].clone()];
    assert_eq!(journal.parked(10).await?, expected);
    assert_eq!(journal.parked(2).await?, expected[..2]);
    Ok(())
}
