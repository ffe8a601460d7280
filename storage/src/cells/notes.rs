//! The columns of what a plan says beside events and documents.

use engine::EntityKey;
use engine::journal::plan::TimerPlan;
use engine::journal::{Checkpoint, NewAnswer, Parked, place};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::values::{int, ms};

/// Names a timer.
#[derive(Serialize)]
pub(crate) struct TimerKeyCells<'a> {
    pub(crate) kind: &'static str,
    pub(crate) entity: Uuid,
    pub(crate) name: &'a str,
}

impl<'a> From<&(EntityKey, &'a str)> for TimerKeyCells<'a> {
    fn from((key, name): &(EntityKey, &'a str)) -> Self {
        Self {
            kind: key.kind,
            entity: key.id,
            name,
        }
    }
}

/// A row of `timers`.
#[derive(Serialize)]
pub(crate) struct TimerCells<'a> {
    pub(crate) kind: &'static str,
    pub(crate) entity: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) name: &'a str,
    pub(crate) at: i64,
}

impl<'a> From<&TimerPlan<'a>> for TimerCells<'a> {
    fn from(plan: &TimerPlan<'a>) -> Self {
        Self {
            kind: plan.key.kind,
            entity: plan.key.id,
            tenant: plan.tenant,
            name: plan.name,
            at: ms(plan.at),
        }
    }
}

/// The answer columns of `requests`.
#[derive(Serialize)]
pub(crate) struct AnswerCells<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
    pub(crate) status: i32,
    pub(crate) headers: &'a str,
    #[serde(serialize_with = "hexadecimal")]
    pub(crate) body: &'a [u8],
}

impl<'a> From<&&'a NewAnswer> for AnswerCells<'a> {
    fn from(answer: &&'a NewAnswer) -> Self {
        Self {
            scope: &answer.scope,
            key: &answer.key,
            status: answer.answer.status.into(),
            headers: &answer.answer.headers,
            body: &answer.answer.body,
        }
    }
}

/// A row of `checkpoints`.
#[derive(Serialize)]
pub(crate) struct CheckpointCells<'a> {
    pub(crate) subscriber: &'a str,
    pub(crate) shard: i32,
    pub(crate) seq: i64,
}

impl<'a> From<&&'a Checkpoint> for CheckpointCells<'a> {
    fn from(point: &&'a Checkpoint) -> Self {
        Self {
            subscriber: &point.subscriber,
            shard: point.lease.shard.0.into(),
            seq: int(point.seq),
        }
    }
}

/// A row of `parked`, and what must be recorded where it says.
#[derive(Serialize)]
pub(crate) struct ParkedCells<'a> {
    pub(crate) subscriber: &'a str,
    pub(crate) event: &'a str,
    pub(crate) shard: i32,
    pub(crate) seq: i64,
    /// Null where the event could not be read, and so nothing need be there.
    pub(crate) entity: Option<Uuid>,
    pub(crate) version: Option<i64>,
    pub(crate) reason: &'a str,
    pub(crate) attempts: i64,
    pub(crate) at: i64,
}

impl<'a> From<&&'a Parked> for ParkedCells<'a> {
    fn from(parked: &&'a Parked) -> Self {
        let (shard, seq) = place(&parked.event);
        let event = parked.event.as_ref().ok();
        Self {
            subscriber: &parked.subscriber,
            event: &parked.id,
            shard: shard.0.into(),
            seq: int(seq),
            entity: event.map(|it| it.entity),
            version: event.map(|it| int(it.version)),
            reason: &parked.reason,
            attempts: parked.attempts.into(),
            at: ms(parked.at),
        }
    }
}

/// Names a parked event.
#[derive(Serialize)]
pub(crate) struct UnparkCells<'a> {
    pub(crate) subscriber: &'a str,
    pub(crate) event: &'a str,
}

impl<'a> From<&(&'a str, &'a str)> for UnparkCells<'a> {
    fn from((subscriber, event): &(&'a str, &'a str)) -> Self {
        Self { subscriber, event }
    }
}

/// JSON holds no bytes.
fn hexadecimal<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    let text: String = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect();
    serializer.serialize_str(&text)
}
