//! Appends to try a journal with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::journal::{
    Append, Batch, Document, Error, Journal, Lease, NewClaim, Outcome, RequestRow, Snapshot,
    StateText,
};
use engine::{ClaimScope, EntityKey, Index, NewEvent, RequestKey, Shard};
use uuid::Uuid;

pub(crate) const KIND: &str = "parcel";

pub(crate) fn key(number: u128) -> EntityKey {
    EntityKey {
        kind: KIND,
        id: Uuid::from_u128(number),
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_790_000_000_000).unwrap()
}

struct Shown(u64);

impl Snapshot for Shown {
    fn created_at(&self) -> DateTime<Utc> {
        now()
    }
    fn updated_at(&self) -> DateTime<Utc> {
        now()
    }
    fn version(&self) -> u64 {
        self.0
    }
    fn schema(&self) -> u32 {
        1
    }
    fn index(&self) -> Index {
        Index {
            status: "open",
            reference: Some(format!("R-{}", self.0)),
            parent: Some(Uuid::from_u128(self.0.into())),
            text: "a parcel with some words to find".into(),
            ..Index::default()
        }
    }
    fn listed(&self) -> Result<String, serde_json::Error> {
        Ok(format!(
            "{{\"version\":{},\"text\":\"{}\"}}",
            self.0,
            "x".repeat(400)
        ))
    }
    fn state(&self) -> Result<StateText, serde_json::Error> {
        Ok(StateText::Listed)
    }
}

/// An append with one event and a request key.
pub(crate) fn append(lease: Lease, entity: u128, base_version: u64) -> Append {
    let version = base_version + 1;
    Append {
        lease,
        key: key(entity),
        tenant: Uuid::from_u128(7),
        base_version,
        at: now(),
        principal: "usr_1".into(),
        request_id: "req_1".into(),
        cause: None,
        events: vec![NewEvent {
            name: "moved",
            schema: 1,
            data: format!("{{\"type\":\"moved\",\"to\":\"{}\"}}", "y".repeat(150)),
            personal: Some("{\"name\":\"Ada\"}".into()),
        }],
        snapshot: Arc::new(Shown(version)),
        claim: Vec::new(),
        disclaim: Vec::new(),
        set_timers: Vec::new(),
        clear_timers: Vec::new(),
        request: Some(RequestKey {
            scope: "scope".into(),
            key: format!("{entity}-{version}"),
            body_hash: 1,
            is_client: true,
        }),
        refusal: None,
    }
}

pub(crate) fn claiming(mut append: Append, key: &str) -> Append {
    append.claim.push(NewClaim {
        scope: ClaimScope::Tenant,
        key: key.into(),
        version: None,
    });
    append
}

pub(crate) fn batch(appends: impl IntoIterator<Item = Append>) -> Batch {
    Batch {
        appends: appends.into_iter().collect(),
        ..Batch::default()
    }
}

pub(crate) async fn lease(journal: &dyn Journal, shard: u16) -> Lease {
    let shards = [Shard(shard)];
    journal
        .take_over(Uuid::from_u128(1), &shards)
        .await
        .unwrap()[0]
}

pub(crate) async fn commit(journal: &dyn Journal, append: Append) -> Result<Outcome, Error> {
    let mut outcomes = journal.commit(&batch([append])).await?;
    Ok(outcomes.remove(0))
}

pub(crate) fn is_committed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Committed { .. })
}

pub(crate) async fn load(journal: &dyn Journal, entity: u128) -> Option<Document> {
    journal.load(&[key(entity)]).await.unwrap().remove(0)
}

/// The version of an entity, on which its document, its events, its requests and the feed agree.
pub(crate) async fn agreed_version(journal: &dyn Journal, shard: u16, entity: u128) -> u64 {
    let version = load(journal, entity)
        .await
        .map_or(0, |document| document.version);
    let history = journal.history(key(entity), 0, 10_000).await.unwrap();
    assert_eq!(history.len() as u64, version);
    let feed = journal.feed(Shard(shard), 0, 10_000).await.unwrap();
    let heads = journal.heads().await.unwrap();
    let head = heads
        .iter()
        .find(|(it, _)| it.0 == shard)
        .map_or(0, |it| it.1);
    assert!(feed.iter().map(|event| event.seq).eq(1..=head));
    for (number, expected) in [(version, version > 0), (version + 1, false)] {
        let request = known(journal, &format!("{entity}-{number}")).await;
        assert_eq!(request.is_some(), expected, "request {number}");
    }
    version
}

/// What is known of a request.
pub(crate) async fn known(journal: &dyn Journal, key: &str) -> Option<RequestRow> {
    let found = journal.requests(&[("scope".into(), key.into())]).await;
    found.unwrap().pop().unwrap()
}
