//! What a journal does to those who use it, decided by a seed: it takes its time, and it fails.

use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::journal::Error;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Good or bad until it is cleared.
pub(crate) struct Weather {
    random: Mutex<StdRng>,
    /// How many in a hundred calls fail.
    rough_percent: u32,
    is_clear: AtomicBool,
}

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done, and the answer comes.
    Done,
    /// It is not, and the answer says so.
    Failed(Failure),
    /// It is done or not, and the answer is lost one way or another.
    Lost { is_done: bool, how: Loss },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Unavailable,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    InDoubt,
    /// It never comes.
    Hangs,
    Panics,
}

impl Weather {
    pub(crate) fn new(seed: u64, rough_percent: u32) -> Self {
        Self {
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            rough_percent,
            is_clear: AtomicBool::new(false),
        }
    }

    /// From now on nothing fails any more.
    pub(crate) fn clear(&self) {
        self.is_clear.store(true, Ordering::Relaxed);
    }

    /// Comes before everything that is read.
    pub(crate) async fn read(&self) -> Result<(), Error> {
        self.take_time().await;
        if self.is_rough() {
            return Err(Error::Unavailable("rough weather".into()));
        }
        Ok(())
    }

    /// Comes before a commit.
    pub(crate) async fn fate(&self) -> Fate {
        self.take_time().await;
        if !self.is_rough() {
            return Fate::Done;
        }
        let is_done = self.draw(2) == 0;
        let lost = |how| Fate::Lost { is_done, how };
        match self.draw(8) {
            0 | 1 => Fate::Failed(Failure::Unavailable),
            2 | 3 => Fate::Failed(Failure::Refused),
            4 | 5 => lost(Loss::InDoubt),
            6 => lost(Loss::Hangs),
            _ => lost(Loss::Panics),
        }
    }

    /// Nothing, a turn of everybody else, or some milliseconds.
    async fn take_time(&self) {
        match self.draw(6) {
            0 => {}
            1 | 2 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(self.draw(5).into())).await,
        }
    }

    fn is_rough(&self) -> bool {
        let is_rough = self.draw(100) < self.rough_percent;
        is_rough && !self.is_clear.load(Ordering::Relaxed)
    }

    fn draw(&self, below: u32) -> u32 {
        self.random.lock().unwrap().random_range(0..below)
    }
}

impl Failure {
    pub(crate) fn error(self) -> Error {
        let why = "rough weather".to_owned();
        match self {
            Self::Unavailable => Error::Unavailable(why),
            Self::Refused => Error::Refused(why),
        }
    }
}

impl Loss {
    /// What the caller gets instead of an answer.
    pub(crate) async fn error(self) -> Error {
        match self {
            Self::InDoubt => Error::InDoubt("rough weather".into()),
            Self::Hangs => pending().await,
            Self::Panics => panic!("rough weather"),
        }
    }
}
