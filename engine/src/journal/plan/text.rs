//! What text may be stored, and how text is compared without case.

use crate::journal::{Append, Batch, Error, NewAnswer, Parked, StateText};

use super::DocumentPlan;

const SCOPE_BYTES_MAX: usize = 255;
const KEY_BYTES_MAX: usize = 300;

/// Whether every journal can store a text: Postgres cannot store NUL, so nobody does.
#[must_use]
pub fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// The form in which text is compared without case, the same on every database.
///
/// Character by character, unlike [`str::to_lowercase`], so that a part of a text folds to a part
/// of the folded text.
#[must_use]
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Refuses a batch that not every journal could store alike.
pub(super) fn check(batch: &Batch) -> Result<(), Error> {
    for append in &batch.appends {
        check_append(append)?;
    }
    for answer in &batch.answers {
        let NewAnswer { scope, key, answer } = answer;
        check_texts("answer", [scope, key, &answer.headers])?;
    }
    for point in &batch.checkpoints {
        check_texts("checkpoint", [&point.subscriber])?;
    }
    for parked in &batch.parks {
        let Parked {
            subscriber,
            id,
            reason,
            ..
        } = parked;
        check_texts("parked event", [subscriber, id, reason])?;
    }
    for (subscriber, event) in &batch.unparks {
        check_texts("parked event", [subscriber, event])?;
    }
    Ok(())
}

/// Refuses a document that not every journal could store alike.
pub(super) fn check_document(document: &DocumentPlan) -> Result<(), Error> {
    let index = &document.index;
    let state = match &document.state {
        StateText::Full(state) => Some(state),
        StateText::Listed | StateText::Kept => None,
    };
    let texts = [&document.listed, &index.text];
    let optional = [index.reference.as_ref(), state];
    let all = texts.into_iter().chain(optional.into_iter().flatten());
    check_texts("document", all)
}

fn check_append(append: &Append) -> Result<(), Error> {
    check_texts(
        "append",
        [&*append.principal, &*append.request_id]
            .into_iter()
            .chain(append.cause.as_deref())
            .chain(append.refusal.as_deref()),
    )?;
    for event in &append.events {
        let personal = event.personal.as_deref();
        check_texts("event", [&*event.data].into_iter().chain(personal))?;
    }
    let claims = append.claim.iter().chain(&append.disclaim);
    check_texts("claim", claims.map(|claim| &claim.key))?;
    let set = append.set_timers.iter().map(|(name, _)| name);
    check_texts("timer", set.chain(&append.clear_timers))?;
    let Some(request) = &append.request else {
        return Ok(());
    };
    check_texts("request key", [&request.scope, &request.key])?;
    if request.scope.len() > SCOPE_BYTES_MAX || request.key.len() > KEY_BYTES_MAX {
        return Err(Error::Refused("a request key is too long".into()));
    }
    Ok(())
}

fn check_texts<T: AsRef<str>>(what: &str, texts: impl IntoIterator<Item = T>) -> Result<(), Error> {
    if texts.into_iter().all(|text| is_storable(text.as_ref())) {
        Ok(())
    } else {
        Err(Error::Refused(format!("a NUL character in the {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_folds_to_a_part() {
        // A final sigma has a form of its own in whole words only.
        assert!(fold("ΟΔΟΣ 7").contains(&fold("οδοΣ")));
        assert!(fold("ΟΔΟΣΑ").contains(&fold("ΟΔΟΣ")));
        assert_eq!(fold("Ärger % _"), "ärger % _");
    }
}
