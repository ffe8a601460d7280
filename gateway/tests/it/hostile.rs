//! Requests made to break a server: each gets a clear refusal, and memory stays bounded.

use std::io::Read;
use std::time::Duration;

use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::{Compress, Compression, Crc, FlushCompress};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::crash::server::{Home, PASSWORD, Server};

/// How long an answer may take: ample, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much the memory of a server may grow under all of a test's requests, in KiB: many times what
/// one request may hold, and a fraction of what the requests come to unpacked.
const GROWTH_KIB: u64 = 192 * 1024;

/// A server with a memory of its own to measure, and who is let in there.
struct Victim {
    server: Server,
    token: String,
    _home: Home,
}

impl Victim {
    async fn start() -> Self {
        let home = Home::on_sqlite();
        let mut victim = Self {
            server: home.serve().await,
            token: String::new(),
            _home: home,
        };
        victim.token = victim.sign_in().await;
        victim
    }

    async fn sign_in(&self) -> String {
        let body = json!({"email": "admin@localhost", "password": PASSWORD}).to_string();
        let answer = self
            .post("/auth/login", "application/json", body.as_bytes())
            .await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let tokens: Value = serde_json::from_str(body).unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// What is answered to these bytes, until the server closes. It may close before it has read
    /// them all.
    async fn raw(&self, bytes: &[u8]) -> String {
        let stream = TcpStream::connect(self.server.address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let mut answer = Vec::new();
        let talk = async {
            let _ = tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answer));
        };
        tokio::time::timeout(PATIENCE, talk).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let mut request = format!(
            "POST /api/v1{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {}\r\ncontent-length: {}\r\ncontent-type: {headers}\r\n\r\n",
            self.token,
            body.len(),
        )
        .into_bytes();
        request.extend(body);
        self.raw(&request).await
    }

    /// The most memory that the process has held so far, in KiB.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let words = line.unwrap().split_whitespace();
        words
            .skip(1)
            .map(|it| it.parse::<u64>())
            .next()
            .unwrap()
            .unwrap()
    }

    async fn is_well(&self) {
        let answer =
            self.raw(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(answer.await.starts_with("HTTP/1.1 200"));
    }
}

fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3));
    status.and_then(|it| it.parse().ok()).unwrap_or_default()
}

