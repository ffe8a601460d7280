//! Who may write: leases and epochs.

use uuid::Uuid;

use super::draft::{append, commit, committed, known, lease, load};
use crate::envelope::Shard;
use crate::journal::{Error, Journal, Lease, Outcome};

pub(super) async fn take_over_raises_the_epoch(journal: &dyn Journal) -> Result<(), Error> {
    let first = lease(journal, 1).await?;
    let second = lease(journal, 1).await?;
    assert!(second.epoch > first.epoch);
    let shards = [Shard(2), Shard(0), Shard(1)];
    let leases = journal.take_over(Uuid::from_u128(2), &shards).await?;
    let taken: Vec<_> = leases.iter().map(|lease| lease.shard).collect();
    assert_eq!(taken, shards);
    assert!(leases[2].epoch > second.epoch);
    Ok(())
}

pub(super) async fn an_old_epoch_is_fenced(journal: &dyn Journal) -> Result<(), Error> {
    let old = lease(journal, 1).await?;
    let new = lease(journal, 1).await?;
    let outcomes = commit(journal, [append(old, 1, 0, 2), append(new, 2, 0, 1)]).await?;
    assert_eq!(outcomes, [Outcome::Fenced, committed(1)]);
    assert_eq!(load(journal, 1).await?, None);
    Ok(())
}

pub(super) async fn a_lease_is_of_one_shard(journal: &dyn Journal) -> Result<(), Error> {
    let lost = lease(journal, 1).await?;
    let kept = lease(journal, 2).await?;
    lease(journal, 1).await?;
    let outcomes = commit(journal, [append(lost, 1, 0, 1), append(kept, 2, 0, 1)]).await?;
    assert_eq!(outcomes, [Outcome::Fenced, committed(1)]);
    Ok(())
}

pub(super) async fn only_an_owner_renews(journal: &dyn Journal) -> Result<(), Error> {
    let (owner, other) = (Uuid::from_u128(8), Uuid::from_u128(9));
    let shards = [Shard(3), Shard(1), Shard(2)];
    let first = journal.take_over(owner, &shards).await?;
    let lost = journal.take_over(other, &[Shard(1)]).await?;
    let renewed = journal.renew(owner, &shards).await?;
    let raised = [first[0], first[2]].map(|lease| Lease {
        epoch: lease.epoch + 1,
        ..lease
    });
    assert_eq!(renewed, raised);
    let outcomes = commit(
        journal,
        [
            append(first[0], 1, 0, 1),
            append(renewed[0], 2, 0, 1),
            append(lost[0], 3, 0, 1),
        ],
    )
    .await?;
    assert_eq!(outcomes, [Outcome::Fenced, committed(1), committed(1)]);
    assert_eq!(journal.renew(Uuid::from_u128(10), &shards).await?, []);
    Ok(())
}

pub(super) async fn without_a_lease_nothing_is_written(journal: &dyn Journal) -> Result<(), Error> {
    let taken = lease(journal, 3).await?;
    for epoch in [taken.epoch + 1, taken.epoch - 1, 0] {
        let made_up = Lease {
            shard: Shard(3),
            epoch,
        };
        let asked = append(made_up, 1, 0, 1).asked_as("key").claiming("name");
        assert_eq!(commit(journal, [asked]).await?, [Outcome::Fenced]);
    }
    assert_eq!(known(journal, "scope", "key").await?, None);
    assert_eq!(journal.heads().await?, []);
    Ok(())
}

pub(super) async fn a_shard_that_is_not_there_is_refused(
    journal: &dyn Journal,
) -> Result<(), Error> {
    let beyond = Shard(journal.shards());
    let taken = journal.take_over(Uuid::nil(), &[beyond]).await;
    assert!(matches!(taken, Err(Error::Refused(_))), "{taken:?}");
    let lease = Lease {
        shard: beyond,
        epoch: 1,
    };
    assert_eq!(
        commit(journal, [append(lease, 1, 0, 1)]).await?,
        [Outcome::Fenced]
    );
    Ok(())
}
