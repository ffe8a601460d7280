//! Connections: bounds in number and time, and an end that loses nothing.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gateway::config::Config;
use gateway::http::front::front;
use gateway::server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(settings: &[(&str, &str)]) -> Running {
    let settings = settings
        .iter()
        .map(|(key, value)| (format!("QUENTY__GATEWAY__{key}"), (*value).to_owned()));
    let config = Config::load_with(None, settings).unwrap().gateway;
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        "slow but sure"
    };
    let router = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/slow", get(slow));
    let router = front(router, &config, false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { server::run(listener, router, &config, stop).await });
    Running {
        address,
        shutdown,
        task,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything until the server closes; fails the test if it does not within five seconds.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    // A reset is also an end.
    let _ = tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_silent_or_trickling_connection_is_closed() {
    let server = start(&[("HEADER_TIMEOUT_MS", "150")]).await;
    let mut silent = server.connect().await;
    let mut trickling = server.connect().await;
    trickling
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    assert_eq!(until_closed(&mut silent).await, "");
    assert!(!until_closed(&mut trickling).await.contains("200 OK"));
}

#[tokio::test]
async fn a_kept_connection_is_closed_when_idle_but_not_while_working() {
    let server = start(&[("HEADER_TIMEOUT_MS", "100"), ("IDLE_TIMEOUT_MS", "200")]).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.contains("slow but sure"), "{answer}");
}

#[tokio::test]
async fn beyond_the_cap_there_is_a_clear_answer() {
    let server = start(&[("MAX_CONNECTIONS", "1")]).await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 512];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let refused = until_closed(&mut server.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], "overloaded");
    let id = problem["request_id"].as_str().unwrap();
    assert!(head.contains(&format!("x-request-id: {id}")), "{head}");
    drop(first);
    for _ in 0..100 {
        let mut again = server.connect().await;
        again
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        if until_closed(&mut again).await.contains("200 OK") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_so_with_the_requests_id() {
    let server = start(&[("MAX_HEADER_BYTES", "8192")]).await;
    for (bytes, status, is_ours) in [(8_000, 200, true), (8_300, 431, true), (99_000, 431, false)] {
        let mut stream = server.connect().await;
        let padding = "a".repeat(bytes);
        let request = format!(
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: mine-1\r\n\
             padding: {padding}\r\n\r\n"
        );
        // The server may close before it has read all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        if is_ours || !answer.is_empty() {
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
        assert_eq!(answer.contains("x-request-id: mine-1"), is_ours, "{answer}");
        assert_eq!(answer.contains("head-too-large"), is_ours && status == 431);
    }
}

#[tokio::test]
async fn at_the_end_what_is_under_way_finishes() {
    let server = start(&[]).await;
    let mut working = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    working
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shutdown.cancel();
    assert!(until_closed(&mut working).await.contains("slow but sure"));
    assert!(until_closed(&mut idle).await.contains("here"));
    tokio::time::timeout(Duration::from_secs(5), server.task)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let server = start(&[("DRAIN_TIMEOUT_MS", "100")]).await;
    let mut working = server.connect().await;
    working
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.shutdown.cancel();
    assert_eq!(until_closed(&mut working).await, "");
}

#[tokio::test]
async fn http2_without_tls_is_spoken() {
    let server = start(&[]).await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let answer = client
        .get(format!("http://{}/", server.address))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "here");
}
