//! Load: many connections that each ask again once they are answered, or at given moments.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinSet;

use crate::server::Server;
use crate::wire::{Answer, Connection};

/// What one connection asks for.
pub(crate) trait Work: 'static {
    /// Writes the next request; false if there is nothing more to ask.
    fn next(&mut self, out: &mut Vec<u8>) -> bool;

    /// Whether that is the answer that was hoped for.
    fn accept(&mut self, answer: &Answer<'_>) -> bool;
}

/// How long, and how long before anything counts.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    /// While it counts.
    pub(crate) length: Duration,
}

/// What came of a load.
pub(crate) struct Outcome<W> {
    /// Answers a second, while it counted.
    pub(crate) rate: f64,
    /// How long each of them took, in microseconds, in no order.
    pub(crate) micros: Vec<u32>,
    /// What the connections worked on.
    pub(crate) works: Vec<W>,
}

/// When requests go out.
enum Pace {
    /// As soon as the connection is free, until then.
    Closed { until: Instant },
    /// So many a second on all connections together, whatever the answers do.
    Open {
        rate: f64,
        started: Instant,
        until: Instant,
        tickets: Rc<Cell<u64>>,
    },
    /// As soon as the connection is free, until there is nothing more to ask.
    All,
}

/// How long beyond its end a load may go on.
const GRACE: Duration = Duration::from_secs(30);

/// Keeps connections busy for a while; one for each work.
pub(crate) async fn closed<W: Work>(
    address: SocketAddr,
    works: Vec<W>,
    span: Span,
) -> Result<Outcome<W>> {
    let connections = connect(address, works.len()).await?;
    let from = Instant::now() + span.warm_up;
    let until = from + span.length;
    let pace = Rc::new(Pace::Closed { until });
    let running = run(connections, works, pace, from);
    finish(running, span.length, span.warm_up + span.length + GRACE).await
}

/// Sends so many requests a second for a while, over as many connections as there are works. How
/// long an answer takes counts from the moment at which its request was due.
pub(crate) async fn open<W: Work>(
    address: SocketAddr,
    works: Vec<W>,
    span: Span,
    rate: f64,
) -> Result<Outcome<W>> {
    let connections = connect(address, works.len()).await?;
    let started = Instant::now();
    let from = started + span.warm_up;
    let until = from + span.length;
    let tickets = Rc::default();
    let pace = Rc::new(Pace::Open {
        rate,
        started,
        until,
        tickets,
    });
    let running = run(connections, works, pace, from);
    finish(running, span.length, span.warm_up + span.length + GRACE).await
}

/// Asks for everything that there is to ask for.
pub(crate) async fn all<W: Work>(
    address: SocketAddr,
    works: Vec<W>,
    within: Duration,
) -> Result<Outcome<W>> {
    let connections = connect(address, works.len()).await?;
    let started = Instant::now();
    let running = run(connections, works, Rc::new(Pace::All), started);
    let mut outcome = finish(running, Duration::from_secs(1), within).await?;
    outcome.rate = outcome.micros.len() as f64 / started.elapsed().as_secs_f64();
    Ok(outcome)
}

async fn connect(address: SocketAddr, count: usize) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(address).await?);
    }
    Ok(connections)
}

type Running<W> = JoinSet<Result<(W, Vec<u32>)>>;

fn run<W: Work>(
    connections: Vec<Connection>,
    works: Vec<W>,
    pace: Rc<Pace>,
    from: Instant,
) -> Running<W> {
    let mut running = JoinSet::new();
    for (connection, work) in connections.into_iter().zip(works) {
        running.spawn_local(work_off(connection, work, Rc::clone(&pace), from));
    }
    running
}

async fn finish<W: Work>(
    mut running: Running<W>,
    length: Duration,
    within: Duration,
) -> Result<Outcome<W>> {
    let mut outcome = Outcome {
        rate: 0.0,
        micros: Vec::new(),
        works: Vec::new(),
    };
    let gathering = async {
        while let Some(done) = running.join_next().await {
            let (work, micros) = done??;
            outcome.works.push(work);
            outcome.micros.extend(micros);
        }
        anyhow::Ok(())
    };
    let gathered = tokio::time::timeout(within, gathering).await;
    gathered.context("the load does not come to an end")??;
    outcome.rate = outcome.micros.len() as f64 / length.as_secs_f64();
    Ok(outcome)
}

async fn work_off<W: Work>(
    mut connection: Connection,
    mut work: W,
    pace: Rc<Pace>,
    from: Instant,
) -> Result<(W, Vec<u32>)> {
    let mut request = Vec::with_capacity(1 << 10);
    let mut micros = Vec::new();
    while let Some(due) = pace.next().await {
        if !work.next(&mut request) {
            break;
        }
        let answer = connection.exchange(&request).await?;
        if !work.accept(&answer) {
            let body = String::from_utf8_lossy(answer.body);
            bail!("an unexpected answer, {}: {body}", answer.status);
        }
        if pace.counts(due, from) {
            let took = due.elapsed().as_micros();
            micros.push(u32::try_from(took).unwrap_or(u32::MAX));
        }
    }
    Ok((work, micros))
}

impl Pace {
    /// Waits until the next request is due, and says when that was; none if it is over.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::All => Some(Instant::now()),
            Self::Closed { until } => Some(Instant::now()).filter(|now| now < until),
            Self::Open {
                rate,
                started,
                until,
                tickets,
            } => {
                let ticket = tickets.replace(tickets.get() + 1);
                let due = *started + Duration::from_secs_f64(ticket as f64 / rate);
                if due >= *until {
                    return None;
                }
                tokio::time::sleep_until(due.into()).await;
                Some(due)
            }
        }
    }

    /// Closed loads count what is answered within the span, open ones what was due in it.
    fn counts(&self, due: Instant, from: Instant) -> bool {
        match self {
            Self::Closed { until } => {
                let now = Instant::now();
                now >= from && now < *until
            }
            Self::Open { .. } | Self::All => due >= from,
        }
    }
}

/// What a side achieves.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    /// How much a second.
    pub(crate) per_second: f64,
    /// What its server spends on each, in microseconds of CPU time, if it is a process of its own.
    pub(crate) cpu_micros: Option<f64>,
}

/// [`closed`] with an account of the server's CPU time.
pub(crate) async fn measured<W: Work>(server: &Server, works: Vec<W>, span: Span) -> Result<Rate> {
    let cpu = async {
        tokio::time::sleep(span.warm_up).await;
        let before = server.cpu()?;
        tokio::time::sleep(span.length).await;
        anyhow::Ok(server.cpu()? - before)
    };
    let (outcome, cpu) = tokio::try_join!(closed(server.address, works, span), cpu)?;
    Ok(Rate {
        per_second: outcome.rate,
        cpu_micros: Some(cpu * 1e6 / outcome.micros.len() as f64),
    })
}
