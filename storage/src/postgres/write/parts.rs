//! What is bound to the parts of the statement that writes a plan, in the order of its parameters.

use engine::journal::plan::Plan;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{PgConnection, Postgres};

use crate::cells::{
    AnswerCells, CheckpointCells, ClaimCells, DocumentCells, EventCells, RequestCells, TimerCells,
    TimerKeyCells, cells,
};
use crate::error::Failure;
use crate::values::int;

use super::column;
use crate::postgres::commit::Leases;

type Statement<'q, O> = QueryAs<'q, Postgres, O, PgArguments>;

/// A lease as it was seen, and where its shard's feed ends afterwards.
struct LeaseCells {
    shard: i32,
    epoch: i64,
    seen_seq: i64,
    last_seq: i64,
}

impl LeaseCells {
    /// In the order of the shards, which is that in which everybody locks them.
    fn of(plan: &Plan<'_>, leases: &Leases) -> Vec<Self> {
        let mut all: Vec<_> = leases
            .iter()
            .map(|(shard, lease)| Self {
                shard: shard.0.into(),
                epoch: int(lease.epoch),
                seen_seq: int(lease.last_seq),
                last_seq: int(plan.heads.get(shard).copied().unwrap_or(lease.last_seq)),
            })
            .collect();
        all.sort_unstable_by_key(|it| it.shard);
        all
    }
}

/// A plan's rows, table by table.
pub(super) struct Parts<'a> {
    requests: Vec<RequestCells<'a>>,
    claimed: Vec<ClaimCells<'a>>,
    leases: Vec<LeaseCells>,
    events: Vec<EventCells<'a>>,
    documents: Vec<DocumentCells<'a>>,
    timers_cleared: Vec<TimerKeyCells<'a>>,
    timers_set: Vec<TimerCells<'a>>,
    answers: Vec<AnswerCells<'a>>,
    checkpoints: Vec<CheckpointCells<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(plan: &'a Plan<'a>, leases: &Leases) -> Self {
        Self {
            requests: cells(&plan.requests),
            claimed: cells(&plan.claimed),
            leases: LeaseCells::of(plan, leases),
            events: cells(&plan.events),
            documents: cells(&plan.documents),
            timers_cleared: cells(&plan.timers_cleared),
            timers_set: cells(&plan.timers_set),
            answers: cells(&plan.answers),
            checkpoints: cells(&plan.checkpoints),
        }
    }

    pub(super) fn bind<'q, O>(&'q self, statement: Statement<'q, O>) -> Statement<'q, O> {
        let statement = requests(statement, &self.requests);
        let statement = claims(statement, &self.claimed);
        let statement = advanced(statement, &self.leases);
        let statement = events(statement, &self.events);
        let statement = documents(statement, &self.documents);
        let statement = cleared_timers(statement, &self.timers_cleared);
        let statement = set_timers(statement, &self.timers_set);
        let statement = answers(statement, &self.answers);
        checkpoints(statement, &self.checkpoints)
    }
}

fn requests<'q, O>(statement: Statement<'q, O>, rows: &'q [RequestCells<'q>]) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.scope))
        .bind(column(rows, |row| row.key))
        .bind(column(rows, |row| row.body_hash))
        .bind(column(rows, |row| row.is_client))
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.refusal))
        .bind(column(rows, |row| row.at))
}

fn claims<'q, O>(statement: Statement<'q, O>, rows: &'q [ClaimCells<'q>]) -> Statement<'q, O> {
    held(statement, rows).bind(column(rows, |row| row.version))
}

/// Claims with their holders.
fn held<'q, O>(statement: Statement<'q, O>, rows: &'q [ClaimCells<'q>]) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.claim.kind))
        .bind(column(rows, |row| row.claim.is_installation))
        .bind(column(rows, |row| row.claim.tenant))
        .bind(column(rows, |row| row.claim.key))
        .bind(column(rows, |row| row.holder))
}

fn advanced<'q, O>(statement: Statement<'q, O>, rows: &'q [LeaseCells]) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.shard))
        .bind(column(rows, |row| row.epoch))
        .bind(column(rows, |row| row.seen_seq))
        .bind(column(rows, |row| row.last_seq))
}

fn events<'q, O>(statement: Statement<'q, O>, rows: &'q [EventCells<'q>]) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.shard))
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.at))
        .bind(column(rows, |row| row.name))
        .bind(column(rows, |row| row.schema))
        .bind(column(rows, |row| row.data))
        .bind(column(rows, |row| row.personal))
        .bind(column(rows, |row| row.principal))
        .bind(column(rows, |row| row.request_id))
        .bind(column(rows, |row| row.cause))
        .bind(column(rows, |row| row.checksum))
        .bind(column(rows, |row| row.personal_checksum))
}

fn documents<'q, O>(
    statement: Statement<'q, O>,
    rows: &'q [DocumentCells<'q>],
) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.id))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.base_version))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.schema))
        .bind(column(rows, |row| row.created_at))
        .bind(column(rows, |row| row.updated_at))
        .bind(column(rows, |row| row.reference))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.parent))
        .bind(column(rows, |row| row.site))
        .bind(column(rows, |row| row.flagged))
        .bind(column(rows, |row| row.text))
        .bind(column(rows, |row| row.listed))
        .bind(column(rows, |row| row.listed_checksum))
        .bind(column(rows, |row| row.state_version))
        .bind(column(rows, |row| row.state))
        .bind(column(rows, |row| row.state_checksum))
}

fn cleared_timers<'q, O>(
    statement: Statement<'q, O>,
    rows: &'q [TimerKeyCells<'q>],
) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.name))
}

fn set_timers<'q, O>(statement: Statement<'q, O>, rows: &'q [TimerCells<'q>]) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.kind))
        .bind(column(rows, |row| row.entity))
        .bind(column(rows, |row| row.tenant))
        .bind(column(rows, |row| row.name))
        .bind(column(rows, |row| row.at))
}

fn answers<'q, O>(statement: Statement<'q, O>, rows: &'q [AnswerCells<'q>]) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.scope))
        .bind(column(rows, |row| row.key))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.headers))
        .bind(column(rows, |row| row.body))
}

fn checkpoints<'q, O>(
    statement: Statement<'q, O>,
    rows: &'q [CheckpointCells<'q>],
) -> Statement<'q, O> {
    statement
        .bind(column(rows, |row| row.subscriber))
        .bind(column(rows, |row| row.shard))
        .bind(column(rows, |row| row.seq))
}

/// Gives claims up, before others take them.
pub(super) async fn release_claims(
    connection: &mut PgConnection,
    rows: &[ClaimCells<'_>],
) -> Result<(), Failure> {
    let statement = sqlx::query_as::<_, ()>(
        "DELETE FROM claims c USING unnest($1::text[], $2::boolean[], $3::uuid[], $4::text[], \
         $5::uuid[]) AS n(kind, is_installation, tenant, key, holder) \
         WHERE c.kind = n.kind AND c.is_installation = n.is_installation \
         AND c.tenant = n.tenant AND c.key = n.key AND c.holder = n.holder",
    );
    held(statement, rows).fetch_all(connection).await?;
    Ok(())
}
