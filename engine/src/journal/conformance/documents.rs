//! Documents: an entity's state as lists show it and as a cold start loads it.

use super::draft::{
    KIND, TENANT, append, at, commit, committed, id, key, known, lease, load, picture, settle,
};
use crate::journal::{Document, Error, Journal, Outcome, StateText};

pub(super) async fn hold_the_last_surviving_state(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 9, 0, 1).claiming("held")]).await?;
    let batch = [
        append(lease, 1, 0, 2),
        append(lease, 1, 2, 1),
        append(lease, 1, 3, 1).claiming("held"),
        append(lease, 1, 4, 1),
    ];
    let outcomes = commit(journal, batch).await?;
    let lost = [Outcome::ClaimTaken(0), Outcome::Superseded];
    assert_eq!(outcomes[..2], [committed(2), committed(4)]);
    assert_eq!(outcomes[2..], lost);
    let expected = Document {
        id: id(1),
        tenant: TENANT,
        version: 3,
        schema: 3,
        created_at: at(0),
        updated_at: at(3),
        listed: Some("{\"version\":3}".into()),
        state: Some((3, "{\"version\":3}".into())),
    };
    assert_eq!(load(journal, 1).await?, Some(expected));
    Ok(())
}

pub(super) async fn may_be_summaries(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let full = |text: &str| StateText::Full(text.to_owned());
    let states = [
        (full("one"), Some((1, "one"))),
        (StateText::Kept, Some((1, "one"))),
        (full("three"), Some((3, "three"))),
        (StateText::Kept, Some((3, "three"))),
        (StateText::Listed, Some((5, "{\"version\":5}"))),
        (full("six"), Some((6, "six"))),
    ];
    for (version, (state, expected)) in (1..).zip(states) {
        let next = append(lease, 1, version - 1, 1).shown_as(|shown| shown.state = state);
        settle(journal, [next]).await?;
        let document = load(journal, 1).await?;
        let document = document.unwrap_or_else(|| unreachable!("it was just written"));
        assert_eq!(document.version, version);
        assert_eq!(document.listed, Some(picture(version).listed));
        let expected = expected.map(|(version, text)| (version, text.to_owned()));
        assert_eq!(document.state, expected);
    }
    Ok(())
}

/// What lists showed was the state; once it is replaced by a summary there is none to keep.
pub(super) async fn a_kept_state_needs_one(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1)]).await?;
    let summary = append(lease, 1, 1, 1).shown_as(|shown| shown.state = StateText::Kept);
    let first = append(lease, 2, 0, 1).shown_as(|shown| shown.state = StateText::Kept);
    settle(journal, [summary, first]).await?;
    for entity in [1, 2] {
        let state = load(journal, entity).await?.map(|document| document.state);
        assert_eq!(state, Some(None));
    }
    Ok(())
}

pub(super) async fn load_in_order_of_the_keys(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, (1..=3).map(|entity| append(lease, entity, 0, 1))).await?;
    let keys = [key(3), key(7), key(1), key(3), key(2)];
    let found = journal.load(&keys).await?;
    let found: Vec<_> = found.iter().map(|it| it.as_ref().map(|it| it.id)).collect();
    let expected = [Some(id(3)), None, Some(id(1)), Some(id(3)), Some(id(2))];
    assert_eq!(found, expected);
    Ok(())
}

pub(super) async fn do_not_change_without_events(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1)]).await?;
    let before = load(journal, 1).await?;
    let nothing = append(lease, 1, 1, 0).shown_as(|shown| shown.listed = "other".into());
    settle(journal, [nothing]).await?;
    assert_eq!(load(journal, 1).await?, before);
    // The state is that of the last append with events, also when one without follows.
    let nothing = append(lease, 1, 2, 0).shown_as(|shown| shown.listed = "other".into());
    settle(journal, [append(lease, 1, 1, 1), nothing]).await?;
    let listed = load(journal, 1).await?.and_then(|document| document.listed);
    assert_eq!(listed.as_deref(), Some("{\"version\":2}"));
    Ok(())
}

pub(super) async fn losers_take_later_appends_with_them(
    journal: &dyn Journal,
) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 9, 0, 1).asked_as("used")]).await?;
    let batch = [
        append(lease, 1, 0, 1),
        append(lease, 1, 1, 1).asked_as("used"),
        append(lease, 2, 0, 1),
        append(lease, 1, 2, 0).asked_as("fresh").refused_with("{}"),
        append(lease, 1, 2, 1),
    ];
    let outcomes = commit(journal, batch).await?;
    assert_eq!(outcomes[0], committed(2));
    assert!(matches!(outcomes[1], Outcome::Duplicate(_)));
    assert_eq!(outcomes[2], committed(3));
    assert_eq!(outcomes[3..], [Outcome::Superseded, Outcome::Superseded]);
    assert_eq!(known(journal, "scope", "fresh").await?, None);
    let version = load(journal, 1).await?.map(|document| document.version);
    assert_eq!(version, Some(1));
    Ok(())
}

pub(super) async fn refusals_take_nothing_with_them(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 9, 0, 1).asked_as("used")]).await?;
    let batch = [
        append(lease, 1, 0, 0).asked_as("used").refused_with("{}"),
        append(lease, 1, 0, 1),
    ];
    let outcomes = commit(journal, batch).await?;
    assert!(matches!(outcomes[0], Outcome::Duplicate(_)));
    assert_eq!(outcomes[1], committed(2));
    let kinds = journal.history(key(1), 0, 10).await?;
    assert!(kinds.iter().all(|event| &*event.kind == KIND));
    assert_eq!(kinds.len(), 1);
    Ok(())
}

pub(super) async fn are_forgotten(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let ended = |entity: u128, status: &'static str, seconds: i64| {
        append(lease, entity, 0, 1).shown_as(|shown| {
            shown.index.status = status;
            shown.updated_at = at(seconds);
        })
    };
    let batch = [
        ended(1, "shut", 1),
        ended(2, "lost", 1),
        ended(3, "open", 1),
        ended(4, "shut", 5),
    ];
    settle(journal, batch).await?;
    assert_eq!(journal.prune_documents("crate", &["shut"], at(9)).await?, 0);
    let spent = &["shut", "lost"];
    assert_eq!(journal.prune_documents(KIND, spent, at(5)).await?, 2);
    assert_eq!(journal.prune_documents(KIND, spent, at(5)).await?, 0);
    for (entity, is_there) in [(1, false), (2, false), (3, true), (4, true)] {
        assert_eq!(load(journal, entity).await?.is_some(), is_there, "{entity}");
    }
    assert_eq!(journal.history(key(1), 0, 9).await?.len(), 1, "events stay");
    Ok(())
}
