//! Claims: a unique key has one holder.

use super::draft::{
    KIND, OTHER_TENANT, TENANT, append, claim, commit, committed, id, lease, load, settle,
};
use crate::entity::ClaimScope;
use crate::journal::{Append, ClaimHolder, Claimant, Error, Journal, NewClaim, Outcome};

const HERE: ClaimHolder = ClaimHolder::Tenant(TENANT);

fn everywhere(mut append: Append, key: &str) -> Append {
    append.claim.push(NewClaim {
        scope: ClaimScope::Installation,
        key: key.into(),
        version: None,
    });
    append
}

async fn holder(journal: &dyn Journal, key: &str) -> Result<Option<u128>, Error> {
    let holder = journal.claimant(KIND, HERE, key).await?;
    Ok(holder.map(|holder| holder.entity.as_u128() - id(0).as_u128()))
}

fn held_by(n: u128) -> Claimant {
    Claimant {
        entity: id(n),
        version: None,
    }
}

pub(super) async fn are_exclusive(journal: &dyn Journal) -> Result<(), Error> {
    let one = lease(journal, 1).await?;
    let two = lease(journal, 2).await?;
    settle(journal, [append(one, 1, 0, 1).claiming("a")]).await?;
    let outcomes = commit(journal, [append(two, 2, 0, 1).claiming("a")]).await?;
    assert_eq!(outcomes, [Outcome::ClaimTaken(0)]);
    assert_eq!(load(journal, 2).await?, None);
    assert_eq!(holder(journal, "a").await?, Some(1));
    assert_eq!(holder(journal, "A").await?, None);
    Ok(())
}

pub(super) async fn reach_as_far_as_their_scope(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let elsewhere = append(lease, 2, 0, 1).of(OTHER_TENANT).claiming("a");
    let mut of_another_kind = append(lease, 3, 0, 1).claiming("a");
    of_another_kind.key.kind = "crate";
    let first = everywhere(append(lease, 4, 0, 1), "a");
    settle(
        journal,
        [
            append(lease, 1, 0, 1).claiming("a"),
            elsewhere,
            of_another_kind,
            first,
        ],
    )
    .await?;
    let second = everywhere(append(lease, 5, 0, 1).of(OTHER_TENANT), "a");
    let third = append(lease, 6, 0, 1).of(OTHER_TENANT).claiming("a");
    let outcomes = commit(journal, [second, third]).await?;
    assert_eq!(outcomes, [Outcome::ClaimTaken(0), Outcome::ClaimTaken(0)]);

    let there = ClaimHolder::Tenant(OTHER_TENANT);
    assert_eq!(journal.claimant(KIND, HERE, "a").await?, Some(held_by(1)));
    assert_eq!(journal.claimant(KIND, there, "a").await?, Some(held_by(2)));
    assert_eq!(
        journal.claimant("crate", HERE, "a").await?,
        Some(held_by(3))
    );
    let all = ClaimHolder::Installation;
    assert_eq!(journal.claimant(KIND, all, "a").await?, Some(held_by(4)));
    Ok(())
}

pub(super) async fn are_given_up(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1).claiming("a")]).await?;
    // Only by the holder.
    settle(journal, [append(lease, 2, 0, 1).giving_up("a")]).await?;
    assert_eq!(holder(journal, "a").await?, Some(1));
    settle(
        journal,
        [append(lease, 1, 1, 1).giving_up("a").claiming("b")],
    )
    .await?;
    assert_eq!(holder(journal, "a").await?, None);
    settle(journal, [append(lease, 2, 1, 1).claiming("a")]).await?;
    assert_eq!(holder(journal, "a").await?, Some(2));
    assert_eq!(holder(journal, "b").await?, Some(1));
    Ok(())
}

