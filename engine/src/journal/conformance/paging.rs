//! Pages of lists: sorted by time of creation, then by id, each starting where the last ended.

use super::draft::{append, at, lease, settle};
use super::lists::{numbers, query};
use crate::journal::{Error, Journal, Query};

/// Twelve entities of which three at a time were created in the same millisecond.
async fn fill(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let created = |number: u8| {
        append(lease, number.into(), 0, 1)
            .shown_as(|shown| shown.created_at = at(i64::from(number / 3)))
    };
    // Written in an order that is not the one to be read in.
    settle(journal, [7, 2, 11, 0, 5, 9, 1, 10, 4, 8, 3, 6].map(created)).await
}

pub(super) async fn sorts_both_ways(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    let up: Vec<u128> = (0..12).collect();
    assert_eq!(numbers(journal, &query()).await?, up);
    let down: Vec<u128> = (0..12).rev().collect();
    let descending = Query {
        descending: true,
        ..query()
    };
    assert_eq!(numbers(journal, &descending).await?, down);
    Ok(())
}

pub(super) async fn goes_on_over_equal_times(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    for (descending, limit) in [(false, 1), (false, 2), (false, 5), (true, 1), (true, 4)] {
        let mut seen = Vec::new();
        let mut page = Query {
            descending,
            limit,
            ..query()
        };
        loop {
            let documents = journal.list(&page).await?;
            assert!(documents.len() <= limit as usize);
            let Some(last) = documents.last() else { break };
            page.after = Some((last.created_at, last.id));
            seen.extend(documents.iter().map(|document| document.id));
        }
        let mut expected: Vec<_> = (0..12).map(super::draft::id).collect();
        if descending {
            expected.reverse();
        }
        assert_eq!(seen, expected, "descending {descending}, limit {limit}");
    }
    Ok(())
}

pub(super) async fn looks_at_a_span_of_time(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    let span = Query {
        created_from: Some(at(1)),
        created_before: Some(at(3)),
        ..query()
    };
    assert_eq!(numbers(journal, &span).await?, [3, 4, 5, 6, 7, 8]);
    let empty = Query {
        created_before: Some(at(1)),
        ..span
    };
    assert_eq!(numbers(journal, &empty).await?, [0_u128; 0]);
    Ok(())
}
