//! Live tracking over real connections: WebSocket, server-sent events, the public's view.

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
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
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
        let url = format!("ws://{}/api/v1{path}", self.address);
        let (socket, _) = connect_async(url).await?;
        Ok(Socket(socket))
    }

    /// A WebSocket that has said who it is.
    async fn signed_in(&self) -> Socket {
        let mut socket = self.socket("/live").await.unwrap();
        let auth = json!({"type": "auth", "token": self.token, "company": self.company});
        socket.say(&auth).await;
        socket
    }
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn say(&mut self, message: &Value) {
        let text = message.to_string();
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    async fn subscribe(&mut self, topic: &str, from: Option<&str>) -> Value {
        let message = json!({"type": "subscribe", "topic": topic, "from": from});
        self.say(&message).await;
        self.next().await
    }

    async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => unreachable!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes, after whatever else it says.
    async fn close_code(&mut self) -> u16 {
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

#[tokio::test]
async fn a_websocket_watches_topics_and_resumes_them() {
    let world = World::new(&[]).await;
    let shipment = world.shipment().await;
    let topic = topic(&shipment);
    let mut socket = world.signed_in().await;
    let hello = socket.subscribe(&topic, None).await;
    assert_eq!(hello["type"], "subscribed");
    assert_eq!(
        (&hello["topic"], &hello["cursor"]),
        (&json!(topic), &json!("1"))
    );
    assert_eq!(hello["snapshot"], shipment);
    let company = socket.subscribe("company", None).await;
    assert_eq!(company["snapshot"], Value::Null);
    world.scan(&shipment, 0..2, "left").await;
    let (mut of_shipment, mut of_company) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let message = socket.next().await;
        let topic = text(&message, "topic").to_owned();
        let events = if topic == "company" {
            &mut of_company
        } else {
            &mut of_shipment
        };
        events.push(message["event"].clone());
    }
    assert_eq!(of_shipment, of_company);
    assert_eq!(of_shipment[0]["type"], "shipment.scan_recorded");
    assert_eq!(of_shipment[0]["data"]["personal"]["description"], "left");
    assert_eq!(
        (&of_shipment[0]["version"], &of_shipment[1]["version"]),
        (&json!(2), &json!(3))
    );
    let history = format!(
        "/shipments/{}/history?after_version=1",
        text(&shipment, "id")
    );
    assert_eq!(
        world.get(&history).await.1["data"],
        Value::from(of_shipment)
    );
    let mut again = world.signed_in().await;
    again
        .subscribe("company", Some(text(&company, "cursor")))
        .await;
    assert_eq!(again.next().await["event"], of_company[0]);
    assert_eq!(again.next().await["event"], of_company[1]);
    socket
        .say(&json!({"type": "unsubscribe", "topic": topic}))
        .await;
    socket.say(&json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    world.scan(&shipment, 2..3, "left").await;
    assert_eq!(socket.next().await["topic"], "company");
}

#[tokio::test]
async fn what_cannot_be_is_said_and_the_connection_stays() {
    let world = World::new(&[]).await;
    let mut socket = world.signed_in().await;
    let nobodys = "shipment:shp_01jd7k2m4qf3v8s6t0w9x5y1zc";
    let refused = socket.subscribe(nobodys, None).await;
    assert_eq!(
        (&refused["code"], &refused["topic"]),
        (&json!("not-found"), &json!(nobodys))
    );
    assert_eq!(
        socket.subscribe("company", Some("?")).await["code"],
        "invalid-cursor"
    );
    for (message, code) in [
        (json!({"type": "shout"}), "malformed"),
        (json!({"type": "subscribe"}), "malformed"),
        (json!({"type": "ping", "more": 1}), "malformed"),
        (
            json!({"type": "auth", "token": "x"}),
            "already-authenticated",
        ),
        (
            json!({"type": "unsubscribe", "topic": "company"}),
            "not-found",
        ),
    ] {
        socket.say(&message).await;
        let error = socket.next().await;
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code)),
            "{message}"
        );
    }
    socket.say(&json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
}

