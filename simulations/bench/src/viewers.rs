//! Thousands of WebSocket viewers on one thread: each reads frames and counts them, nothing else.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::wire::{Connection, find};

/// How much is read at once.
const CHUNK: usize = 4 << 10;
const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Any key will do; the server's answer to the one in RFC 6455 is not checked here.
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Connected viewers, until dropped.
pub(crate) struct Viewers {
    board: Rc<Board>,
    reading: JoinSet<Result<()>>,
}

/// What all viewers together have seen.
#[derive(Default)]
struct Board {
    seen: Cell<u64>,
    goal: Cell<u64>,
    first: Cell<Option<Instant>>,
    last: Cell<Option<Instant>>,
    reached: Notify,
    sample: RefCell<Vec<u8>>,
}

impl Viewers {
    /// Connects a viewer of each topic.
    pub(crate) async fn of(api: &Api, topics: impl Iterator<Item = String>) -> Result<Self> {
        let mut viewers = Self::none();
        for topic in topics {
            let (stream, input) = subscribe(api, &topic).await?;
            viewers.add(stream, input);
        }
        Ok(viewers)
    }

    /// Connects viewers to whom somebody writes frames unasked.
    pub(crate) async fn raw(address: SocketAddr, count: usize) -> Result<Self> {
        let mut viewers = Self::none();
        for _ in 0..count {
            let stream = TcpStream::connect(address).await?;
            viewers.add(stream, Vec::new());
        }
        Ok(viewers)
    }

    fn none() -> Self {
        Self {
            board: Rc::default(),
            reading: JoinSet::new(),
        }
    }

    fn add(&mut self, stream: TcpStream, input: Vec<u8>) {
        let board = Rc::clone(&self.board);
        self.reading.spawn_local(read(stream, input, board));
    }

    /// From now on so many frames are to come, all viewers together.
    pub(crate) fn expect(&self, frames: u64) {
        self.board.seen.set(0);
        self.board.goal.set(frames);
        self.board.first.set(None);
        self.board.last.set(None);
    }

    /// Waits for them; how long it took from the first to the last.
    pub(crate) async fn all(&mut self, within: Duration) -> Result<Duration> {
        let board = Rc::clone(&self.board);
        tokio::select! {
            () = board.reached.notified() => {}
            ended = self.reading.join_next() => {
                ended.context("no viewers")???;
            }
            () = tokio::time::sleep(within) => {}
        }
        let (first, last) = (self.board.first.get(), self.board.last.get());
        let seen = self.board.seen.get();
        let last = last.with_context(|| format!("only {seen} frames came"))?;
        Ok(last - first.context("no frame came")?)
    }

    /// The last frame, as it came.
    pub(crate) fn sample(&self) -> Vec<u8> {
        self.board.sample.borrow().clone()
    }
}

impl Board {
    fn count(&self, frame: &[u8]) {
        if self.first.get().is_none() {
            self.first.set(Some(Instant::now()));
        }
        self.seen.set(self.seen.get() + 1);
        if self.seen.get() == self.goal.get() {
            self.last.set(Some(Instant::now()));
            frame.clone_into(&mut self.sample.borrow_mut());
            self.reached.notify_one();
        }
    }
}

/// Connects, says who it is, and waits until the topic is watched. What came beyond is given, too.
async fn subscribe(api: &Api, topic: &str) -> Result<(TcpStream, Vec<u8>)> {
    let mut connection = Connection::open(api.address).await?;
    let path = api.path("/live");
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{UPGRADE}");
    let status = connection.exchange(request.as_bytes()).await?.status;
    ensure!(status == 101, "no WebSocket: {status}");
    let mut stream = connection.into_stream()?;
    let auth = json!({ "type": "auth", "token": api.token });
    let subscribe = json!({ "type": "subscribe", "topic": topic });
    let mut output = Vec::new();
    for message in [auth, subscribe] {
        write_frame(&mut output, TEXT, message.to_string().as_bytes());
    }
    stream.write_all(&output).await?;
    let mut input = Vec::new();
    loop {
        ensure!(
            stream.read_buf(&mut input).await? > 0,
            "the server hung up on a viewer"
        );
        let Some(frame) = frame_in(&input) else {
            continue;
        };
        let message = &input[frame.head..frame.end];
        ensure!(
            find(message, br#""type":"subscribed""#).is_some(),
            "not subscribed: {}",
            String::from_utf8_lossy(message)
        );
        input.drain(..frame.end);
        return Ok((stream, input));
    }
}

async fn read(mut stream: TcpStream, mut input: Vec<u8>, board: Rc<Board>) -> Result<()> {
    loop {
        let mut taken = 0;
        while let Some(frame) = frame_in(&input[taken..]) {
            match frame.kind {
                TEXT => board.count(&input[taken..taken + frame.end]),
                PING => {
                    let mut pong = Vec::new();
                    let said = taken + frame.head..taken + frame.end;
                    write_frame(&mut pong, PONG, &input[said]);
                    stream.write_all(&pong).await?;
                }
                kind => anyhow::bail!("a frame of kind {kind}"),
            }
            taken += frame.end;
        }
        input.drain(..taken);
        input.reserve(CHUNK);
        let read = stream.read_buf(&mut input).await?;
        ensure!(read > 0, "the server hung up on a viewer");
    }
}

/// Where a frame is in the input.
struct Frame {
    kind: u8,
    head: usize,
    end: usize,
}

/// The first frame, if it is there as a whole. Servers do not mask theirs (RFC 6455, 5.1).
fn frame_in(input: &[u8]) -> Option<Frame> {
    let (first, second) = (*input.first()?, *input.get(1)?);
    let (head, length) = match second & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(*input.get(2..)?.first_chunk()?).into(),
        ),
        127 => (10, u64::from_be_bytes(*input.get(2..)?.first_chunk()?)),
        short => (2, u64::from(short)),
    };
    let end = head + usize::try_from(length).ok()?;
    (input.len() >= end).then_some(Frame {
        kind: first & 0xf,
        head,
        end,
    })
}

/// Clients have to mask; a mask of zeros changes nothing.
fn write_frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.push(0x80 | kind);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(0x80 | length),
        (_, length) => {
            out.push(0x80 | 126);
            // Nothing longer is ever said here.
            out.extend(length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_when_they_are_whole() {
        let short = [0x81, 2, b'h', b'i', 0x89];
        let frame = frame_in(&short).unwrap();
        assert_eq!((frame.kind, frame.head, frame.end), (TEXT, 2, 4));
        assert!(frame_in(&short[..3]).is_none());
        let mut long = vec![0x81, 126, 1, 0];
        assert!(frame_in(&long).is_none());
        long.extend([b'x'; 256]);
        assert_eq!(frame_in(&long).unwrap().end, 260);
    }

    #[test]
    fn written_frames_are_masked_with_zeros() {
        let mut out = Vec::new();
        write_frame(&mut out, TEXT, b"hi");
        assert_eq!(out, [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        out.clear();
        write_frame(&mut out, TEXT, &[b'x'; 300]);
        assert_eq!(out[..4], [0x81, 0xfe, 1, 44]);
        assert_eq!(out.len(), 308);
    }
}
