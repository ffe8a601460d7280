//! Health: whoever cannot write is alive and not ready, and says why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::journal::Journal;
use engine::journal::memory::{Fault, Memory};
use gateway::app::{App, CONTEXTS};
use gateway::config::Config;
use serde_json::json;
use uuid::Uuid;

use crate::client::{Answer, Client};

/// Far longer than a doubt may last before it is told.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer has a status.
async fn ready_answers(client: &Client, status: u16) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.get("//health/ready").await;
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_doubt_that_cannot_be_settled_makes_not_ready_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem").display().to_string();
    let settings = [("QUENTY__AUTH__SIGNING_KEY_FILE".to_owned(), key)];
    let config = Config::load_with(None, settings).unwrap();
    let memories = CONTEXTS.map(|name| (name, Arc::new(Memory::new(8))));
    let journals = memories.clone();
    let journals = journals.map(|(name, memory)| (name, memory as Arc<dyn Journal>));
    let app = App::with_journals(config, journals.to_vec()).await.unwrap();
    let nobody = Uuid::nil();
    let token = app.tokens.issue(nobody, nobody, nobody).unwrap();
    let root = Client::new(app.router()).bearing(&token);
    let (context, customer) = &memories[0];
    ready_answers(&root, 200).await;

    customer.set_settleable(false);
    customer.fail_next_commit(Fault::InDoubt { committed: false });
    let doubtful = tokio::spawn({
        let root = root.clone();
        async move {
            root.post("/companies", &json!({"name": "Acme", "currency": "BRL"}))
                .await
        }
    });
    let answer = ready_answers(&root, 503)
        .await
        .shows("/code", "unavailable");
    let why = answer.text("detail");
    assert!(why.contains(context) && why.contains("in doubt"), "{why}");
    assert_eq!(root.get("//health/live").await.status, 200);
    customer.set_settleable(true);
    ready_answers(&root, 200).await;
    let doubtful = doubtful.await.unwrap().gives(503);
    doubtful.shows("/code", "outcome-unknown");
}