type Body = (&'static str, Vec<u8>);

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A body that is good but for its name.
fn in_name(value: &str) -> Vec<u8> {
    text(&format!(r#"{{"name":{value},"currency":"BRL"}}"#))
}

/// Bodies that take more than they look like.
fn large() -> Vec<Body> {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let keys: Vec<_> = (0..60_000).map(|it| format!("\"k{it}\":\"v\"")).collect();
    let elements = |count| in_name(&format!("[{}1]", "1,".repeat(count)));
    vec![
        ("deep arrays", in_name(&open)),
        ("deep arrays that end", in_name(&format!("{open}{close}"))),
        ("deep objects", in_name(&r#"{"a":"#.repeat(10_000))),
        ("half a million elements", elements(500_000)),
        ("a million elements", elements(1_000_000)),
        ("many keys", text(&format!("{{{}}}", keys.join(",")))),
        ("a huge number", in_name(&"9".repeat(100_000))),
        ("a huge exponent", in_name("1e999999999")),
        (
            "a long text",
            in_name(&format!("\"{}\"", "x".repeat(900_000))),
        ),
        ("nothing", Vec::new()),
    ]
}

/// Bodies that two readers could take for different things.
fn ambiguous() -> Vec<Body> {
    let twice = r#"{"name":"a","name":"b","currency":"BRL"}"#;
    let within = r#"{"name":"a","currency":"BRL","metadata":{"a":"1","a":"2"}}"#;
    let utf16 = "{\"name\":1}".encode_utf16().flat_map(u16::to_le_bytes);
    let raw = |bytes: &[u8]| [b"{\"currency\":\"BRL\",\"name\":\"", bytes, b"\"}"].concat();
    vec![
        ("a key twice", text(twice)),
        (
            "a key twice, once escaped",
            text(&twice.replacen("name", r"n\u0061me", 1)),
        ),
        ("a key twice within", text(within)),
        ("NUL", in_name(r#""a\u0000b""#)),
        ("a raw NUL", in_name("\"a\0b\"")),
        ("a lone high surrogate", in_name(r#""\ud800""#)),
        ("a lone low surrogate", in_name(r#""\udc00""#)),
        (
            "surrogates in the wrong order",
            in_name(r#""\udc00\ud800""#),
        ),
        ("no UTF-8", raw(b"\xff\xfe")),
        ("an overlong slash", raw(b"\xc0\xaf")),
        ("not a number", in_name("NaN")),
        (
            "a byte order mark",
            text("\u{feff}{\"name\":\"a\",\"currency\":\"BRL\"}"),
        ),
        ("UTF-16", utf16.collect()),
        ("a comment", in_name("/* */\"a\"")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_refused_in_bounded_memory() {
    let server = Victim::start().await;
    let before = server.peak_kib();
    for (what, body) in large().into_iter().chain(ambiguous()) {
        for round in futures::future::join_all(
            (0..4).map(|_| server.post("/companies", "application/json", &body)),
        )
        .await
        {
            assert!(
                [400, 413, 422].contains(&status(&round)),
                "{what}: {round:.300}"
            );
            assert!(
                round.contains("application/problem+json"),
                "{what}: {round:.300}"
            );
        }
    }
    let grown = server.peak_kib() - before;
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    server.is_well().await;
}

/// How much a bomb holds, in MiB: several times what the memory may grow by.
const BOMB_MIB: usize = 800;

/// Zeros without end as DEFLATE packs them, a thousand to one, within what a body may have. A chunk
/// that was flushed begins and ends with a byte of its own, so it can be repeated.
fn packed_zeros(mebibytes: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut deflate = Compress::new(Compression::best(), false);
    let mut packed = Vec::with_capacity(8 << 10);
    let flush = FlushCompress::Full;
    deflate.compress_vec(&zeros, &mut packed, flush).unwrap();
    assert_eq!(deflate.total_in(), 1 << 20);
    packed.repeat(mebibytes)
}

/// The last block, of nothing.
const END: [u8; 2] = [3, 0];

fn gzip_bomb(mebibytes: usize) -> Vec<u8> {
    let (mut one, mut all) = (Crc::new(), Crc::new());
    one.update(&vec![0; 1 << 20]);
    (0..mebibytes).for_each(|_| all.combine(&one));
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let sums = [all.sum().to_le_bytes(), all.amount().to_le_bytes()].concat();
    [&head, packed_zeros(mebibytes).as_slice(), &END, &sums].concat()
}

fn zlib_bomb(mebibytes: usize) -> Vec<u8> {
    // Of zeros Adler-32 is easy: one half stays 1, the other counts.
    let count = u32::try_from((mebibytes << 20) % 65_521).unwrap();
    let sum = (count << 16 | 1).to_be_bytes();
    [
        &[0x78, 0xda],
        packed_zeros(mebibytes).as_slice(),
        &END,
        &sum,
    ]
    .concat()
}

/// How much comes out, read to its end, where the sums are compared.
fn unpacked(mut reader: impl Read) -> u64 {
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap()
}

/// Small ones, made as the large ones are: those would take their time.
#[test]
fn the_bombs_are_real() {
    let (gzip, zlib) = (gzip_bomb(8), zlib_bomb(8));
    assert_eq!(unpacked(GzDecoder::new(&*gzip)), 8 << 20);
    assert_eq!(unpacked(ZlibDecoder::new(&*zlib)), 8 << 20);
    assert!(
        gzip_bomb(BOMB_MIB).len() < 1 << 20,
        "it would be too large a body"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_not_unpacked() {
    let server = Victim::start().await;
    let (gzip, zlib) = (gzip_bomb(BOMB_MIB), zlib_bomb(BOMB_MIB));
    let before = server.peak_kib();
    for (coding, bomb, expected) in [
        ("gzip", &gzip, 415),
        ("x-gzip", &gzip, 415),
        ("deflate", &zlib, 415),
        ("gzip, gzip", &gzip, 415),
        ("br", &gzip, 415),
        ("zstd", &gzip, 415),
        ("x-unknown", &gzip, 415),
        ("identity", &gzip, 400),
    ] {
        let headers = format!("application/json\r\ncontent-encoding: {coding}");
        let posts = (0..4).map(|_| server.post("/companies", &headers, bomb));
        for answer in futures::future::join_all(posts).await {
            assert_eq!(status(&answer), expected, "{coding}: {answer:.300}");
        }
    }
    let grown = server.peak_kib() - before;
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    server.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_a_bound() {
    let server = Victim::start().await;
    let before = server.peak_kib();
    let long = "x".repeat(1 << 20);
    let many = "a: b\r\n".repeat((1 << 20) / 6);
    for head in [
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("{long} / HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{long}: y\r\n\r\n"),
    ] {
        let answers = futures::future::join_all((0..8).map(|_| server.raw(head.as_bytes()))).await;
        // A connection that is closed while it still sends may lose its answer, but not each time.
        let answered: Vec<_> = answers.iter().filter(|it| !it.is_empty()).collect();
        assert!(!answered.is_empty(), "{head:.60}: no answer");
        for answer in answered {
            let code = status(answer);
            assert!([400, 414, 431].contains(&code), "{head:.60}: {answer:.300}");
        }
    }
    let grown = server.peak_kib() - before;
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    server.is_well().await;
}

/// What comes before a request that some would take for the body of the one before: heads and
/// beginnings of bodies whose end two readers could see at different places.
const BEFORE: [(&str, &str); 19] = [
    (
        "both lengths",
        "content-length: 42\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "both, the other way",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    ),
    (
        "two lengths",
        "content-length: 0\r\ncontent-length: 42\r\n\r\n",
    ),
    ("a list of lengths", "content-length: 0, 42\r\n\r\n"),
    ("a signed length", "content-length: +0\r\n\r\n"),
    ("a negative length", "content-length: -1\r\n\r\n"),
    ("a hexadecimal length", "content-length: 0x0\r\n\r\n"),
    (
        "an endless length",
        "content-length: 99999999999999999999\r\n\r\n",
    ),
    (
        "a blank before the colon",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "another coding",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked, then not",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "a folded header",
        "x: y\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a header without colon", "x\r\ncontent-length: 0\r\n\r\n"),
    ("NUL in a header", "x: a\0b\r\ncontent-length: 0\r\n\r\n"),
    ("a bare CR", "x: a\rcontent-length: 0\r\n\r\n"),
    (
        "a chunk of no size",
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
    ),
    (
        "a chunk too large to count",
        "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ),
    (
        "a negative chunk",
        "transfer-encoding: chunked\r\n\r\n-1\r\n",
    ),
    (
        "a chunk that ends too late",
        "transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled() {
    let server = Victim::start().await;
    let hidden = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    // Where the first one's end is clear, the second one is a request like any other.
    let clear = format!("{head}content-length: 0\r\n\r\n{hidden}");
    assert!(server.raw(clear.as_bytes()).await.contains("HTTP/1.1 200"));
    for (what, before) in BEFORE {
        let answer = server
            .raw(format!("{head}{before}{hidden}").as_bytes())
            .await;
        assert_eq!(status(&answer) / 100, 4, "{what}: {answer}");
        assert!(!answer.contains("HTTP/1.1 200"), "{what}: {answer}");
    }
    server.is_well().await;
}
