//! Live tracking over real connections: a server, and the clients that the tests drive.

mod connections;
mod topics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::journal::Journal;
use engine::journal::memory::Memory;
use futures::{SinkExt as _, StreamExt as _};
use gateway::app::{App, CONTEXTS};
use gateway::config::Config;
use gateway::server;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

/// How long anything may take; far more than it does.
const SOON: Duration = Duration::from_secs(10);

struct World {
    app: Arc<App>,
    address: SocketAddr,
    client: reqwest::Client,
    token: String,
    company: String,
    server: JoinHandle<()>,
    _folder: TempDir,
}

impl World {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem").display().to_string();
        let settings = settings
            .iter()
            .map(|(key, value)| (format!("QUENTY__{key}"), (*value).to_owned()))
            .chain([("QUENTY__AUTH__SIGNING_KEY_FILE".to_owned(), key)]);
        let config = Config::load_with(None, settings).unwrap();
        let journal = |name| (name, Arc::new(Memory::new(8)) as Arc<dyn Journal>);
        let journals = CONTEXTS.map(journal).to_vec();
        let app = App::with_journals(config, journals).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn({
            let (app, router) = (Arc::clone(&app), app.router());
            let shutdown = app.shutdown.clone();
            async move { server::run(listener, router, &app.config.gateway, shutdown).await }
        });
        // The operator's token: whoever has the signing key may do everything.
        let nobody = Uuid::nil();
        let mut world = Self {
            token: app.tokens.issue(nobody, nobody, nobody).unwrap(),
            app,
            address,
            client: reqwest::Client::new(),
            company: String::new(),
            server,
            _folder: folder,
        };
        let company = json!({"name": "Acme", "currency": "BRL"});
        let company = world.post("/companies", &company).await;
        world.company = company["id"].as_str().unwrap().to_owned();
        world
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.token);
        headers.insert("authorization", bearer.parse().unwrap());
        if !self.company.is_empty() {
            headers.insert("quenty-company", self.company.parse().unwrap());
        }
        headers
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(self.url(path)).headers(self.headers());
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(self.url(path)).headers(self.headers());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn shipment(&self) -> Value {
        let address = json!({"name": "Ana", "lines": ["Rua 1"], "city": "Recife", "country": "BR"});
        let new = json!({"parcels": [{"weight_g": 500}], "consignee": address});
        self.post("/shipments", &new).await
    }

    async fn scan(&self, shipment: &Value, numbers: std::ops::Range<u32>, words: &str) {
        let scan = |number: u32| {
            json!({
                "code": format!("S{number}"), "status": "in_transit", "description": words,
                "occurred_at": format!("2026-01-02T{:02}:{:02}:00Z", number / 60, number % 60),
            })
        };
        let events = json!({"events": numbers.map(scan).collect::<Vec<_>>()});
        let path = format!("/shipments/{}/events", shipment["id"].as_str().unwrap());
        self.post(&path, &events).await;
    }

    async fn socket(&self, path: &str) -> Result<Socket, Error> {
        Socket::open(self.address, path).await
    }

    /// A WebSocket that has said who it is.
    async fn signed_in(&self) -> Socket {
        let mut socket = self.socket("/live").await.unwrap();
        let auth = json!({"type": "auth", "token": self.token, "company": self.company});
        socket.say(&auth).await;
        socket
    }
}

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Result<Self, Error> {
        let (socket, _) = connect_async(format!("ws://{address}/api/v1{path}")).await?;
        Ok(Self(socket))
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        let text = message.to_string();
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, topic: &str, from: Option<&str>) -> Value {
        let message = json!({"type": "subscribe", "topic": topic, "from": from});
        self.say(&message).await;
        self.next().await
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => unreachable!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes, after whatever else it says.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
                Some(Ok(_)) => {}
                other => unreachable!("{other:?}"),
            }
        }
    }

    async fn frame(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(SOON, self.0.next()).await.unwrap()
    }
}

fn topic(shipment: &Value) -> String {
    format!("shipment:{}", shipment["id"].as_str().unwrap())
}

fn text<'a>(message: &'a Value, member: &str) -> &'a str {
    message[member].as_str().unwrap()
}

/// A stream of server-sent events.
struct Stream {
    response: reqwest::Response,
    text: String,
}

#[derive(Default, Debug)]
struct ServerSent {
    id: String,
    event: String,
    data: Value,
}

impl World {
    async fn stream(&self, topic: &str, last: Option<&str>) -> Stream {
        let url = self.url(&format!("/live/sse?topic={topic}"));
        let mut request = self.client.get(url).headers(self.headers());
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream {
            response,
            text: String::new(),
        }
    }
}

impl Stream {
    async fn next(&mut self) -> ServerSent {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return read(&event);
            }
            let chunk = tokio::time::timeout(SOON, self.response.chunk()).await;
            let chunk = chunk.unwrap().unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

fn read(event: &str) -> ServerSent {
    let mut read = ServerSent::default();
    for (field, value) in event.lines().filter_map(|line| line.split_once(": ")) {
        match field {
            "id" => read.id = value.to_owned(),
            "event" => read.event = value.to_owned(),
            "data" => read.data = serde_json::from_str(value).unwrap(),
            _ => {}
        }
    }
    read
}
