//! Connections that take their time, hundreds at once: they are cut off, and nobody else waits for them.
//!
//! They all come at the same moment. What the system would not keep for the server until it is
//! accepted it would forget, and a client that says nothing would not learn so for hours.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::check;
use super::client::{Api, Change};
use super::cluster::signal;
use super::figures::{self, Times};
use super::load::Operation;
use super::server::{Home, PASSWORD};
use super::shop::Shop;
use super::{GOOD_BETWEEN, campaign, is_campaign};

/// How many there are at a time: each that is cut off comes again.
const SLOW: usize = 2_000;
/// For how long they do.
const SPELL: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(120)];
/// The bound on every wait for a client, in milliseconds: short, so that the test is.
const BOUND_MS: &str = "8000";
const BOUNDED: [&str; 3] = ["HEADER", "BODY", "WRITE"];
/// By when each is cut off: ample, for a busy machine.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(60);
/// How often those that write send a byte.
const BYTE_EACH: Duration = Duration::from_millis(200);
/// How many come while the server does not accept, and by when the system has let them in: one that
/// it did not keep at once would try again for longer.
const BURST: usize = 1_500;
const KEPT_WITHIN: Duration = Duration::from_secs(10);
/// What the system holds for those that read nothing, in bytes.
const BUFFER: u32 = 4_096;
/// By when everybody else is answered, on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(5);
/// How many who mean well work meanwhile.
const OTHERS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Sends nothing.
    Silent,
    /// Sends a request's head byte by byte.
    Head,
    /// Sends a request's body byte by byte.
    Body,
    /// Asks for much and reads nothing.
    Unread,
}

const WAYS: [Way; 4] = [Way::Silent, Way::Head, Way::Body, Way::Unread];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_are_cut_off_and_nobody_waits_for_them() {
    let home = Home::on_sqlite();
    let bounds = BOUNDED.map(|it| format!("QUENTY__GATEWAY__{it}_TIMEOUT_MS"));
    let bounds = bounds.each_ref().map(|it| (&**it, BOUND_MS));
    let server = home.serve_with(&bounds).await;
    let found_at = watch::channel(server.address).1;
    let api = Api::sign_in(found_at, PASSWORD).await.unwrap();
    let (api, shop) = Shop::open(api).await;
    let before = server.memory();
    let spell = campaign(SPELL);
    let end = Instant::now() + spell;
    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        slow.spawn(dawdle_until(end, server.address, WAYS[number % WAYS.len()]));
    }
    let over = CancellationToken::new();
    let mut others = JoinSet::new();
    for number in 0..OTHERS {
        let receipt = shop.receipt(&shop.common[0], 1);
        others.spawn(work(number, api.clone(), receipt, over.clone()));
    }
    let lives = Times::new(slow.join_all().await.concat());
    let grown = server.memory().saturating_sub(before) >> 20;
    over.cancel();
    let (done, took): (Vec<_>, Vec<_>) = others.join_all().await.into_iter().flatten().unzip();
    let took = Times::new(took);
    figures::print(
        "slow HTTP",
        &format!("{SLOW} at once for {spell:?}"),
        &format!("cut off after {lives}; everybody else: {took}; {grown} MiB more"),
    );
    assert!(done.len() >= GOOD_BETWEEN, "{}", done.len());
    assert!(!is_campaign() || took.worst() < SOON, "{took}");
    check::with_balances(&api, &done).await;
    server.terminate().await;
}

/// Whoever the system would not keep until they are accepted would hear of it late or never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_connect_in_one_moment_are_kept() {
    let home = Home::on_sqlite();
    let bound = [("QUENTY__GATEWAY__HEADER_TIMEOUT_MS", BOUND_MS)];
    let server = home.serve_with(&bound).await;
    signal("STOP", &[server.id()]).await;
    let mut connecting = JoinSet::new();
    for _ in 0..BURST {
        connecting.spawn(TcpStream::connect(server.address));
    }
    let connected = tokio::time::timeout(KEPT_WITHIN, connecting.join_all()).await;
    signal("CONT", &[server.id()]).await;
    let mut silent = JoinSet::new();
    for stream in connected.expect("some were not kept") {
        silent.spawn(until_cut_off(stream.unwrap(), Way::Silent));
    }
    silent.join_all().await;
    server.terminate().await;
}

/// Comes again whenever it is cut off; how long each time took.
async fn dawdle_until(end: Instant, server: SocketAddr, way: Way) -> Vec<Duration> {
    let mut lives = Vec::new();
    while Instant::now() < end {
        lives.push(dawdle(server, way).await);
    }
    lives
}

/// Does as it must not until it is cut off; how long that took.
async fn dawdle(server: SocketAddr, way: Way) -> Duration {
    let socket = TcpSocket::new_v4().unwrap();
    if matches!(way, Way::Unread) {
        socket.set_recv_buffer_size(BUFFER).unwrap();
    }
    until_cut_off(socket.connect(server).await.unwrap(), way).await
}

async fn until_cut_off(mut stream: TcpStream, way: Way) -> Duration {
    let connected = Instant::now();
    stream.write_all(&way.opening()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut bytes = tokio::time::interval(BYTE_EACH);
    let mut taken = [0; 1_024];
    let cut_off = async {
        loop {
            tokio::select! {
                read = reader.read(&mut taken), if way.reads() => {
                    if !matches!(read, Ok(1..)) {
                        break;
                    }
                }
                // What reads nothing learns so of its end.
                _ = bytes.tick(), if way.writes() => {
                    if writer.write_all(b"x").await.is_err() {
                        break;
                    }
                }
            }
        }
    };
    let ended = tokio::time::timeout(CUT_OFF_WITHIN, cut_off).await;
    assert!(ended.is_ok(), "{way:?} was not cut off");
    connected.elapsed()
}

impl Way {
    fn opening(self) -> Vec<u8> {
        match self {
            Self::Silent => Vec::new(),
            Self::Head => b"GET /health/live HTTP/1.1\r\nhost: quenty\r\nx-long: ".to_vec(),
            Self::Body => b"POST /api/v1/auth/login HTTP/1.1\r\nhost: quenty\r\n\
                content-type: application/json\r\ncontent-length: 10000\r\n\r\n"
                .to_vec(),
            Self::Unread => b"GET /openapi.json HTTP/1.1\r\nhost: quenty\r\n\r\n".repeat(30),
        }
    }

    fn reads(self) -> bool {
        !matches!(self, Self::Unread)
    }

    fn writes(self) -> bool {
        !matches!(self, Self::Silent)
    }
}

/// Asks for what everybody does, one after the other; each must be done, and takes its time.
async fn work(
    number: usize,
    api: Api,
    receipt: serde_json::Value,
    over: CancellationToken,
) -> Vec<(Operation, Duration)> {
    let mut done = Vec::new();
    while !over.is_cancelled() {
        let key = format!("work-{number}-{}", done.len());
        let change = Change::new(&key, "/stock/movements", receipt.clone());
        let asked = Instant::now();
        let answer = api.ask_for(&change).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        done.push((Operation::new(change, answer), asked.elapsed()));
    }
    done
}
