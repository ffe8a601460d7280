//! Who may connect, and how connections end.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, connect_async};
use uuid::Uuid;

use super::{SOON, World, text, topic};

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
    let closed = r#"quenty_live_closes_total{code="4008"} 1"#;
    let given_up = async {
        while !metrics.render().contains(closed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(GIVEN_UP, given_up).await.unwrap();
    let mut taken = 0;
    while let Some(Ok(Message::Text(_))) = socket.frame().await {
        taken += 1;
    }
    assert!(taken < wanted, "nothing was held back");
    // Nobody else noticed.
    let mut other = world.signed_in().await;
    assert_eq!(other.subscribe("company", None).await["type"], "subscribed");
}

/// The longest wait for a ping and for its answer, and some more.
const GIVEN_UP: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let world = World::new(&[]).await;
    let mut socket = world.signed_in().await;
    let mut other = world.signed_in().await;
    socket.subscribe("company", None).await;
    other.subscribe("company", None).await;
    // Read without the library, which would answer.
    let MaybeTlsStream::Plain(peer) = socket.0.get_mut() else {
        panic!("this is no plain connection");
    };
    let mut told = Vec::new();
    let silence = tokio::time::timeout(GIVEN_UP, peer.read_to_end(&mut told));
    // Who answers, as the library does by itself, stays.
    let answering = async { while let Some(Ok(_)) = other.0.next().await {} };
    tokio::select! {
        end = silence => drop(end.unwrap().unwrap()),
        () = answering => panic!("a peer that answers was given up"),
    }
    assert_eq!(
        told.first_chunk(),
        Some(&[0x89, 0]),
        "a ping without contents"
    );
    other.say(&json!({"type": "ping"})).await;
    assert_eq!(other.next().await["type"], "pong");
}
