//! Somebody who watches shipments over a WebSocket connection, and comes back when it breaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::message::{Message, is_passing};
use super::progress::Progress;
use super::watch::{Reaction, Watch};
use crate::client::{Backoff, Client};

/// How often a viewer makes sure that its connection lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After so long a silence, in spite of heartbeats, a connection is dead.
const SILENCE: Duration = Duration::from_secs(20);
/// What is still to come when all is done has so long to arrive.
const LAST_LOOK: Duration = Duration::from_secs(60);
/// The server's code for a credential that no longer holds.
const CREDENTIAL_EXPIRED: u16 = 4001;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a viewer is told.
pub(super) enum Instruction {
    /// There is a shipment to watch.
    Follow(Watch),
    /// Nothing will happen to a shipment after a version.
    Finish {
        /// The shipment's id.
        shipment: String,
        /// Its last version.
        version: u64,
    },
}

/// Somebody who watches shipments.
pub(super) struct Viewer {
    client: Client,
    progress: Arc<Progress>,
    inbox: mpsc::Receiver<Instruction>,
    /// By topic.
    watches: BTreeMap<String, Watch>,
    done: Vec<Watch>,
    /// Known once there is nothing more to come.
    leave_at: Option<Instant>,
}

impl Viewer {
    pub(super) fn new(
        client: Client,
        progress: Arc<Progress>,
        inbox: mpsc::Receiver<Instruction>,
    ) -> Self {
        Self {
            client,
            progress,
            inbox,
            watches: BTreeMap::new(),
            done: Vec::new(),
            leave_at: None,
        }
    }

    /// Watches what it is told to, over as many connections as it takes; gives what it saw.
    pub(super) async fn watch(mut self) -> Vec<Watch> {
        let mut backoff = Backoff::default();
        while !self.is_leaving() {
            let connected = Instant::now();
            let Err(_) = self.attend().await else {
                break;
            };
            if connected.elapsed() > SILENCE {
                backoff = Backoff::default();
            }
            let Some(pause) = backoff.next(None) else {
                break;
            };
            Progress::count(&self.progress.reconnects);
            tokio::time::sleep(pause).await;
        }
        self.done.extend(self.watches.into_values());
        self.done
    }

    /// Watches until there is nothing more to see, which is no error, or the connection breaks.
    async fn attend(&mut self) -> Result<()> {
        let mut socket = self.connect().await?;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        while !self.is_leaving() {
            tokio::select! {
                told = self.inbox.recv(), if self.leave_at.is_none() => match told {
                    Some(instruction) => self.obey(instruction, &mut socket).await?,
                    None => self.leave_at = Some(Instant::now() + LAST_LOOK),
                },
                message = socket.next() => {
                    heard = Instant::now();
                    self.hear(message, &mut socket).await?;
                }
                _ = heartbeat.tick() => {
                    ensure!(heard.elapsed() < SILENCE, "the connection is dead");
                    send(&mut socket, &json!({ "type": "ping" })).await?;
                }
            }
        }
        let _ = timeout(HEARTBEAT, socket.close(None)).await;
        Ok(())
    }

    /// Whether all was seen, or will not come any more.
    fn is_leaving(&self) -> bool {
        self.leave_at
            .is_some_and(|at| self.watches.is_empty() || Instant::now() > at)
    }

    async fn connect(&mut self) -> Result<Socket> {
        let token = self.client.token().await?;
        let url = self.client.url("/live");
        let url = url.as_str().replacen("http", "ws", 1);
        let (mut socket, _) = timeout(SILENCE, connect_async(url)).await??;
        send(&mut socket, &json!({ "type": "auth", "token": token })).await?;
        for watch in self.watches.values_mut() {
            send(&mut socket, &watch.subscribe()).await?;
        }
        Ok(socket)
    }

    async fn obey(&mut self, instruction: Instruction, socket: &mut Socket) -> Result<()> {
        match instruction {
            Instruction::Follow(mut watch) => {
                let (topic, subscribe) = (watch.topic(), watch.subscribe());
                // Kept first: if the connection is gone, the next one subscribes.
                self.watches.insert(topic, watch);
                send(socket, &subscribe).await
            }
            Instruction::Finish { shipment, version } => {
                let topic = format!("shipment:{shipment}");
                if let Some(watch) = self.watches.get_mut(&topic) {
                    watch.end_at(version);
                }
                self.drop_if_done(&topic, socket).await
            }
        }
    }