pub(super) async fn move_within_a_batch(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1).claiming("a")]).await?;
    let batch = [
        append(lease, 2, 0, 1).claiming("a"),
        append(lease, 1, 1, 1).giving_up("a"),
        append(lease, 3, 0, 1).claiming("a"),
        append(lease, 4, 0, 1).claiming("a"),
    ];
    let lost = Outcome::ClaimTaken(0);
    assert_eq!(
        commit(journal, batch).await?,
        [lost.clone(), committed(2), committed(3), lost]
    );
    assert_eq!(holder(journal, "a").await?, Some(3));
    // Away and back again.
    let batch = [
        append(lease, 3, 1, 1).giving_up("a"),
        append(lease, 3, 2, 1).claiming("a"),
    ];
    settle(journal, batch).await?;
    assert_eq!(holder(journal, "a").await?, Some(3));
    Ok(())
}

pub(super) async fn are_taken_once_within_a_batch(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let batch = [
        append(lease, 1, 0, 1).claiming("a"),
        append(lease, 2, 0, 1).claiming("b").claiming("a"),
        append(lease, 3, 0, 1).claiming("b"),
    ];
    let outcomes = commit(journal, batch).await?;
    let lost = Outcome::ClaimTaken(1);
    assert_eq!(outcomes, [committed(1), lost, committed(2)]);
    // The loser did not get its other key either.
    assert_eq!(holder(journal, "b").await?, Some(3));
    Ok(())
}

pub(super) async fn may_be_taken_again_by_their_holder(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1).claiming("a")]).await?;
    settle(
        journal,
        [append(lease, 1, 1, 1).claiming("a").claiming("b")],
    )
    .await?;
    settle(
        journal,
        [append(lease, 1, 2, 1).giving_up("a").claiming("a")],
    )
    .await?;
    assert_eq!(holder(journal, "a").await?, Some(1));
    assert_eq!(holder(journal, "b").await?, Some(1));
    Ok(())
}

pub(super) async fn tell_which_is_lost(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(
        journal,
        [append(lease, 1, 0, 1).claiming("b").claiming("c")],
    )
    .await?;
    let mut three = append(lease, 2, 0, 1);
    three.claim = ["a", "b", "c"].map(claim).into();
    assert_eq!(commit(journal, [three]).await?, [Outcome::ClaimTaken(1)]);
    assert_eq!(holder(journal, "a").await?, None);
    Ok(())
}

pub(super) async fn taken_and_given_up_in_one_batch(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1).claiming("a")]).await?;
    // Entity 2 would hold the key for an instant only, and may not even then.
    let batch = [
        append(lease, 2, 0, 1).claiming("a"),
        append(lease, 2, 1, 1).giving_up("a"),
        append(lease, 3, 0, 1).claiming("b"),
        append(lease, 3, 1, 1).giving_up("b"),
    ];
    assert_eq!(
        commit(journal, batch).await?,
        [
            Outcome::ClaimTaken(0),
            Outcome::Superseded,
            committed(2),
            committed(3)
        ]
    );
    assert_eq!(holder(journal, "a").await?, Some(1));
    assert_eq!(holder(journal, "b").await?, None);
    Ok(())
}

pub(super) async fn of_an_event_are_for_good(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 2).marking("a", 2)]).await?;
    // The second takes it from an event of its own, the third from another entity's, the fourth
    // gives up what it does not hold.
    let batch = [
        append(lease, 1, 2, 1).marking("a", 3),
        append(lease, 2, 0, 1).claiming("a"),
        append(lease, 3, 0, 1).giving_up("a"),
        append(lease, 4, 0, 1).marking("b", 1),
        append(lease, 4, 1, 1).marking("b", 2),
    ];
    let lost = Outcome::ClaimTaken(0);
    assert_eq!(
        commit(journal, batch).await?,
        [lost.clone(), lost.clone(), committed(3), committed(4), lost]
    );
    for (key, entity, version) in [("a", 1, 2), ("b", 4, 1)] {
        let holder = Claimant {
            entity: id(entity),
            version: Some(version),
        };
        assert_eq!(journal.claimant(KIND, HERE, key).await?, Some(holder));
    }
    Ok(())
}
