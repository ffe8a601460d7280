//! Text: whatever a client may send comes back as it was, or is refused everywhere.

use super::draft::{KIND, TENANT, append, at, commit, key, known, lease, load, request, settle};
use super::lists::{numbers, query};
use crate::envelope::{RequestKey, Shard};
use crate::journal::{
    Answer, Append, Batch, Checkpoint, ClaimHolder, Error, Journal, Lease, NewAnswer, Query,
};

const ODD: &str =
    "'; DROP TABLE event; -- \"q\" \\ \\x00 $1 ? %_ \u{1} \n\t\r ü 漢字 🚚 \u{200f}\u{ffff}";

pub(super) async fn any_but_nul_is_kept(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let mut odd = append(lease, 1, 0, 1)
        .claiming(ODD)
        .asked_as(ODD)
        .shown_as(|shown| {
            shown.listed = ODD.into();
            shown.index.reference = Some(ODD.into());
            shown.index.text = ODD.into();
        });
    odd.principal = ODD.into();
    odd.request_id = ODD.into();
    odd.cause = Some(ODD.into());
    odd.events[0].data = ODD.into();
    odd.events[0].personal = Some(ODD.into());
    odd.set_timers = vec![(ODD.into(), at(0))];
    settle(journal, [odd]).await?;

    let recorded = journal.feed(Shard(1), 0, 1).await?.remove(0);
    assert_eq!(&*recorded.data, ODD);
    assert_eq!(recorded.personal.as_deref(), Some(ODD));
    assert_eq!(recorded.cause.as_deref(), Some(ODD));
    assert_eq!((&*recorded.principal, &*recorded.request_id), (ODD, ODD));
    let listed = load(journal, 1).await?.and_then(|document| document.listed);
    assert_eq!(listed.as_deref(), Some(ODD));
    let here = ClaimHolder::Tenant(TENANT);
    assert_eq!(
        journal.claimant(KIND, here, ODD).await?.map(|it| it.entity),
        Some(key(1).id)
    );
    assert!(known(journal, "scope", ODD).await?.is_some());
    assert_eq!(journal.due_timers(at(9), 1).await?[0].name, ODD);
    let found = Query {
        reference: Some(ODD.into()),
        search: Some(ODD.to_uppercase()),
        ..query()
    };
    assert_eq!(numbers(journal, &found).await?, [1]);
    Ok(())
}

pub(super) async fn nul_is_refused(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let spoilt: [fn(&mut Append); 10] = [
        |it| it.events[0].data.push('\0'),
        |it| it.events[0].personal = Some("\0".into()),
        |it| it.principal = "a\0".into(),
        |it| it.request_id = "\0a".into(),
        |it| it.cause = Some("\0".into()),
        |it| it.claim[0].key.push('\0'),
        |it| it.disclaim[0].key.push('\0'),
        |it| it.set_timers[0].0.push('\0'),
        |it| it.clear_timers[0].push('\0'),
        |it| it.refusal = Some("\0".into()),
    ];
    for (number, spoil) in spoilt.iter().enumerate() {
        let mut append = whole(lease);
        spoil(&mut append);
        refuses(journal, append, number).await?;
    }
    let shown = whole(lease).shown_as(|shown| shown.listed.push('\0'));
    refuses(journal, shown, 100).await?;
    let indexed = whole(lease).shown_as(|shown| shown.index.text.push('\0'));
    refuses(journal, indexed, 101).await?;
    let referred = whole(lease).shown_as(|shown| shown.index.reference = Some("\0".into()));
    refuses(journal, referred, 102).await?;
    settle(journal, [whole(lease)]).await
}

/// An append with something of everything.
fn whole(lease: Lease) -> Append {
    let mut whole = append(lease, 1, 0, 1)
        .claiming("a")
        .giving_up("b")
        .asked_as("key");
    whole.set_timers = vec![("one".into(), at(0))];
    whole.clear_timers = vec!["two".into()];
    whole
}

async fn refuses(journal: &dyn Journal, append: Append, number: usize) -> Result<(), Error> {
    let result = commit(journal, [append]).await;
    assert!(
        matches!(result, Err(Error::Refused(_))),
        "{number}: {result:?}"
    );
    assert_eq!(load(journal, 1).await?, None);
    assert_eq!(known(journal, "scope", "key").await?, None);
    Ok(())
}

pub(super) async fn long_keys_are_refused(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    let asked = |scope: usize, key: usize| {
        let mut asked = append(lease, 1, 0, 1);
        asked.request = Some(RequestKey {
            scope: "s".repeat(scope),
            key: "k".repeat(key),
            ..request("")
        });
        asked
    };
    refuses(journal, asked(256, 1), 1).await?;
    refuses(journal, asked(1, 301), 2).await?;
    settle(journal, [asked(255, 300)]).await
}

pub(super) async fn nul_is_never_found(journal: &dyn Journal) -> Result<(), Error> {
    let lease = lease(journal, 1).await?;
    settle(journal, [append(lease, 1, 0, 1)]).await?;
    assert_eq!(known(journal, "scope", "\0").await?, None);
    assert_eq!(known(journal, "\0", "key").await?, None);
    let here = ClaimHolder::Tenant(TENANT);
    assert_eq!(journal.claimant(KIND, here, "\0").await?, None);
    assert_eq!(journal.checkpoints("\0").await?, []);
    let strange = Query {
        search: Some("\0".into()),
        ..query()
    };
    assert_eq!(numbers(journal, &strange).await?, [0_u128; 0]);
    let strange = Query {
        status: vec!["\0".into(), "open".into()],
        ..query()
    };
    assert_eq!(numbers(journal, &strange).await?, [1]);

    let answer = Answer {
        status: 200,
        headers: "\0".into(),
        body: Vec::new(),
    };
    let batch = Batch {
        answers: vec![NewAnswer {
            scope: "s".into(),
            key: "k".into(),
            answer,
        }],
        ..Batch::default()
    };
    assert!(matches!(
        journal.commit(&batch).await,
        Err(Error::Refused(_))
    ));
    let batch = Batch {
        checkpoints: vec![Checkpoint {
            subscriber: "\0".into(),
            lease,
            seq: 1,
        }],
        ..Batch::default()
    };
    assert!(matches!(
        journal.commit(&batch).await,
        Err(Error::Refused(_))
    ));
    Ok(())
}
