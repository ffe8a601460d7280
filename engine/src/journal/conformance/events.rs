//! Events: what is kept of them, and their places in the two orders.

use super::draft::{
    KIND, TENANT, append, at, commit, committed, id, key, known, lease, load, settle,
};
use crate::envelope::{EntityKey, Recorded, Shard};
use crate::journal::{Batch, Error, Journal, Outcome};

pub(super) async fn come_back_as_they_went_in(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let mut full = append(lease, 1, 0, 1);
    full.cause = Some("evt_0-1".into());
    full.events[0].data = "{ \"b\":1.50,\"a\":\"ü\\u0000\" }".into();
    full.events[0].personal = Some("{\"name\":\"Ada\"}".into());
    settle(journal, [full]).await?;
    let expected = Recorded {
        shard: Shard(1),
        seq: 1,
        kind: KIND.into(),
        entity: id(1),
        version: 1,
        tenant: TENANT,
        at: at(1),
        name: "moved".into(),
        schema: 2,
        data: "{ \"b\":1.50,\"a\":\"ü\\u0000\" }".into(),
        personal: Some("{\"name\":\"Ada\"}".into()),
        principal: "usr_1".into(),
        request_id: "req_1".into(),
        cause: Some("evt_0-1".into()),
    };
    let expected = [expected];
    assert_eq!(journal.history(key(1), 0, 10).await?, expected);
    assert_eq!(journal.feed(Shard(1), 0, 10).await?, expected);
    Ok(())
}

pub(super) async fn have_versions_and_positions_without_gaps(
    journal: &dyn Journal,
) -> Result<(), Error> {
    let one = lease(journal, 1).await?;
    let two = lease(journal, 2).await?;
    let first = [
        append(one, 1, 0, 2),
        append(two, 2, 0, 1),
        append(one, 1, 2, 1),
    ];
    let outcomes = commit(journal, first).await?;
    assert_eq!(outcomes, [committed(1), committed(1), committed(3)]);
    let second = [
        append(one, 3, 0, 0),
        append(one, 1, 3, 2),
        append(two, 2, 1, 0),
    ];
    let outcomes = commit(journal, second).await?;
    assert_eq!(outcomes, [committed(3), committed(4), committed(1)]);
    let history = journal.history(key(1), 0, 10).await?;
    let places: Vec<_> = history.iter().map(|it| (it.version, it.seq)).collect();
    assert_eq!(places, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(load(journal, 3).await?, None);
    Ok(())
}

pub(super) async fn losers_leave_no_gap(journal: &dyn Journal) -> Result<(), Error> {
    let old = lease(journal, 1).await?;
    let new = lease(journal, 1).await?;
    settle(
        journal,
        [append(new, 1, 0, 1).asked_as("used").claiming("held")],
    )
    .await?;
    for round in 0..5_u64 {
        let outcomes = commit(
            journal,
            [
                append(old, 50, 0, 3),
                append(new, 51, 0, 3).asked_as("used"),
                append(new, 1, round + 1, 1),
                append(new, 52, 0, 3).claiming("held"),
                append(new, 52, 3, 1),
                append(new, 100 + u128::from(round), 0, 1),
            ],
        )
        .await?;
        assert_eq!(outcomes[2], committed(2 + round * 2));
        assert_eq!(outcomes[4], Outcome::Superseded);
        assert_eq!(outcomes[5], committed(3 + round * 2));
    }
    let feed = journal.feed(Shard(1), 0, 100).await?;
    let positions: Vec<_> = feed.iter().map(|event| event.seq).collect();
    assert_eq!(positions, (1..=11).collect::<Vec<u64>>());
    Ok(())
}

pub(super) async fn a_stale_version_is_refused(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 3)]).await?;
    for base in [0, 1, 2] {
        let neighbours = [
            append(lease, 2, 0, 1).asked_as("key").claiming("name"),
            append(lease, 1, base, 1),
        ];
        let refused = commit(journal, neighbours).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    // Nothing of a refused batch is there.
    assert_eq!(load(journal, 2).await?, None);
    assert_eq!(known(journal, "scope", "key").await?, None);
    let outcomes = commit(journal, [append(lease, 2, 0, 1).claiming("name")]).await?;
    assert_eq!(outcomes, [committed(4)]);
    Ok(())
}

pub(super) async fn a_gap_in_versions_is_refused(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let unborn = commit(journal, [append(lease, 1, 1, 1)]).await;
    assert!(matches!(unborn, Err(Error::Refused(_))), "{unborn:?}");
    let apart = commit(journal, [append(lease, 1, 0, 1), append(lease, 1, 2, 1)]).await;
    assert!(matches!(apart, Err(Error::Refused(_))), "{apart:?}");
    let mistaken = append(lease, 1, 0, 1).shown_as(|shown| shown.version = 2);
    let mistaken = commit(journal, [mistaken]).await;
    assert!(matches!(mistaken, Err(Error::Refused(_))), "{mistaken:?}");
    settle(journal, [append(lease, 1, 0, 1)]).await
}

pub(super) async fn kinds_are_kept_apart(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let mut crate_ = append(lease, 1, 0, 2);
    crate_.key.kind = "crate";
    settle(journal, [append(lease, 1, 0, 1), crate_]).await?;
    let other = EntityKey {
        kind: "crate",
        id: id(1),
    };
    assert_eq!(journal.history(key(1), 0, 10).await?.len(), 1);
    assert_eq!(journal.history(other, 0, 10).await?.len(), 2);
    let versions = journal.load(&[other, key(1)]).await?;
    let versions: Vec<_> = versions
        .into_iter()
        .flatten()
        .map(|it| it.version)
        .collect();
    assert_eq!(versions, [2, 1]);
    Ok(())
}

pub(super) async fn a_big_batch_is_one_commit(journal: &dyn Journal) -> Result<(), Error> {
    let leases = [lease(journal, 0).await?, lease(journal, 1).await?];
    let many = |number: u64, base: u64| {
        let name = format!("{number}-{base}");
        let lease = leases[usize::from(!number.is_multiple_of(2))];
        let mut one = append(lease, number.into(), base, 1)
            .asked_as(&name)
            .claiming(&name);
        one.set_timers
            .push((name, at(base.try_into().unwrap_or(0))));
        one
    };
    settle(journal, (0..500).map(|number| many(number, 0))).await?;
    settle(journal, (0..500).map(|number| many(number, 1))).await?;
    assert_eq!(journal.feed(Shard(1), 0, 1_000).await?.len(), 500);
    let keys: Vec<_> = (0..500).map(key).collect();
    let documents = journal.load(&keys).await?;
    assert!(documents.iter().flatten().all(|it| it.version == 2));
    assert_eq!(documents.iter().flatten().count(), 500);
    let lost = commit(journal, (0..500).map(|number| many(number, 1))).await?;
    let is_duplicate = |outcome: &Outcome| matches!(outcome, Outcome::Duplicate(_));
    assert!(lost.iter().all(is_duplicate));
    Ok(())
}

pub(super) async fn an_empty_batch_commits(journal: &dyn Journal) -> Result<(), Error> {
    assert_eq!(journal.commit(&Batch::default()).await?, []);
    assert_eq!(journal.load(&[]).await?, []);
    journal.ping().await
}
