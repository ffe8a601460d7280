//! How a batch is committed, the same on every database.

use std::collections::HashMap;

use engine::Shard;
use engine::journal::plan::{self, ClaimKey, Known, LeaseRow, Plan};
use engine::journal::{Batch, Error, Outcome, RequestRow};
use uuid::Uuid;

/// How often a batch is planned anew because somebody else took a key of it in between.
const ATTEMPTS: u32 = 5;

/// The connection that writes.
pub(crate) trait Writer: Send {
    /// Begins a transaction.
    fn begin(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Locks the leases of shards, in their order, and reads them.
    fn leases(
        &mut self,
        shards: &[Shard],
    ) -> impl Future<Output = Result<HashMap<Shard, LeaseRow>, Error>> + Send;

    /// The request keys of a batch that are there.
    fn requests(
        &mut self,
        batch: &Batch,
    ) -> impl Future<Output = Result<HashMap<(String, String), RequestRow>, Error>> + Send;

    /// The claims of a batch that are held.
    fn claims(
        &mut self,
        batch: &Batch,
    ) -> impl Future<Output = Result<HashMap<ClaimKey, Uuid>, Error>> + Send;

    /// Writes a plan; false if a request key or a claim that it takes was there.
    fn write(&mut self, plan: &Plan<'_>) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Commits.
    fn commit(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives up what was written since the beginning.
    fn rollback(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Commits a batch in one transaction.
///
/// Request keys are new nearly always, and claims free, so they are not looked up: an insert that
/// finds one there has the batch planned anew with what is there.
pub(crate) async fn commit(writer: &mut impl Writer, batch: &Batch) -> Result<Vec<Outcome>, Error> {
    let shards = plan::shards(batch);
    for attempt in 0..ATTEMPTS {
        writer.begin().await?;
        let mut known = Known {
            leases: writer.leases(&shards).await?,
            ..Known::default()
        };
        if attempt > 0 || plan::must_look_up(batch) {
            known.requests = writer.requests(batch).await?;
            known.claims = writer.claims(batch).await?;
        }
        let plan = Plan::of(batch, &known)?;
        if writer.write(&plan).await? {
            writer.commit().await?;
            return Ok(plan.outcomes);
        }
        writer.rollback().await?;
    }
    Err(Error::Unavailable(
        "keys of a batch keep being taken".into(),
    ))
}

/// Refuses a plan of which not every document, or event, was written.
pub(crate) fn all_written(what: &str, written: u64, planned: usize) -> Result<(), Error> {
    if written == planned as u64 {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{written} of {planned} {what} were at the version that was decided on"
    )))
}