    async fn hear(
        &mut self,
        message: Option<Result<tungstenite::Message, tungstenite::Error>>,
        socket: &mut Socket,
    ) -> Result<()> {
        match message.transpose()? {
            Some(tungstenite::Message::Text(text)) => {
                self.react(serde_json::from_str(&text)?, socket).await
            }
            Some(tungstenite::Message::Close(frame)) => {
                let code = frame.map(|frame| u16::from(frame.code));
                if code == Some(CREDENTIAL_EXPIRED) {
                    let token = self.client.token().await?;
                    self.client.distrust(&token).await;
                }
                bail!("the server closed the connection with {code:?}")
            }
            Some(_) => Ok(()),
            None => bail!("the connection ended"),
        }
    }

    async fn react(&mut self, message: Message, socket: &mut Socket) -> Result<()> {
        let topic = match &message {
            Message::Subscribed { topic, .. }
            | Message::Event { topic, .. }
            | Message::Lagged { topic } => topic.clone(),
            Message::Error {
                code,
                detail,
                topic,
            } => return self.refused(code, detail.as_deref(), topic.as_deref()),
            Message::Other => return Ok(()),
        };
        // What still comes for a topic that was given up is of no interest.
        let Some(watch) = self.watches.get_mut(&topic) else {
            return Ok(());
        };
        match look(watch, &message) {
            Reaction::Nothing => {}
            Reaction::Saw => Progress::count(&self.progress.sightings),
            Reaction::Resume => {
                let subscribe = watch.subscribe();
                unsubscribe(socket, &topic).await?;
                send(socket, &subscribe).await?;
            }
        }
        self.drop_if_done(&topic, socket).await
    }

    /// An error about a shipment is a fault, unless it passes: then the next connection asks again.
    fn refused(&mut self, code: &str, detail: Option<&str>, topic: Option<&str>) -> Result<()> {
        let fault = format!("{code}: {}", detail.unwrap_or_default());
        match topic.and_then(|topic| self.watches.get_mut(topic)) {
            Some(watch) if !is_passing(code) => watch.faults.push(fault),
            _ => bail!("the server says {fault}"),
        }
        Ok(())
    }

    async fn drop_if_done(&mut self, topic: &str, socket: &mut Socket) -> Result<()> {
        if !self.watches.get(topic).is_some_and(Watch::is_done) {
            return Ok(());
        }
        self.done.extend(self.watches.remove(topic));
        unsubscribe(socket, topic).await
    }
}

fn look(watch: &mut Watch, message: &Message) -> Reaction {
    match message {
        Message::Subscribed {
            cursor, snapshot, ..
        } => {
            watch.subscribed(cursor, snapshot.as_ref());
            Reaction::Nothing
        }
        Message::Event { cursor, event, .. } => watch.event(cursor, event),
        Message::Lagged { .. } => watch.lagged(),
        Message::Error { .. } | Message::Other => Reaction::Nothing,
    }
}

async fn unsubscribe(socket: &mut Socket, topic: &str) -> Result<()> {
    send(socket, &json!({ "type": "unsubscribe", "topic": topic })).await
}

async fn send(socket: &mut Socket, message: &Value) -> Result<()> {
    let text = tungstenite::Message::text(message.to_string());
    Ok(timeout(SILENCE, socket.send(text)).await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Credentials;
    use crate::replay::watch::Entry;

    /// Watches one shipment, and is not connected.
    fn viewer() -> Viewer {
        let credentials = Credentials {
            email: "a@b.example".to_owned(),
            password: "secret".to_owned(),
        };
        let client = Client::new("http://127.0.0.1:9", credentials, "run").unwrap();
        let mut viewer = Viewer::new(client, Arc::default(), mpsc::channel(1).1);
        let watch = Watch::new("shp_1".to_owned(), Entry::Beginning);
        viewer.watches.insert(watch.topic(), watch);
        viewer
    }

    #[test]
    fn an_error_that_passes_ends_the_connection_and_is_no_fault() {
        let mut viewer = viewer();
        for code in ["unavailable", "too-late", "overloaded", "outcome-unknown"] {
            let heard = viewer.refused(code, None, Some("shipment:shp_1"));
            assert!(heard.is_err(), "{code}");
        }
        assert!(viewer.watches["shipment:shp_1"].faults.is_empty());
    }

    #[test]
    fn any_other_error_about_a_shipment_is_a_fault() {
        let mut viewer = viewer();
        let heard = viewer.refused("not-found", Some("no"), Some("shipment:shp_1"));
        assert!(heard.is_ok());
        assert_eq!(viewer.watches["shipment:shp_1"].faults, ["not-found: no"]);
        assert!(viewer.refused("malformed", None, None).is_err());
    }
}
