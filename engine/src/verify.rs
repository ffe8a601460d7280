//! Checks that a journal holds together: feeds and entities without gaps, documents and claims that
//! are what the events say. It only reads, and may do so while others write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use serde_json::Value;
use uuid::Uuid;

use crate::decision;
use crate::entity::{ClaimScope, Entity, Versioned};
use crate::envelope::{EntityKey, Recorded, Shard};
use crate::error::Error;
use crate::feed::{Positions, Stretch, stretch};
use crate::journal::{ClaimHolder, Document, Journal, Query};
use crate::loader;

/// Events, or documents, read at a time.
const PAGE: u32 = 500;
/// Entities looked at side by side: most of the time goes into waiting for the database.
const AT_ONCE: usize = 16;

/// What was found in one context.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Events in its feeds.
    pub events: u64,
    /// Entities that have events.
    pub entities: u64,
    /// What is wrong, each in words for an operator.
    pub faults: Vec<String>,
}

/// The versions that entities have come to, by kind.
type Versions = BTreeMap<String, BTreeMap<Uuid, u64>>;

/// Checks entities of one kind.
#[async_trait]
pub(crate) trait Check: Send + Sync {
    /// [`Entity::KIND`].
    fn kind(&self) -> &'static str;

    /// Compares what is stored of an entity with what its events say; `seen` is the version that
    /// the feed has shown.
    async fn check(
        &self,
        journal: &dyn Journal,
        id: Uuid,
        seen: u64,
        document: Option<Document>,
    ) -> Result<(), String>;
}

/// [`Check`] of the entities `E`.
pub(crate) struct Of<E>(pub(crate) std::marker::PhantomData<fn() -> E>);

/// Checks a context with the kinds that may be in it.
pub(crate) async fn context(
    journal: &dyn Journal,
    checks: &HashMap<&'static str, Arc<dyn Check>>,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let heads: Positions = journal.heads().await?.into_iter().collect();
    let mut seen = HashSet::new();
    for shard in (0..journal.shards()).map(Shard) {
        let head = heads.get(&shard).copied().unwrap_or(0);
        let versions = walk(journal, shard, head, &mut findings).await;
        for (kind, entities) in versions {
            findings.entities += entities.len() as u64;
            seen.extend(entities.keys().copied());
            match checks.get(&*kind) {
                Some(check) => entities_of(journal, check.as_ref(), entities, &mut findings).await,
                None => findings
                    .faults
                    .push(format!("{kind:?} is no kind of entity")),
            }
        }
    }
    for kind in checks.keys() {
        strays(journal, kind, &seen, &mut findings).await;
    }
    Ok(findings)
}

/// Looks at documents of which the feeds have shown no event: it was recorded meanwhile, or is
/// damaged, or the document is of something else.
async fn strays(
    journal: &dyn Journal,
    kind: &'static str,
    seen: &HashSet<Uuid>,
    findings: &mut Findings,
) {
    let mut query = Query::everything(kind, None, PAGE);
    loop {
        let page = match journal.list(&query).await {
            Ok(page) => page,
            Err(error) => {
                let fault = format!("documents of {kind}: {error}");
                return findings.faults.push(fault);
            }
        };
        for document in page.iter().filter(|it| !seen.contains(&it.id)) {
            let id = document.id;
            let why = match journal.history(EntityKey { kind, id }, 0, 1).await {
                Ok(events) if !events.is_empty() => continue,
                Ok(_) => "it has a document and no event".to_owned(),
                Err(error) => error.to_string(),
            };
            findings.faults.push(format!("{kind} {id}: {why}"));
        }
        let last = page.last().filter(|_| page.len() == PAGE as usize);
        let Some(last) = last else { return };
        query.after = Some((last.created_at, last.id));
    }
}

/// Goes through a shard's feed, at least to its head as it was at the beginning.
async fn walk(journal: &dyn Journal, shard: Shard, head: u64, findings: &mut Findings) -> Versions {
    let mut versions = Versions::new();
    let mut last = 0;
    loop {
        let page = match stretch(journal, shard, last, PAGE).await {
            Ok(Stretch::Events(page)) => page,
            Ok(Stretch::Damaged(damaged)) => {
                findings.faults.push(format!("damaged: {}", damaged.what));
                last = damaged.seq;
                continue;
            }
            Err(error) => {
                let fault = format!("the feed of shard {} after {last}: {error}", shard.0);
                findings.faults.push(fault);
                return versions;
            }
        };
        for event in &page {
            findings.faults.extend(follows(event, last, &mut versions));
            findings.events += 1;
            last = event.seq;
        }
        if page.is_empty() {
            break;
        }
    }
    if last < head {
        let (shard, next) = (shard.0, last + 1);
        let fault = format!(
            "the feed of shard {shard} ends at {last} and not at {head}: there is no event at \
             {shard}/{next}"
        );
        findings.faults.push(fault);
    }
    versions
}

/// What is wrong with an event that comes after a position, given the versions before it.
fn follows(event: &Recorded, last: u64, versions: &mut Versions) -> Option<String> {
    let of_kind = versions.entry(event.kind.to_string()).or_default();
    let version = of_kind.entry(event.entity).or_default();
    let (wanted_seq, wanted_version) = (last + 1, *version + 1);
    *version = event.version;
    let is_next = (event.seq, event.version) == (wanted_seq, wanted_version);
    (!is_next).then(|| {
        format!(
            "event {} of {} {} is at {}, version {}, where {wanted_seq}, version \
             {wanted_version} is due",
            event.name, event.kind, event.entity, event.seq, event.version
        )
    })
}

