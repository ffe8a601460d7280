//! A viewer over a WebSocket, as fast or as slow as a test wants it.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::client::Api;

/// How long anything may take: ample, for a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// The bytes of a segment, as on the way to most viewers.
const SEGMENT: u32 = 1_400;

/// A viewer.
pub(super) struct Viewer(WebSocketStream<TcpStream>);

/// What a viewer hears.
#[derive(Debug)]
pub(super) enum News {
    /// A message.
    Said(Said),
    /// The end, with the code if the server gave one.
    Closed(Option<u16>),
}

/// A message, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    /// What it is.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The topic.
    #[serde(default)]
    pub(super) topic: String,
    /// Where the viewer stands with it.
    #[serde(default)]
    pub(super) cursor: String,
}

impl Viewer {
    /// Connects and says who it is; a small buffer makes the system hold little for it.
    pub(super) async fn connect(server: SocketAddr, api: &Api, buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
            // The server's system keeps some segments, too: those of this machine have 64 KiB.
            SockRef::from(&socket).set_tcp_mss(SEGMENT).unwrap();
        }
        let stream = socket.connect(server).await.unwrap();
        let url = format!("ws://{server}/api/v1/live");
        let (socket, _) = client_async(url, stream).await.unwrap();
        let mut viewer = Self(socket);
        viewer.say(&api.introduction()).await;
        viewer
    }

    /// Watches a topic, from a cursor on if there is one.
    pub(super) async fn watch(&mut self, topic: &str, from: Option<&str>) {
        self.say(&json!({ "type": "subscribe", "topic": topic, "from": from }))
            .await;
        let news = self.next().await;
        let is_watching =
            matches!(&news, News::Said(said) if said.kind == "subscribed" && said.topic == topic);
        assert!(is_watching, "{news:?}");
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> News {
        loop {
            let frame = tokio::time::timeout(SOON, self.0.next()).await.unwrap();
            match frame {
                Some(Ok(Message::Text(text))) => {
                    return News::Said(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(close))) => {
                    // Our goodbye, which the server waits for.
                    let _ = self.0.flush().await;
                    return News::Closed(close.map(|close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return News::Closed(None),
            }
        }
    }

    /// Reads on to the end; the code that the server gave.
    pub(super) async fn until_closed(&mut self) -> Option<u16> {
        loop {
            if let News::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    async fn say(&mut self, message: &Value) {
        let text = message.to_string();
        self.0.send(Message::Text(text.into())).await.unwrap();
    }
}
