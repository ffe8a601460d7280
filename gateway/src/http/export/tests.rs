//! Exports that break off: whoever reads one can tell, and nobody writes what is not read.

use std::time::Duration;

use actors::customer::{Command, Customer};
use axum::Router;
use axum::routing::get;
use engine::journal::memory::Memory;
use engine::{Meta, Reply};
use http_body_util::BodyExt as _;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::Config;
use crate::server;

const TENANT: Uuid = Uuid::from_u128(0xC0);
/// How long anything may take; far more than it does.
const SOON: Duration = Duration::from_secs(20);

/// More than a client's lines ready at once, so that a writer has to wait.
const CUSTOMERS: usize = READY + 50;

struct World {
    app: Arc<App>,
    journals: Vec<Arc<Memory>>,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem").display().to_string();
        let settings = [("QUENTY__AUTH__SIGNING_KEY_FILE".to_owned(), key)];
        let journals = CONTEXTS.map(|_| Arc::new(Memory::new(4)));
        let ports = CONTEXTS.iter().zip(&journals);
        let ports = ports.map(|(name, it)| (*name, Arc::clone(it) as Arc<_>));
        let config = Config::load_with(None, settings).unwrap();
        let app = App::with_journals(config, ports.collect()).await.unwrap();
        let customers = app.engine.entities::<Customer>().unwrap();
        let details = json!({"type": "business", "name": "Acme"});
        for _ in 0..CUSTOMERS {
            let create = json!({"type": "create", "details": details});
            let create: Command = serde_json::from_value(create).unwrap();
            let meta = Meta::new(TENANT, "usr_test", "request", SOON);
            let reply = customers.send(Uuid::now_v7().into(), create, meta).await;
            assert!(matches!(reply.unwrap(), Reply::Done(_)));
        }
        Self {
            app,
            journals: journals.into(),
            _folder: folder,
        }
    }

    fn cut_off(&self) {
        self.journals.iter().for_each(|it| it.set_available(false));
    }
}

/// What comes until the end of a body, and whether that is a proper one.
async fn rest(mut body: Body) -> (String, bool) {
    let mut text = String::new();
    loop {
        let frame = tokio::time::timeout(SOON, body.frame()).await.unwrap();
        match frame {
            Some(Ok(frame)) => text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
            Some(Err(_)) => return (text, false),
            None => return (text, true),
        }
    }
}

#[tokio::test]
async fn a_whole_export_says_so_in_its_last_line() {
    let world = World::new().await;
    let (text, is_proper) = rest(body(Arc::clone(&world.app), TENANT)).await;
    assert!(is_proper && text.ends_with(END));
    // Each customer, each one's event, and the end.
    assert_eq!(text.lines().count(), 2 * CUSTOMERS + 1);
}

#[tokio::test]
async fn an_export_that_fails_half_way_has_no_end() {
    let world = World::new().await;
    let mut body = body(Arc::clone(&world.app), TENANT);
    let first = body.frame().await.unwrap().unwrap();
    assert!(first.into_data().unwrap().ends_with(b"}\n"));
    world.cut_off();
    let (text, is_proper) = rest(body).await;
    assert!(!is_proper && !text.contains(END));
    // What was read before is there.
    assert!(text.lines().count() >= READY, "{}", text.lines().count());
}

#[tokio::test]
async fn nobody_goes_on_writing_when_the_client_has_left() {
    let world = World::new().await;
    let before = Arc::strong_count(&world.app);
    let mut body = body(Arc::clone(&world.app), TENANT);
    body.frame().await.unwrap().unwrap();
    assert!(Arc::strong_count(&world.app) > before);
    drop(body);
    let gone = async {
        while Arc::strong_count(&world.app) > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
}

/// On the wire a broken body must not look like a short one.
#[tokio::test]
async fn a_broken_body_has_no_last_chunk() {
    for is_broken in [false, true] {
        let handler = move || async move {
            let (lines, ready) = mpsc::channel(2);
            lines.send(Ok(Bytes::from_static(b"{}\n"))).await.unwrap();
            if is_broken {
                lines.send(Err(io::Error::other("broken"))).await.unwrap();
            }
            Body::from_stream(stream(ready))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(handler));
        let config = Config::load_with(None, []).unwrap().gateway;
        let stop = CancellationToken::new();
        let ended = stop.clone();
        let server =
            tokio::spawn(async move { server::run(listener, router, &config, ended).await });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        let read = tokio::time::timeout(SOON, read).await.unwrap();
        let is_whole = read.is_ok() && text.ends_with(b"\r\n0\r\n\r\n");
        assert_eq!(is_whole, !is_broken, "{}", String::from_utf8_lossy(&text));
        stop.cancel();
        server.await.unwrap();
    }
}