async fn entities_of(
    journal: &dyn Journal,
    check: &dyn Check,
    entities: BTreeMap<Uuid, u64>,
    findings: &mut Findings,
) {
    let entities: Vec<_> = entities.into_iter().collect();
    for entities in entities.chunks(PAGE as usize) {
        let kind = check.kind();
        let keys: Vec<_> = entities
            .iter()
            .map(|&(id, _)| EntityKey { kind, id })
            .collect();
        let documents = match journal.load(&keys).await {
            Ok(documents) => documents,
            Err(error) => {
                return findings
                    .faults
                    .push(format!("documents of {kind}: {error}"));
            }
        };
        let checks = entities
            .iter()
            .zip(documents)
            .map(async |(&(id, seen), document)| {
                let checked = check.check(journal, id, seen, document).await;
                checked.map_err(|fault| format!("{kind} {id}: {fault}"))
            });
        let mut checks = stream::iter(checks).buffered(AT_ONCE);
        while let Some(checked) = checks.next().await {
            findings.faults.extend(checked.err());
        }
    }
}

#[async_trait]
impl<E: Entity> Check for Of<E> {
    fn kind(&self) -> &'static str {
        E::KIND
    }

    async fn check(
        &self,
        journal: &dyn Journal,
        id: Uuid,
        seen: u64,
        document: Option<Document>,
    ) -> Result<(), String> {
        let Some(document) = document else {
            return self.is_spent(journal, id).await;
        };
        if document.version < seen {
            return Err(format!(
                "its document is of version {} and its last event of {seen}",
                document.version
            ));
        }
        let entity = replay::<E>(journal, id, document.version).await?;
        if let Some((version, text)) = document.state.as_ref()
            && document.schema == E::SCHEMA
        {
            same(
                "state",
                &replay::<E>(journal, id, *version).await?.state,
                text,
            )?;
        }
        listed(&entity, &document)?;
        claims(journal, &entity).await
    }
}

impl<E: Entity> Of<E> {
    /// Documents of entities that nobody needs any more are forgotten.
    async fn is_spent(&self, journal: &dyn Journal, id: Uuid) -> Result<(), String> {
        let entity = replay::<E>(journal, id, u64::MAX).await?;
        let status = entity.state.index().status;
        let is_spent = E::SPENT.contains(&status);
        is_spent
            .then_some(())
            .ok_or_else(|| format!("it has no document, and its status is {status}"))
    }
}

async fn replay<E: Entity>(
    journal: &dyn Journal,
    id: Uuid,
    version: u64,
) -> Result<Versioned<E>, String> {
    let is_early = |_: &_, event: &Recorded| event.version <= version;
    let entity = loader::replay::<E>(journal, loader::absent(id), is_early).await;
    let entity = entity.map_err(|error| error.to_string())?;
    let is_whole = version == u64::MAX || entity.version == version;
    is_whole
        .then_some(())
        .ok_or_else(|| format!("it has events up to {} and not {version}", entity.version))?;
    Ok(entity)
}

fn listed<E: Entity>(entity: &Versioned<E>, document: &Document) -> Result<(), String> {
    let text = document
        .listed
        .as_deref()
        .ok_or("its document is damaged")?;
    let present = (document.tenant, document.created_at, document.updated_at);
    let wanted = (entity.tenant, entity.created_at, entity.updated_at);
    if present != wanted {
        return Err(format!(
            "its document says {present:?} and its events {wanted:?}"
        ));
    }
    if document.schema != E::SCHEMA {
        return Ok(());
    }
    let snapshot = decision::snapshot(Arc::new(entity.clone()), None);
    let wanted = snapshot.listed().map_err(|error| error.to_string())?;
    let wanted: Value = serde_json::from_str(&wanted).map_err(|error| error.to_string())?;
    same("document", &wanted, text)
}

fn same(what: &str, wanted: &impl serde::Serialize, text: &str) -> Result<(), String> {
    let wanted = serde_json::to_value(wanted).map_err(|error| error.to_string())?;
    let present: Value =
        serde_json::from_str(text).map_err(|error| format!("its {what} is unreadable: {error}"))?;
    (present == wanted)
        .then_some(())
        .ok_or_else(|| format!("its {what} is {present} and its events say {wanted}"))
}

async fn claims<E: Entity>(journal: &dyn Journal, entity: &Versioned<E>) -> Result<(), String> {
    for claim in entity.state.claims() {
        let scope = match claim.scope {
            ClaimScope::Tenant => ClaimHolder::Tenant(entity.tenant),
            ClaimScope::Installation => ClaimHolder::Installation,
        };
        let holder = journal.claimant(E::KIND, scope, &claim.key).await;
        let holder = holder.map_err(|error| error.to_string())?;
        let holder = holder.map(|it| it.entity);
        if holder != Some(entity.id) {
            return Err(format!("its claim {:?} is held by {holder:?}", claim.key));
        }
    }
    Ok(())
}
