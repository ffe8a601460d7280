//! Asks a journal in batches for what is wanted in crowds: documents after a restart or before a
//! sale, request keys whenever clients change something.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::envelope::EntityKey;
use crate::error::Error;
use crate::journal::{self, Document, Journal, RequestRow};

/// How many are looked up at a time.
const BATCH: usize = 200;
/// How many may wait.
const QUEUE: usize = 8_192;

/// The name of what can be looked up in batches.
#[async_trait]
pub(crate) trait Name: Sized + Send + Sync + 'static {
    type Found: Send + 'static;

    /// What is known under each name, in their order.
    async fn find(
        journal: &dyn Journal,
        names: &[Self],
    ) -> Result<Vec<Option<Self::Found>>, journal::Error>;
}

#[async_trait]
impl Name for EntityKey {
    type Found = Document;

    async fn find(
        journal: &dyn Journal,
        names: &[Self],
    ) -> Result<Vec<Option<Document>>, journal::Error> {
        journal.load(names).await
    }
}

/// The scope and the key of a request.
#[async_trait]
impl Name for (String, String) {
    type Found = RequestRow;

    async fn find(
        journal: &dyn Journal,
        names: &[Self],
    ) -> Result<Vec<Option<RequestRow>>, journal::Error> {
        journal.requests(names).await
    }
}

type Reply<N> = oneshot::Sender<Result<Option<<N as Name>::Found>, Error>>;

/// A handle to the look-ups of one sort in one context.
pub(crate) struct Lookups<N: Name> {
    queue: mpsc::Sender<(N, Reply<N>)>,
}

impl<N: Name> Lookups<N> {
    pub(crate) fn start(journal: Arc<dyn Journal>) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(journal, inbox));
        Self { queue }
    }

    /// What is known under a name.
    pub(crate) async fn find(&self, name: N) -> Result<Option<N::Found>, Error> {
        let (reply, found) = oneshot::channel();
        self.queue
            .try_send((name, reply))
            .map_err(|_| Error::Unavailable("too much is being looked up".into()))?;
        found
            .await
            .map_err(|_| Error::Unavailable("looking it up failed".into()))?
    }
}

async fn run<N: Name>(journal: Arc<dyn Journal>, mut inbox: mpsc::Receiver<(N, Reply<N>)>) {
    let mut wanted = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut wanted, BATCH).await > 0 {
        let (names, replies): (Vec<_>, Vec<_>) = wanted.drain(..).unzip();
        // A journal that panics must not end the look-ups: those who asked hear that it failed.
        let all = AssertUnwindSafe(find(&*journal, &names)).catch_unwind();
        for (reply, found) in replies.into_iter().zip(all.await.unwrap_or_default()) {
            let _ = reply.send(found);
        }
    }
}

/// Looks each up by itself where the journal cannot find all of them: one that is damaged never
/// harms its neighbours.
async fn find<N: Name>(journal: &dyn Journal, names: &[N]) -> Vec<Result<Option<N::Found>, Error>> {
    match N::find(journal, names).await {
        Ok(found) => found.into_iter().map(Ok).collect(),
        // None of them would fare better, and each might take as long.
        Err(journal::Error::Unavailable(why)) => {
            let away = |_| Err(Error::Unavailable(why.clone()));
            names.iter().map(away).collect()
        }
        Err(error) if names.len() == 1 => vec![Err(error.into())],
        Err(error) => {
            tracing::warn!(%error, "cannot look up together; looking each up by itself");
            let mut all = Vec::with_capacity(names.len());
            for name in names {
                let found = N::find(journal, std::slice::from_ref(name)).await;
                all.push(found.map(|mut it| it.pop().flatten()).map_err(Into::into));
            }
            all
        }
    }
}
