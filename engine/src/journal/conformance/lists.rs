//! Lists: every filter, search, and the walls between companies.

use uuid::Uuid;

use super::draft::{KIND, OTHER_TENANT, TENANT, append, at, id, lease, settle};
use crate::entity::Index;
use crate::journal::{Append, Error, Journal, Lease, Query, StateText};

pub(super) fn query() -> Query {
    Query::everything(KIND, Some(TENANT), 100)
}

/// The numbers of the entities that a list has, in its order.
pub(super) async fn numbers(journal: &dyn Journal, query: &Query) -> Result<Vec<u128>, Error> {
    let page = journal.list(query).await?;
    let number = |id: Uuid| id.as_u128() - super::draft::id(0).as_u128();
    Ok(page.iter().map(|document| number(document.id)).collect())
}

fn indexed(lease: Lease, entity: u128, index: Index) -> Append {
    append(lease, entity, 0, 1).shown_as(|shown| {
        shown.created_at = at(i64::try_from(entity).unwrap_or(0));
        shown.index = index;
    })
}

async fn fill(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let index = |reference: Option<&str>, status, place: Option<u128>, flagged, text: &str| Index {
        reference: reference.map(str::to_owned),
        status,
        parent: place.map(id),
        site: place.map(|place| id(place + 100)),
        flagged,
        text: text.into(),
    };
    let batch = [
        indexed(
            lease,
            1,
            index(Some("R-1"), "open", Some(1), false, "Große ÄPFEL 100%"),
        ),
        indexed(
            lease,
            2,
            index(Some("R-2"), "open", Some(2), true, "green_pears"),
        ),
        indexed(
            lease,
            3,
            index(None, "shut", Some(1), true, "1000 figs \\ 'and' \"more\""),
        ),
        indexed(lease, 4, index(Some("R-1"), "lost", None, false, "")).of(OTHER_TENANT),
    ];
    settle(journal, batch).await?;
    let mut of_another_kind = indexed(lease, 5, index(Some("R-1"), "open", Some(1), true, "pears"));
    of_another_kind.key.kind = "crate";
    settle(journal, [of_another_kind]).await
}

pub(super) async fn filter_by_every_column(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    let status = |names: &[&str]| Query {
        status: names.iter().map(|it| (*it).to_owned()).collect(),
        ..query()
    };
    let reference = |text: &str| Query {
        reference: Some(text.into()),
        ..query()
    };
    let parent = |parent| Query {
        parent: Some(parent),
        ..query()
    };
    let site = |site| Query {
        site: Some(site),
        ..query()
    };
    let flagged = |flagged| Query {
        flagged: Some(flagged),
        ..query()
    };
    let cases: [(Query, &[u128]); 14] = [
        (query(), &[1, 2, 3]),
        (reference("R-1"), &[1]),
        (reference("r-1"), &[]),
        (reference("R-\0"), &[]),
        (status(&["open"]), &[1, 2]),
        (status(&["shut", "open"]), &[1, 2, 3]),
        (status(&["lost", "?"]), &[]),
        (parent(id(1)), &[1, 3]),
        (parent(id(9)), &[]),
        (site(id(102)), &[2]),
        (site(id(2)), &[]),
        (flagged(true), &[2, 3]),
        (flagged(false), &[1]),
        (
            Query {
                kind: "crate",
                ..query()
            },
            &[5],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(numbers(journal, &query).await?, expected, "{query:?}");
    }
    Ok(())
}

pub(super) async fn conditions_hold_together(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    let all = Query {
        reference: Some("R-2".into()),
        status: vec!["open".into()],
        parent: Some(id(2)),
        site: Some(id(102)),
        flagged: Some(true),
        search: Some("PEARS".into()),
        created_from: Some(at(2)),
        created_before: Some(at(3)),
        after: Some((at(1), id(1))),
        ..query()
    };
    assert_eq!(numbers(journal, &all).await?, [2]);
    let narrower = Query {
        parent: Some(id(1)),
        ..all
    };
    assert_eq!(numbers(journal, &narrower).await?, [0_u128; 0]);
    Ok(())
}

pub(super) async fn search_without_case(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    let cases: [(&str, &[u128]); 13] = [
        ("", &[1, 2, 3]),
        ("PEARS", &[2]),
        ("äpfel", &[1]),
        ("GROßE Ä", &[1]),
        ("100", &[1, 3]),
        ("100%", &[1]),
        ("1%0", &[]),
        ("n_p", &[2]),
        ("e_p", &[]),
        ("\\", &[3]),
        ("'and'", &[3]),
        ("\"More", &[3]),
        ("figs*", &[]),
    ];
    for (needle, expected) in cases {
        let query = Query {
            search: Some(needle.into()),
            ..query()
        };
        assert_eq!(numbers(journal, &query).await?, expected, "{needle}");
    }
    Ok(())
}

pub(super) async fn keep_companies_apart(journal: &dyn Journal) -> Result<(), Error> {
    fill(journal).await?;
    let of = |tenant| Query { tenant, ..query() };
    assert_eq!(numbers(journal, &of(Some(OTHER_TENANT))).await?, [4]);
    assert_eq!(numbers(journal, &of(Some(Uuid::nil()))).await?, [0_u128; 0]);
    assert_eq!(numbers(journal, &of(None)).await?, [1, 2, 3, 4]);
    Ok(())
}

pub(super) async fn leave_full_states_out(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let full = append(lease, 1, 0, 1).shown_as(|shown| shown.state = StateText::Full("{}".into()));
    settle(journal, [full, append(lease, 2, 0, 1)]).await?;
    for document in journal.list(&query()).await? {
        assert_eq!(document.listed.as_deref(), Some("{\"version\":1}"));
        assert_eq!(document.state, None);
    }
    Ok(())
}

pub(super) async fn show_what_was_just_written(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let index = |status, reference: &str| Index {
        status,
        reference: Some(reference.into()),
        text: reference.into(),
        flagged: status == "shut",
        parent: Some(id(if status == "shut" { 8 } else { 9 })),
        site: None,
    };
    for (version, status) in (0..).zip(["open", "shut", "open", "shut"]) {
        let next = append(lease, 1, version, 1)
            .shown_as(|shown| shown.index = index(status, &format!("R-{version}")));
        settle(journal, [next]).await?;
        let query = Query {
            status: vec![status.into()],
            reference: Some(format!("R-{version}")),
            search: Some(format!("r-{version}")),
            flagged: Some(status == "shut"),
            parent: Some(id(if status == "shut" { 8 } else { 9 })),
            ..query()
        };
        assert_eq!(numbers(journal, &query).await?, [1]);
    }
    Ok(())
}