#[tokio::test]
async fn connections_that_do_not_behave_are_closed() {
    let world = World::new(&[]).await;
    let mut stranger = world.socket("/live").await.unwrap();
    stranger.say(&json!({"type": "ping"})).await;
    assert_eq!(stranger.close_code().await, 4002);
    let mut forger = world.socket("/live").await.unwrap();
    forger
        .say(&json!({"type": "auth", "token": "forged"}))
        .await;
    assert_eq!(forger.next().await["code"], "unauthenticated");
    assert_eq!(forger.close_code().await, 4001);
    let mut silent = world.socket("/live").await.unwrap();
    assert_eq!(silent.close_code().await, 4002);
    let mut socket = world.signed_in().await;
    socket
        .0
        .send(Message::Binary(vec![1].into()))
        .await
        .unwrap();
    assert_eq!(socket.close_code().await, 1003);
    let mut socket = world.signed_in().await;
    let long = "x".repeat(20_000);
    socket.0.send(Message::Text(long.into())).await.unwrap();
    assert_eq!(socket.close_code().await, 1009);
    let mut chatty = world.signed_in().await;
    for _ in 0..200 {
        if chatty
            .0
            .send(Message::Text(r#"{"type":"ping"}"#.into()))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(chatty.close_code().await, 1008);
}

#[tokio::test]
async fn a_connection_ends_with_its_credential_and_with_the_program() {
    let mut world = World::new(&[]).await;
    let mut socket = world.signed_in().await;
    socket.subscribe("company", None).await;
    let mut short = world.app.config.auth.clone();
    short.access_token = Duration::from_secs(2);
    let tokens = gateway::auth::token::Tokens::new(&short).unwrap();
    let nobody = Uuid::nil();
    let token = tokens.issue(nobody, nobody, nobody).unwrap();
    let kept = std::mem::replace(&mut world.token, token);
    let mut expiring = world.signed_in().await;
    expiring.subscribe("company", None).await;
    assert_eq!(expiring.close_code().await, 4001);
    world.token = kept;
    let mut stream = world.stream("company", None).await;
    stream.next().await;
    world.app.shutdown.cancel();
    assert_eq!(socket.close_code().await, 1001);
    assert_eq!(stream.next().await.data["code"], "going-away");
    // The socket says goodbye too when it is read once more.
    assert!(socket.frame().await.is_none());
    tokio::time::timeout(SOON, world.server)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let world = World::new(&[]).await;
    let ticket = world.post("/live/tickets", &json!({})).await;
    assert_eq!(ticket["expires_in"], 30);
    let path = format!("/live?ticket={}", text(&ticket, "ticket"));
    let mut socket = world.socket(&path).await.unwrap();
    assert_eq!(
        socket.subscribe("company", None).await["type"],
        "subscribed"
    );
    let Err(Error::Http(response)) = world.socket(&path).await else {
        unreachable!("the ticket was good twice");
    };
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn a_page_of_another_origin_gets_no_websocket() {
    let world = World::new(&[]).await;
    let connect = async |origin: &str| {
        let url = format!("ws://{}/api/v1/live", world.address);
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        connect_async(request).await.map(|_| ())
    };
    assert!(connect(&format!("http://{}", world.address)).await.is_ok());
    let refused = connect("https://evil.example").await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 403));
    assert_eq!(world.get("/live").await.1["code"], "upgrade-required");
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

#[tokio::test]
async fn server_sent_events_say_the_same_and_resume() {
    let world = World::new(&[]).await;
    let shipment = world.shipment().await;
    let topic = topic(&shipment);
    let mut stream = world.stream(&topic, None).await;
    let hello = stream.next().await;
    assert_eq!((hello.id.as_str(), hello.event.as_str()), ("1", "snapshot"));
    assert_eq!(hello.data["snapshot"], shipment);
    world.scan(&shipment, 0..3, "left").await;
    let event = stream.next().await;
    assert_eq!((event.id.as_str(), event.event.as_str()), ("2", "event"));
    assert_eq!(event.data["event"]["type"], "shipment.scan_recorded");
    drop(stream);
    let mut again = world.stream(&topic, Some("2")).await;
    assert_eq!(again.next().await.event, "snapshot");
    assert_eq!(again.next().await.id, "3");
    assert_eq!(again.next().await.id, "4");
    assert_eq!(world.get("/live/sse?topic=stock").await.0, 404);
    assert_eq!(world.get("/live/sse?topic=company&from=x").await.0, 422);
}

#[tokio::test]
async fn anybody_tracks_a_shipment_by_its_number() {
    let world = World::new(&[]).await;
    let shipment = world.shipment().await;
    let number = text(&shipment, "tracking_number");
    let mut socket = world
        .socket(&format!("/tracking/{number}/live"))
        .await
        .unwrap();
    let hello = socket.next().await;
    assert_eq!(
        (&hello["type"], &hello["topic"]),
        (&json!("subscribed"), &json!("tracking"))
    );
    world.scan(&shipment, 0..2, "signed by Ana").await;
    let mut said = vec![hello.to_string()];
    for version in [2, 3] {
        let message = socket.next().await;
        assert_eq!(message["event"]["version"], version);
        said.push(message.to_string());
    }
    let client = reqwest::Client::new();
    let open = async |path: &str| {
        let response = client.get(world.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, tracking) = open(&format!("/tracking/{number}")).await;
    assert_eq!(status, 200);
    let (_, scans) = open(&format!("/tracking/{}/events", number.to_lowercase())).await;
    let both: [Value; 2] = [&tracking, &scans].map(|it| serde_json::from_str(it).unwrap());
    assert_eq!(both[0]["status"], "in_transit");
    assert_eq!(both[0]["events"], both[1]["data"]);
    said.extend([tracking, scans]);
    for secret in ["Ana", "Rua", "usr_", "operator", "shp_"] {
        assert!(
            !said.iter().any(|it| it.contains(secret)),
            "{secret} in {said:?}"
        );
    }
    for unknown in ["QT0", "QT000000000000000000000000", "X Y%00Z"] {
        assert_eq!(
            open(&format!("/tracking/{unknown}")).await.0,
            404,
            "{unknown}"
        );
    }
    let forbidden = socket.subscribe("company", None).await;
    assert_eq!(forbidden["code"], "forbidden");
    let mut resumed = world
        .socket(&format!("/tracking/{number}/live?from=2"))
        .await
        .unwrap();
    resumed.next().await;
    assert_eq!(resumed.next().await["event"]["version"], 3);
}

#[tokio::test]
async fn a_companys_events_are_read_page_by_page() {
    let world = World::new(&[]).await;
    for number in 0..7 {
        let shipment = world.shipment().await;
        world.scan(&shipment, number..number + 1, "left").await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = world.get(&format!("/events?limit=4{after}")).await;
        assert_eq!(status, 200, "{page}");
        let events = page["data"].as_array().unwrap();
        assert!(events.len() <= 4);
        after = format!("&after={}", text(&page, "next_cursor"));
        if events.is_empty() {
            break;
        }
        seen.extend(events.iter().map(|event| event["id"].to_string()));
    }
    // The company's own first event, and two of each shipment.
    assert_eq!(seen.len(), 15);
    let shipment = world.shipment().await;
    let (_, page) = world.get(&format!("/events?{after}")).await;
    assert_eq!(page["data"][0]["resource"], shipment["id"]);
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 15);
    assert_eq!(world.get("/events?after=x").await.0, 422);
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_is_let_go() {
    let metrics = gateway::telemetry::metrics().unwrap();
    let world = World::new(&[("GATEWAY__WRITE_TIMEOUT_MS", "600")]).await;
    let shipment = world.shipment().await;
    for hundred in 0..10 {
        let words = "w".repeat(400);
        world
            .scan(&shipment, hundred * 100..(hundred + 1) * 100, &words)
            .await;
    }
    let topic = topic(&shipment);
    let mut socket = world.signed_in().await;
    // Half a megabyte each: more than the system's buffers take.
    let wanted = 60;
    for _ in 0..wanted {
        socket
            .say(&json!({"type": "subscribe", "topic": topic}))
            .await;
        socket
            .say(&json!({"type": "unsubscribe", "topic": topic}))
            .await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut taken = 0;
    while let Some(Ok(Message::Text(_))) = socket.frame().await {
        taken += 1;
    }
    assert!(taken < wanted, "nothing was held back");
    let closed = r#"quenty_live_closes_total{code="4008"} 1"#;
    assert!(metrics.render().contains(closed));
    // Nobody else noticed.
    let mut other = world.signed_in().await;
    assert_eq!(other.subscribe("company", None).await["type"], "subscribed");
}
