//! Request keys: one effect for each, whatever is repeated.

use super::draft::{KIND, append, at, commit, committed, id, known, lease, load, request, settle};
use crate::journal::{Answer, Batch, Error, Journal, NewAnswer, Outcome, RequestRow};

fn row(entity: u128, version: u64) -> RequestRow {
    RequestRow {
        body_hash: -7,
        kind: KIND.into(),
        entity: id(entity),
        version,
        refusal: None,
        answer: None,
        at: at(version.try_into().unwrap_or(0)),
    }
}

fn answer(key: &str, body: &[u8]) -> NewAnswer {
    NewAnswer {
        scope: "scope".into(),
        key: key.into(),
        answer: Answer {
            status: 201,
            headers: "etag: \"1\"\nlocation: /ü".into(),
            body: body.into(),
        },
    }
}

pub(super) async fn count_once(journal: &dyn Journal) -> Result<(), Error> {
    let one = lease(journal, 1).await?;
    let two = lease(journal, 2).await?;
    settle(journal, [append(one, 1, 0, 2).asked_as("a")]).await?;
    assert_eq!(known(journal, "scope", "a").await?, Some(row(1, 2)));
    assert_eq!(known(journal, "other", "a").await?, None);
    // The same entity, another one, and one of another shard.
    let repeats = [
        append(one, 1, 2, 1).asked_as("a"),
        append(one, 2, 0, 1).asked_as("a"),
        append(two, 3, 0, 0).asked_as("a"),
        append(one, 4, 0, 1).asked_as("b"),
    ];
    let seen = || Outcome::Duplicate(row(1, 2));
    let outcomes = commit(journal, repeats).await?;
    assert_eq!(outcomes, [seen(), seen(), seen(), committed(3)]);
    assert_eq!(load(journal, 2).await?, None);
    Ok(())
}

pub(super) async fn count_once_within_a_batch(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let batch = [
        append(lease, 1, 0, 1).asked_as("a"),
        append(lease, 2, 0, 1).asked_as("a"),
        append(lease, 3, 0, 1).asked_as("b"),
    ];
    let outcomes = commit(journal, batch).await?;
    let seen = Outcome::Duplicate(row(1, 1));
    assert_eq!(outcomes, [committed(1), seen, committed(2)]);
    Ok(())
}

pub(super) async fn keep_refusals(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1)]).await?;
    let refusal = append(lease, 1, 1, 0)
        .asked_as("a")
        .refused_with("{\"no\":1}");
    settle(journal, [refusal]).await?;
    let expected = RequestRow {
        refusal: Some("{\"no\":1}".into()),
        ..row(1, 1)
    };
    assert_eq!(known(journal, "scope", "a").await?, Some(expected.clone()));
    let outcomes = commit(journal, [append(lease, 1, 1, 1).asked_as("a")]).await?;
    assert_eq!(outcomes, [Outcome::Duplicate(expected)]);
    Ok(())
}

pub(super) async fn lose_with_their_append(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1).claiming("held")]).await?;
    let batch = [
        append(lease, 2, 0, 1).claiming("held").asked_as("a"),
        append(lease, 2, 1, 1).asked_as("b"),
    ];
    let outcomes = commit(journal, batch).await?;
    assert_eq!(outcomes, [Outcome::ClaimTaken(0), Outcome::Superseded]);
    assert_eq!(known(journal, "scope", "a").await?, None);
    assert_eq!(known(journal, "scope", "b").await?, None);
    Ok(())
}

pub(super) async fn a_lost_key_is_free_for_the_next(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let batch = [
        append(lease, 1, 0, 1).claiming("name"),
        append(lease, 2, 0, 1).claiming("name").asked_as("a"),
        append(lease, 3, 0, 1).asked_as("a"),
    ];
    let outcomes = commit(journal, batch).await?;
    let lost = Outcome::ClaimTaken(0);
    assert_eq!(outcomes, [committed(1), lost, committed(2)]);
    assert_eq!(known(journal, "scope", "a").await?, Some(row(3, 1)));
    Ok(())
}

pub(super) async fn keep_answers_byte_for_byte(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1).asked_as("a")]).await?;
    let body: Vec<u8> = (0..=255).collect();
    let batch = Batch {
        answers: vec![
            answer("a", &body),
            answer("unknown", b""),
            answer("a", b"2"),
        ],
        ..Batch::default()
    };
    assert_eq!(journal.commit(&batch).await?, []);
    let later = Batch {
        answers: vec![answer("a", b"another")],
        ..Batch::default()
    };
    journal.commit(&later).await?;
    let expected = RequestRow {
        answer: Some(answer("a", &body).answer),
        ..row(1, 1)
    };
    assert_eq!(known(journal, "scope", "a").await?, Some(expected.clone()));
    assert_eq!(known(journal, "scope", "unknown").await?, None);
    let outcomes = commit(journal, [append(lease, 1, 1, 1).asked_as("a")]).await?;
    assert_eq!(outcomes, [Outcome::Duplicate(expected)]);
    Ok(())
}

pub(super) async fn an_answer_may_come_with_its_request(
    journal: &dyn Journal,
) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let batch = Batch {
        appends: vec![append(lease, 1, 0, 1).asked_as("a")],
        answers: vec![answer("a", b"")],
        ..Batch::default()
    };
    journal.commit(&batch).await?;
    let stored = known(journal, "scope", "a").await?;
    let stored = stored.and_then(|row| row.answer);
    assert_eq!(stored, Some(answer("a", b"").answer));
    Ok(())
}

pub(super) async fn are_pruned(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let asked = |number: u64, is_client: bool| {
        let mut asked = append(lease, number.into(), 0, number);
        let mut key = request(&format!("{number}-{is_client}"));
        key.is_client = is_client;
        asked.request = Some(key);
        asked
    };
    settle(journal, (1..=4).map(|number| asked(number, true))).await?;
    settle(journal, (5..=8).map(|number| asked(number, false))).await?;
    assert_eq!(journal.prune_requests(at(3), at(0)).await?, 2);
    assert_eq!(journal.prune_requests(at(3), at(0)).await?, 0);
    assert_eq!(known(journal, "scope", "2-true").await?, None);
    assert!(known(journal, "scope", "3-true").await?.is_some());
    assert_eq!(journal.prune_requests(at(0), at(6)).await?, 1);
    assert_eq!(known(journal, "scope", "5-false").await?, None);
    assert!(known(journal, "scope", "6-false").await?.is_some());
    Ok(())
}
