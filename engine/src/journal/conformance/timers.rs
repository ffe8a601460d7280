//! Timers: what entities asked to be told later.

use super::draft::{KIND, TENANT, append, at, id, lease, settle};
use crate::journal::{Append, DueTimer, Error, Journal};

fn setting(mut append: Append, name: &str, ms: i64) -> Append {
    append.set_timers.push((name.into(), at(ms)));
    append
}

fn clearing(mut append: Append, name: &str) -> Append {
    append.clear_timers.push(name.into());
    append
}

fn due(entity: u128, name: &str, ms: i64) -> DueTimer {
    DueTimer {
        kind: KIND.into(),
        entity: id(entity),
        tenant: TENANT,
        name: name.into(),
        at: at(ms),
    }
}

pub(super) async fn are_set_and_replaced_and_cleared(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [setting(append(lease, 1, 0, 1), "settle", 10)]).await?;
    assert_eq!(journal.due_timers(at(9), 10).await?, []);
    assert_eq!(
        journal.due_timers(at(10), 10).await?,
        [due(1, "settle", 10)]
    );

    settle(journal, [setting(append(lease, 1, 1, 1), "settle", 20)]).await?;
    assert_eq!(journal.due_timers(at(19), 10).await?, []);
    assert_eq!(
        journal.due_timers(at(20), 10).await?,
        [due(1, "settle", 20)]
    );

    // One that is cleared and set stays set; a later clearing wins over an earlier setting.
    let both = clearing(setting(append(lease, 1, 2, 1), "settle", 30), "settle");
    let brief = setting(append(lease, 1, 3, 1), "brief", 5);
    let ended = clearing(append(lease, 1, 4, 1), "brief");
    settle(journal, [both, brief, ended]).await?;
    assert_eq!(
        journal.due_timers(at(99), 10).await?,
        [due(1, "settle", 30)]
    );

    settle(journal, [clearing(append(lease, 1, 5, 1), "settle")]).await?;
    assert_eq!(journal.due_timers(at(99), 10).await?, []);
    Ok(())
}

pub(super) async fn are_due_in_order(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let times = [(1, 30), (2, 10), (3, 20)];
    let batch = times.map(|(entity, ms)| setting(append(lease, entity, 0, 1), "a", ms));
    settle(journal, batch).await?;
    settle(journal, [setting(append(lease, 1, 1, 1), "b", 40)]).await?;
    let expected = [due(2, "a", 10), due(3, "a", 20), due(1, "a", 30)];
    assert_eq!(journal.due_timers(at(30), 10).await?, expected);
    assert_eq!(journal.due_timers(at(30), 2).await?, expected[..2]);
    Ok(())
}

pub(super) async fn go_with_a_refusal(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [setting(append(lease, 1, 0, 1), "settle", 10)]).await?;
    settle(journal, [clearing(append(lease, 1, 1, 0), "settle")]).await?;
    assert_eq!(journal.due_timers(at(99), 10).await?, []);
    Ok(())
}
