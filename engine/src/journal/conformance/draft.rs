//! Appends to try a journal with, and short ways to commit them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::entity::{ClaimScope, Index};
use crate::envelope::{EntityKey, NewEvent, RequestKey, Shard};
use crate::journal::{
    Append, Batch, Document, Error, Journal, Lease, NewClaim, Outcome, RequestRow, Snapshot,
    StateText,
};

pub(super) const KIND: &str = "parcel";
pub(super) const TENANT: Uuid = Uuid::from_u128(0x7e);
pub(super) const OTHER_TENANT: Uuid = Uuid::from_u128(0x7f);

/// So many milliseconds after a moment in 2026.
pub(super) fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_790_000_000_000 + ms).unwrap_or_default()
}

pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + number)
}

pub(super) fn key(number: u128) -> EntityKey {
    EntityKey {
        kind: KIND,
        id: id(number),
    }
}

/// A snapshot with everything in it said beforehand.
#[derive(Clone)]
pub(super) struct Picture {
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) version: u64,
    pub(super) index: Index,
    pub(super) listed: String,
    pub(super) state: StateText,
}

impl Snapshot for Picture {
    fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }
    fn updated_at(&self) -> DateTime<Utc> {
        self.updated_at
    }
    fn version(&self) -> u64 {
        self.version
    }
    fn schema(&self) -> u32 {
        3
    }
    fn index(&self) -> Index {
        self.index.clone()
    }
    fn listed(&self) -> Result<String, serde_json::Error> {
        Ok(self.listed.clone())
    }
    fn state(&self) -> Result<StateText, serde_json::Error> {
        Ok(self.state.clone())
    }
}

pub(super) fn picture(version: u64) -> Picture {
    Picture {
        created_at: at(0),
        updated_at: at(i64::try_from(version).unwrap_or(0)),
        version,
        index: Index {
            status: "open",
            ..Index::default()
        },
        listed: format!("{{\"version\":{version}}}"),
        state: StateText::Listed,
    }
}

/// An append with so many events to an entity at a version.
pub(super) fn append(lease: Lease, entity: u128, base_version: u64, events: u64) -> Append {
    let event = |version: u64| NewEvent {
        name: "moved",
        schema: 2,
        data: format!("{{\"type\":\"moved\",\"to\":{version}}}"),
        personal: None,
    };
    let version = base_version + events;
    Append {
        lease,
        key: key(entity),
        tenant: TENANT,
        base_version,
        at: at(i64::try_from(version).unwrap_or(0)),
        principal: "usr_1".into(),
        request_id: "req_1".into(),
        cause: None,
        events: (base_version + 1..=version).map(event).collect(),
        snapshot: Arc::new(picture(version)),
        claim: Vec::new(),
        disclaim: Vec::new(),
        set_timers: Vec::new(),
        clear_timers: Vec::new(),
        request: None,
        refusal: None,
    }
}

impl Append {
    pub(super) fn of(mut self, tenant: Uuid) -> Self {
        self.tenant = tenant;
        self
    }

    pub(super) fn shown_as(mut self, change: impl FnOnce(&mut Picture)) -> Self {
        let mut shown = picture(self.base_version + self.events.len() as u64);
        change(&mut shown);
        self.snapshot = Arc::new(shown);
        self
    }

    pub(super) fn asked_as(mut self, key: &str) -> Self {
        self.request = Some(request(key));
        self
    }

    pub(super) fn refused_with(mut self, refusal: &str) -> Self {
        self.refusal = Some(refusal.into());
        self
    }

    pub(super) fn claiming(mut self, key: &str) -> Self {
        self.claim.push(claim(key));
        self
    }

    pub(super) fn marking(mut self, key: &str, version: u64) -> Self {
        let version = Some(version);
        self.claim.push(NewClaim {
            version,
            ..claim(key)
        });
        self
    }

    pub(super) fn giving_up(mut self, key: &str) -> Self {
        self.disclaim.push(claim(key));
        self
    }
}

pub(super) fn claim(key: &str) -> NewClaim {
    NewClaim {
        scope: ClaimScope::Tenant,
        key: key.into(),
        version: None,
    }
}

pub(super) fn request(key: &str) -> RequestKey {
    RequestKey {
        scope: "scope".into(),
        key: key.into(),
        body_hash: -7,
        is_client: true,
    }
}

/// Takes one shard over.
pub(super) async fn lease(journal: &dyn Journal, shard: u16) -> Result<Lease, Error> {
    let leases = journal
        .take_over(Uuid::from_u128(1), &[Shard(shard)])
        .await?;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].shard, Shard(shard));
    Ok(leases[0])
}

pub(super) async fn commit(
    journal: &dyn Journal,
    appends: impl IntoIterator<Item = Append>,
) -> Result<Vec<Outcome>, Error> {
    let appends = appends.into_iter().collect();
    let batch = Batch {
        appends,
        ..Batch::default()
    };
    journal.commit(&batch).await
}

/// Commits and expects every append to be committed.
pub(super) async fn settle(
    journal: &dyn Journal,
    appends: impl IntoIterator<Item = Append>,
) -> Result<(), Error> {
    let outcomes = commit(journal, appends).await?;
    let is_committed = |outcome: &Outcome| matches!(outcome, Outcome::Committed { .. });
    assert!(outcomes.iter().all(is_committed), "{outcomes:?}");
    Ok(())
}

pub(super) async fn load(journal: &dyn Journal, entity: u128) -> Result<Option<Document>, Error> {
    let mut found = journal.load(&[key(entity)]).await?;
    assert_eq!(found.len(), 1);
    Ok(found.remove(0))
}

pub(super) fn committed(first_seq: u64) -> Outcome {
    Outcome::Committed { first_seq }
}

/// What is known of a request.
pub(super) async fn known(
    journal: &dyn Journal,
    scope: &str,
    key: &str,
) -> Result<Option<RequestRow>, Error> {
    let mut found = journal.requests(&[(scope.into(), key.into())]).await?;
    assert_eq!(found.len(), 1);
    Ok(found.pop().flatten())
}
