//! A stretch of network between a server and its database that can be cut, or say nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Carries connections to one place. Ends when dropped.
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) address: SocketAddr,
    weather: watch::Sender<Weather>,
    cut: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Weather {
    /// Nothing is carried, in either direction, and nothing is lost.
    is_silent: bool,
    /// How often all connections were cut.
    cuts: usize,
    /// How often all connections were forgotten.
    lapses: usize,
}

impl Weather {
    /// Whether a connection is carried that was made in a given weather.
    fn carries(&self, made_in: &Self) -> bool {
        !self.is_silent && self.lapses == made_in.lapses
    }
}

impl Proxy {
    /// Listens on a port of its own.
    pub(super) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, seen) = watch::channel(Weather::default());
        let cut = Arc::new(AtomicUsize::new(0));
        let listening = tokio::spawn(listen(listener, to, seen, Arc::clone(&cut)));
        Self {
            address,
            weather,
            cut,
            listening,
        }
    }

    /// Carries nothing any more for any connection that there is, not even that an end has closed it;
    /// new ones are carried. So does a router that has lost what it knew.
    pub(super) fn forget(&self) {
        self.weather.send_modify(|weather| weather.lapses += 1);
    }

    /// Resets every connection that there is.
    pub(super) fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// How many connections were reset.
    pub(super) fn has_cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }

    /// Says nothing any more, or carries everything again, what came meanwhile included.
    pub(super) fn be_silent(&self, is_silent: bool) {
        self.weather
            .send_modify(|weather| weather.is_silent = is_silent);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(
    listener: TcpListener,
    to: SocketAddr,
    weather: watch::Receiver<Weather>,
    cut: Arc<AtomicUsize>,
) {
    while let Ok((from, _)) = listener.accept().await {
        let (weather, cut) = (weather.clone(), Arc::clone(&cut));
        tokio::spawn(async move {
            if connect(from, to, weather).await {
                cut.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Carries a connection until one end closes it, or until it is cut: whether it was.
async fn connect(mut from: TcpStream, to: SocketAddr, weather: watch::Receiver<Weather>) -> bool {
    let Ok(mut to) = TcpStream::connect(to).await else {
        return false;
    };
    let before = *weather.borrow();
    let mut cuts = weather.clone();
    let is_cut = {
        let ((from_read, from_write), (to_read, to_write)) = (from.split(), to.split());
        tokio::select! {
            () = carry(from_read, to_write, weather.clone(), before) => false,
            () = carry(to_read, from_write, weather, before) => false,
            cut = cuts.wait_for(|weather| weather.cuts > before.cuts) => cut.is_ok(),
        }
    };
    if is_cut {
        // Closed like this, both ends see a reset, and lose what they have not read yet.
        let _ = from.set_zero_linger().and(to.set_zero_linger());
    }
    is_cut
}

async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut weather: watch::Receiver<Weather>,
    made_in: Weather,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        let carried = weather.wait_for(|weather| weather.carries(&made_in));
        let (Ok(length @ 1..), true) = (read, carried.await.is_ok()) else {
            return;
        };
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
