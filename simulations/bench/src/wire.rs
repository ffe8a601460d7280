//! HTTP/1.1 with next to no cost of its own: what a client library spends on a request would be much
//! of what is measured, and would make everybody look alike.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A kept connection, with one request under way at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// The length of the answer that was read last, and is still at the front of the input.
    taken: usize,
}

/// An answer.
pub(crate) struct Answer<'a> {
    /// The status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            input: Vec::with_capacity(8 << 10),
            taken: 0,
        })
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.input.drain(..self.taken);
        self.taken = 0;
        let head = loop {
            if let Some(end) = find(&self.input, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let (status, length) = understand(&self.input[..head])?;
        while self.input.len() < head + length {
            self.read().await?;
        }
        self.taken = head + length;
        let body = &self.input[head..self.taken];
        Ok(Answer { status, body })
    }

    /// The socket, for who goes on with another protocol. Nothing may be left unread.
    pub(crate) fn into_stream(self) -> Result<TcpStream> {
        ensure!(self.input.len() == self.taken, "more than an answer came");
        Ok(self.stream)
    }

    async fn read(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.input).await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }
}

/// The status of an answer and the length of its body.
fn understand(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12));
    let status = status.context("no status")?.parse()?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok((status, value.trim().parse()?));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("the answer comes in pieces, which is not understood here");
        }
    }
    Ok((status, 0))
}

/// Where a text begins in another one.
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|it| it == part)
}

/// Writes a request without a body, or a GET.
pub(crate) fn write_get(out: &mut Vec<u8>, path: &str, token: &str) {
    out.clear();
    for part in [
        "GET ",
        path,
        " HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ",
        token,
        "\r\n\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes a request with a JSON body, under an idempotency key if there is one.
pub(crate) fn write_post(
    out: &mut Vec<u8>,
    method: &str,
    path: &str,
    headers: &str,
    key: Option<&str>,
    body: &[u8],
) {
    out.clear();
    let length = body.len().to_string();
    for part in [
        method,
        " ",
        path,
        " HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ",
        &length,
        "\r\n",
        headers,
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(key) = key {
        for part in ["idempotency-key: ", key, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}
