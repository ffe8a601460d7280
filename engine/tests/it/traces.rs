//! Traces: one from a request through the mailbox to its commit, and batches linked to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id};
use tracing::{Instrument, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::counter::Ask;
use crate::world::{World, done, id};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Spans>>);

#[derive(Default)]
struct Spans {
    /// Name and parent of every span.
    spans: HashMap<u64, (&'static str, Option<u64>)>,
    /// Which span follows from which.
    links: Vec<(u64, u64)>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|it| it.id().into_u64());
        let name = attributes.metadata().name();
        self.0
            .lock()
            .unwrap()
            .spans
            .insert(id.into_u64(), (name, parent));
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, _: Context<'_, S>) {
        let link = (span.into_u64(), follows.into_u64());
        self.0.lock().unwrap().links.push(link);
    }
}

/// Says in a process of its own that the test is to be run there.
const ALONE: &str = "QUENTY_TEST_ALONE";

/// Whether anybody wants a span is known once for the whole process, and other tests run beside this
/// one without a subscriber: so it has a process of its own.
#[test]
fn a_request_is_followed_to_its_commit_and_the_batch_is_linked() {
    if std::env::var_os(ALONE).is_some() {
        return follow();
    }
    let name = "traces::a_request_is_followed_to_its_commit_and_the_batch_is_linked";
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(ALONE, "1")
        .output();
    let printed = String::from_utf8(run.unwrap().stdout).unwrap();
    assert!(printed.contains("1 passed; 0 failed"), "{printed}");
}

#[tokio::main(flavor = "current_thread")]
async fn follow() {
    let seen = Seen::default();
    // Ids are used again once a span has closed; the request's is held until the end.
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    let world = World::new().await;
    let request = tracing::info_span!("request");
    let answer = world
        .ask(id(), Ask::Add(1))
        .instrument(request.clone())
        .await;
    done(answer);
    let Spans { spans, links } = &*seen.0.lock().unwrap();
    let named = |name: &str| spans.iter().find(|(_, it)| it.0 == name).unwrap();
    let (mailbox, (_, mailbox_parent)) = named("mailbox");
    assert_eq!(*mailbox_parent, request.id().map(|it| it.into_u64()));
    let (commit, (_, commit_parent)) = named("commit");
    assert_eq!(*commit_parent, Some(*mailbox));
    let (batch, (_, batch_parent)) = named("batch");
    assert_eq!(*batch_parent, None);
    assert!(links.contains(&(*batch, *commit)));
}
