//! Feeds: committed events in order, without gap or repeat.

use std::collections::HashMap;

use uuid::Uuid;

use super::draft::{OTHER_TENANT, TENANT, append, key, lease, settle};
use crate::envelope::Shard;
use crate::journal::{Error, Journal, place};

pub(super) async fn page_without_gap_or_repeat(journal: &dyn Journal) -> Result<(), Error> {
    let one = lease(journal, 1).await?;
    let two = lease(journal, 2).await?;
    for base in 0..5 {
        let batch = [append(one, 1, base * 2, 2), append(two, 2, base, 1)];
        settle(journal, batch).await?;
    }
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let page = journal.feed(Shard(1), after, 3).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        seen.extend(page.iter().map(|event| event.seq));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<u64>>());
    assert_eq!(journal.feed(Shard(1), 3, 2).await?[0].seq, 4);
    assert_eq!(journal.feed(Shard(3), 0, 2).await?, []);
    assert_eq!(journal.feed(Shard(1), u64::MAX, 2).await?, []);
    Ok(())
}

pub(super) async fn history_pages_by_version(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 7), append(lease, 2, 0, 3)]).await?;
    let page = journal.history(key(1), 2, 3).await?;
    let versions: Vec<_> = page.iter().map(|event| event.version).collect();
    assert_eq!(versions, [3, 4, 5]);
    assert_eq!(journal.history(key(1), 7, 3).await?, []);
    assert_eq!(journal.history(key(1), u64::MAX, 3).await?, []);
    assert_eq!(journal.history(key(3), 0, 3).await?, []);
    assert_eq!(journal.history(key(1), 0, 0).await?, []);
    Ok(())
}

pub(super) async fn tell_the_heads(journal: &dyn Journal) -> Result<(), Error> {
    let one = lease(journal, 1).await?;
    let two = lease(journal, 2).await?;
    lease(journal, 3).await?;
    assert_eq!(journal.heads().await?, []);
    settle(journal, [append(one, 1, 0, 4), append(two, 2, 0, 2)]).await?;
    settle(journal, [append(one, 1, 4, 1)]).await?;
    let mut heads = journal.heads().await?;
    heads.sort_unstable();
    assert_eq!(heads, [(Shard(1), 5), (Shard(2), 2)]);
    Ok(())
}

pub(super) async fn tenants_see_their_own(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let theirs = append(lease, 2, 0, 2).of(OTHER_TENANT);
    settle(
        journal,
        [append(lease, 1, 0, 1), theirs, append(lease, 1, 1, 1)],
    )
    .await?;
    let page = journal
        .tenant_feed(TENANT, &[(Shard(1), 0)], 10, 10)
        .await?;
    let seqs: Vec<_> = page.events.iter().map(|event| place(event).1).collect();
    assert_eq!(seqs, [1, 4]);
    assert_eq!(page.looked_at, [(Shard(1), 4)]);
    let nobody = Uuid::from_u128(5);
    let page = journal
        .tenant_feed(nobody, &[(Shard(1), 2)], 10, 10)
        .await?;
    assert_eq!(
        (page.events.len(), page.looked_at),
        (0, vec![(Shard(1), 4)])
    );
    let asked = [(Shard(1), 9), (Shard(2), 0)];
    let page = journal.tenant_feed(TENANT, &asked, 10, 10).await?;
    assert_eq!((page.events.len(), page.looked_at), (0, asked.to_vec()));
    Ok(())
}

pub(super) async fn tenants_look_no_further_than_the_span(
    journal: &dyn Journal,
) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let theirs = append(lease, 2, 0, 9).of(OTHER_TENANT);
    settle(journal, [theirs, append(lease, 1, 0, 1)]).await?;
    let mut after = 0;
    let mut steps = Vec::new();
    while after < 10 {
        let page = journal
            .tenant_feed(TENANT, &[(Shard(1), after)], 4, 10)
            .await?;
        after = page.looked_at[0].1;
        steps.push((after, page.events.len()));
    }
    assert_eq!(steps, [(4, 0), (8, 0), (10, 1)]);
    Ok(())
}

pub(super) async fn tenants_page_over_many_shards(journal: &dyn Journal) -> Result<(), Error> {
    for shard in 0..3_u16 {
        let lease = lease(journal, shard).await?;
        let count = 3 * u64::from(shard + 1);
        let noise = append(lease, 90 + u128::from(shard), 0, 2).of(OTHER_TENANT);
        settle(journal, [append(lease, shard.into(), 0, count), noise]).await?;
    }
    for limit in [1, 2, 5, 100] {
        let mut after: Vec<_> = [2, 0, 1].map(|shard| (Shard(shard), 0)).into();
        let mut seen = HashMap::<Shard, Vec<u64>>::new();
        for _ in 0..100 {
            let page = journal.tenant_feed(TENANT, &after, 4, limit).await?;
            assert!(page.events.len() <= limit as usize);
            for event in &page.events {
                let (shard, seq) = place(event);
                seen.entry(shard).or_default().push(seq);
            }
            after = page.looked_at;
        }
        for shard in 0..3_u16 {
            let expected: Vec<_> = (1..=3 * u64::from(shard + 1)).collect();
            assert_eq!(seen.get(&Shard(shard)), Some(&expected), "limit {limit}");
        }
        let ends: Vec<_> = after.iter().map(|(_, seq)| *seq).collect();
        assert_eq!(ends, [11, 5, 8]);
    }
    Ok(())
}
