//! The suite that every journal passes.

use engine::journal::conformance;

use crate::make::{database, open, server, sqlite_url};

#[tokio::test]
async fn sqlite_conforms() {
    let folders = std::sync::Mutex::new(Vec::new());
    conformance::run(async || {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(&sqlite_url(&folder)).await;
        folders.lock().unwrap().push(folder);
        journal
    })
    .await;
}

#[tokio::test]
async fn postgres_conforms() {
    let Some(server) = server() else { return };
    conformance::run(async || open(&database(&server).await).await).await;
}
