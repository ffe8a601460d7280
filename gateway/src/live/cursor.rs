//! How far a company's feed was read: a position in every shard of every context, as opaque text.

use std::collections::btree_map::Entry;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::feed::Positions;
use engine::{Engine, Shard};
use uuid::Uuid;

use crate::app::CONTEXTS;

/// The form of the text; another one is refused, so that it can change.
const FORM: u8 = 1;

/// Positions in all shards of all contexts, in the order of [`CONTEXTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vector(pub [Positions; CONTEXTS.len()]);

impl Vector {
    /// Where the feeds end now.
    ///
    /// # Errors
    /// When a journal cannot be read.
    pub async fn heads(engine: &Engine) -> Result<Self, engine::Error> {
        let mut heads = Self::default();
        for (positions, context) in heads.0.iter_mut().zip(CONTEXTS) {
            *positions = engine.heads(context).await?;
        }
        Ok(heads)
    }

    /// Counts an event as read, and everything before it in its shard.
    pub fn advance(&mut self, context: usize, shard: Shard, seq: u64) {
        if let Some(positions) = self.0.get_mut(context) {
            raise(positions, shard, seq);
        }
    }

    /// Whether an event was read.
    #[must_use]
    pub fn includes(&self, context: usize, shard: Shard, seq: u64) -> bool {
        let position = self.0.get(context).and_then(|it| it.get(&shard));
        position.is_some_and(|position| *position >= seq)
    }

    /// Whether this is as far as the other in every shard.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut contexts = other.0.iter().enumerate();
        contexts.all(|(context, positions)| {
            let mut all = positions.iter();
            all.all(|(shard, seq)| *seq == 0 || self.includes(context, *shard, *seq))
        })
    }

    /// Goes as far as the other in every shard.
    pub fn join(&mut self, other: &Self) {
        for (mine, others) in self.0.iter_mut().zip(&other.0) {
            for (shard, seq) in others {
                raise(mine, *shard, *seq);
            }
        }
    }

    /// The text, good for this company only.
    #[must_use]
    pub fn encode(&self, tenant: Uuid) -> String {
        let mut bytes = vec![FORM];
        bytes.extend(tenant.as_bytes());
        for positions in &self.0 {
            write_positions(&mut bytes, positions);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text; `None` if it is not one of this company's.
    #[must_use]
    pub fn decode(tenant: Uuid, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut rest = bytes.strip_prefix(&[FORM])?;
        rest = rest.strip_prefix(tenant.as_bytes())?;
        let mut vector = Self::default();
        for positions in &mut vector.0 {
            *positions = read_positions(&mut rest)?;
        }
        rest.is_empty().then_some(vector)
    }
}

fn raise(positions: &mut Positions, shard: Shard, seq: u64) {
    match positions.entry(shard) {
        Entry::Occupied(mut position) => {
            let furthest = seq.max(*position.get());
            position.insert(furthest);
        }
        Entry::Vacant(position) => {
            position.insert(seq);
        }
    }
}

/// Writes the smallest position, then runs of neighbouring shards: how many shards come between,
/// how long the run is, and each position above the smallest. Shards grow alike, so that is one or
/// two bytes for each, also in a feed of millions.
fn write_positions(bytes: &mut Vec<u8>, positions: &Positions) {
    let least = positions.values().copied().min().unwrap_or(0);
    let runs = runs(positions);
    write_number(bytes, least);
    write_number(bytes, runs.len() as u64);
    let mut next = 0;
    for run in &runs {
        let first = run.first().map_or(next, |(shard, _)| u64::from(shard.0));
        write_number(bytes, first.saturating_sub(next));
        write_number(bytes, run.len() as u64);
        for (_, seq) in run {
            write_number(bytes, seq - least);
        }
        next = first + run.len() as u64;
    }
}

fn runs(positions: &Positions) -> Vec<Vec<(Shard, u64)>> {
    let mut runs: Vec<Vec<(Shard, u64)>> = Vec::new();
    for (&shard, &seq) in positions {
        match runs.last_mut() {
            Some(run) if run.last().map(|it| it.0.0.wrapping_add(1)) == Some(shard.0) => {
                run.push((shard, seq));
            }
            _ => runs.push(vec![(shard, seq)]),
        }
    }
    runs
}

/// Every step takes at least a byte of the text, so hostile text costs no more than its length.
fn read_positions(bytes: &mut &[u8]) -> Option<Positions> {
    let least = read_number(bytes)?;
    let mut positions = Positions::new();
    let mut shard = 0_u64;
    for _ in 0..read_number(bytes)? {
        shard = shard.checked_add(read_number(bytes)?)?;
        for _ in 0..read_number(bytes)? {
            let seq = least.checked_add(read_number(bytes)?)?;
            positions.insert(Shard(u16::try_from(shard).ok()?), seq);
            shard += 1;
        }
    }
    Some(positions)
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits
            .checked_shl(7 * place)
            .filter(|it| it >> (7 * place) == bits)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    const TENANT: Uuid = Uuid::from_u128(7);

    fn positions() -> impl Strategy<Value = Positions> {
        btree_map(any::<u16>().prop_map(Shard), any::<u64>(), 0..40)
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_for_its_company_alone(one in positions(), two in positions()) {
            let vector = Vector([one, Positions::new(), two]);
            let text = vector.encode(TENANT);
            prop_assert_eq!(Vector::decode(TENANT, &text), Some(vector));
            prop_assert_eq!(Vector::decode(Uuid::from_u128(8), &text), None);
        }

        #[test]
        fn hostile_bytes_are_refused_or_harmless(bytes: Vec<u8>) {
            let mut hostile = vec![FORM];
            hostile.extend(TENANT.as_bytes());
            hostile.extend(bytes);
            let _ = Vector::decode(TENANT, &URL_SAFE_NO_PAD.encode(hostile));
        }
    }

    #[test]
    fn a_cursor_stays_small_in_a_long_feed() {
        let busy = |_| (0..256).map(|shard| (Shard(shard), 5_000_000 + u64::from(shard) * 40));
        let vector = Vector([0, 1, 2].map(|context| busy(context).collect()));
        assert!(vector.encode(TENANT).len() < 2_200);
        let mut fresh = Vector::default();
        fresh.advance(1, Shard(200), 1);
        assert!(fresh.encode(TENANT).len() < 40);
    }

    #[test]
    fn one_vector_covers_another_in_every_shard_or_not_at_all() {
        let (mut one, mut two) = (Vector::default(), Vector::default());
        one.advance(0, Shard(1), 5);
        two.advance(2, Shard(1), 5);
        assert!(!one.covers(&two) && !two.covers(&one));
        two.join(&one);
        assert!(two.covers(&one) && !one.covers(&two));
        two.advance(0, Shard(1), 3);
        assert!(two.includes(0, Shard(1), 5) && !two.includes(0, Shard(1), 6));
    }
}
