//! Subscribers: how far they have come, and what they could not handle.

use super::draft::{append, at, lease, settle};
use crate::envelope::{Recorded, Shard};
use crate::journal::{Batch, Checkpoint, Damaged, Error, Journal, Lease, Parked, place};

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
        id: event.id(),
        event: Ok(event.clone()),
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
    assert_eq!(
        journal.parked("saga", None, 10).await?,
        [parked(&events[0], 1)]
    );

    let again = vec![parked(&events[0], 2), parked(&events[0], 3)];
    journal.commit(&parking(again)).await?;
    assert_eq!(
        journal.parked("saga", None, 10).await?,
        [parked(&events[0], 3)]
    );

    // An event that was never recorded cannot be parked.
    let mut unknown = events[1].clone();
    (unknown.version, unknown.seq) = (99, 99);
    journal.commit(&parking(vec![parked(&unknown, 1)])).await?;
    assert_eq!(journal.parked("saga", None, 10).await?.len(), 1);

    let unparks = ["saga", "other"].map(|it| (it.to_owned(), events[0].id()));
    let batch = Batch {
        parks: vec![parked(&events[1], 4)],
        unparks: unparks.into(),
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    assert_eq!(
        journal.parked("saga", None, 10).await?,
        [parked(&events[1], 4)]
    );
    Ok(())
}

/// Under its place, whatever is there, and read again whenever it is asked for.
pub(super) async fn park_what_is_damaged(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 2)]).await?;
    let damaged = |seq| Damaged {
        shard: Shard(1),
        seq,
        what: "it is damaged".into(),
    };
    let parked = |seq| Parked {
        subscriber: "saga".into(),
        id: damaged(seq).id(),
        event: Err(damaged(seq)),
        reason: "it is damaged".into(),
        attempts: 0,
        at: at(1),
    };
    let batch = Batch {
        parks: vec![parked(2), parked(9)],
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    let found = journal.parked("saga", None, 10).await?;
    let expected = Parked {
        event: Ok(journal.feed(Shard(1), 1, 1).await?.remove(0)),
        ..parked(2)
    };
    assert_eq!(found[0], expected);
    assert_eq!(
        (&found[1].id, place(&found[1].event)),
        (&parked(9).id, (Shard(1), 9))
    );
    assert!(found[1].event.is_err());
    let unparks = vec![("saga".into(), parked(2).id)];
    let batch = Batch {
        unparks,
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    assert_eq!(journal.parked_event("saga", &parked(2).id).await?, None);
    Ok(())
}

pub(super) async fn parked_in_order(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 11), append(lease, 2, 0, 1)]).await?;
    let events = journal.feed(Shard(1), 0, 12).await?;
    let mut expected: Vec<_> = (1..).zip(&events).map(|(at, it)| parked(it, at)).collect();
    // As text: the eleventh event of an entity comes before its second.
    expected.sort_by_key(|parked| parked.id.clone());
    assert!(!expected.is_sorted_by_key(|parked| place(&parked.event)));
    let elsewhere = Parked {
        subscriber: "else".into(),
        ..parked(&events[0], 1)
    };
    let batch = Batch {
        parks: expected.iter().rev().chain([&elsewhere]).cloned().collect(),
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    assert_eq!(journal.parked("saga", None, 20).await?, expected);
    assert_eq!(journal.parked("else", None, 20).await?, [elsewhere]);
    for (index, before) in expected.iter().enumerate() {
        let id = &before.id;
        let page = journal.parked("saga", Some(id), 2).await?;
        let rest = &expected[index + 1..];
        assert_eq!(page, rest[..rest.len().min(2)]);
        let found = journal.parked_event("saga", id).await?;
        assert_eq!(found.as_ref(), Some(before));
    }
    Ok(())
}

pub(super) async fn what_is_not_parked_is_not_found(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 2)]).await?;
    let events = journal.feed(Shard(1), 0, 2).await?;
    let batch = Batch {
        parks: vec![parked(&events[0], 1)],
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    let (id, other) = (events[0].id(), events[1].id());
    let cases = [
        ("saga", other.as_str()),
        ("else", &id),
        ("saga", "\0"),
        ("\0", &id),
    ];
    for (subscriber, event) in cases {
        assert_eq!(journal.parked_event(subscriber, event).await?, None);
    }
    assert_eq!(journal.parked("\0", None, 1).await?, []);
    Ok(())
}
