//! Passwords: argon2id, off the async threads, so many at once and no more.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::config::Auth;

/// Why a password could not be looked at. Says nothing about the password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The parameters, or a stored hash, do not fit argon2.
    #[error("argon2: {0}")]
    Argon2(String),
    /// Too many are waiting.
    #[error("too many passwords are waiting to be checked")]
    Overloaded,
    /// The worker ended without an answer.
    #[error("a password worker ended without an answer")]
    Worker,
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// One permit for each that is worked on or waits.
    queue: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    /// Checked where there is no user, so that the answer takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    /// With the parameters and bounds of the configuration.
    ///
    /// # Errors
    /// When argon2 does not take the parameters.
    pub fn new(config: &Auth) -> Result<Self, Error> {
        let params = Params::new(
            config.password_memory_kib.get(),
            config.password_passes.get(),
            config.password_lanes.get(),
            None,
        )
        .map_err(|error| Error::Argon2(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let workers = config.password_workers.get() as usize;
        let waiting = config.password_queue.get() as usize;
        Ok(Self {
            nobody: hash(&argon2, &rand::random::<[u8; 16]>())?.into(),
            argon2,
            queue: Arc::new(Semaphore::new(workers + waiting)),
            workers: Arc::new(Semaphore::new(workers)),
        })
    }

    /// The hash to store, as a PHC string: it carries its salt and parameters.
    ///
    /// # Errors
    /// When too many are waiting.
    pub async fn hash(&self, password: &str) -> Result<String, Error> {
        let argon2 = self.argon2.clone();
        let password = password.to_owned();
        self.work(move || hash(&argon2, password.as_bytes())).await
    }

    /// Whether the password is the one of the stored hash. Without a hash, because there is no
    /// such user, the answer is no and takes as long.
    ///
    /// # Errors
    /// When too many are waiting, or the stored hash is none.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Error> {
        let argon2 = self.argon2.clone();
        let password = password.to_owned();
        let exists = stored.is_some();
        let stored = stored.map_or_else(|| self.nobody.clone(), Arc::from);
        self.work(move || {
            let hash =
                PasswordHash::new(&stored).map_err(|error| Error::Argon2(error.to_string()))?;
            let fits = argon2.verify_password(password.as_bytes(), &hash).is_ok();
            Ok(fits && exists)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let _place = self.queue.try_acquire().map_err(|_| Error::Overloaded)?;
        let worker = self.workers.clone().acquire_owned().await;
        let worker = worker.map_err(|_| Error::Worker)?;
        tokio::task::spawn_blocking(move || {
            // Held by the job, not by the caller: a caller that gives up frees no core.
            let _worker = worker;
            job()
        })
        .await
        .map_err(|_| Error::Worker)?
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, Error> {
    argon2
        .hash_password(password)
        .map(|hash| hash.to_string())
        .map_err(|error| Error::Argon2(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn passwords(queue: &str) -> Passwords {
        let cheap = [
            ("QUENTY__AUTH__PASSWORD_MEMORY_KIB", "64"),
            ("QUENTY__AUTH__PASSWORD_WORKERS", "1"),
            ("QUENTY__AUTH__PASSWORD_QUEUE", queue),
        ];
        let cheap = cheap.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Passwords::new(&Config::load_with(None, cheap).unwrap().auth).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_user_fits() {
        let passwords = passwords("4");
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=64,t=2,p=1$"),
            "{stored}"
        );
        assert!(
            passwords
                .verify("correct horse", Some(&stored))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify("wrong horse", Some(&stored))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("correct horse", None).await.unwrap());
    }

    #[tokio::test]
    async fn beyond_the_queue_they_are_turned_away() {
        let passwords = passwords("1");
        let _busy = passwords.workers.clone().acquire_owned().await.unwrap();
        let waiting = [passwords.clone(), passwords.clone()]
            .map(|passwords| tokio::spawn(async move { passwords.hash("x").await }));
        tokio::task::yield_now().await;
        assert!(matches!(passwords.hash("x").await, Err(Error::Overloaded)));
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
