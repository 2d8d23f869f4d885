//! Passwords: argon2id (RFC 9106) in a bounded pool, so that logins can not starve refreshes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::config::Passwords as Settings;
use crate::entropy;

/// Hashes and checks passwords.
pub struct Passwords {
    hasher: Hasher,
    /// What the password of an unknown user is checked against, so that it costs the same.
    decoy: String,
    /// Running and waiting.
    places: Arc<Semaphore>,
    /// Running.
    workers: Arc<Semaphore>,
    capacity: usize,
}

/// Why a password was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being checked already.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// Hashing failed: no memory, no randomness, or parameters that make no sense.
    #[error("a password could not be hashed")]
    Failed,
}

/// What checking a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is right. Carries a new hash where the stored one was made with other parameters.
    Right(Option<String>),
    /// It is wrong.
    Wrong,
}

const OUTPUT_LEN: usize = 32;

#[derive(Clone)]
struct Hasher {
    params: Params,
    /// Memory that is used again: freed and taken anew for each hash, it would stay with each of
    /// the allocator's arenas.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({} busy)", self.busy())
    }
}

impl Passwords {
    /// A pool as configured.
    ///
    /// # Errors
    /// When the parameters make no sense together.
    pub fn new(settings: &Settings) -> Result<Self, PasswordError> {
        let params = Params::new(settings.memory.0, settings.iterations, 1, None)
            .map_err(|_| PasswordError::Failed)?;
        let hasher = Hasher::new(params);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if settings.workers == 0 { cores } else { settings.workers as usize };
        let capacity = workers + settings.queue as usize;
        Ok(Self {
            decoy: hasher.decoy()?,
            hasher,
            places: Arc::new(Semaphore::new(capacity)),
            workers: Arc::new(Semaphore::new(workers)),
            capacity,
        })
    }

    /// Hashes a password for the store, on the calling thread.
    ///
    /// # Errors
    /// [`PasswordError::Failed`].
    pub fn hash(&self, password: &SecretString) -> Result<String, PasswordError> {
        self.hasher.hash(password)
    }

    /// Checks a password against a stored hash; `None` for a user that does not exist, which takes
    /// as long.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn check(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<Checked, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| PasswordError::Overloaded)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await;
        let worker = worker.map_err(|_| PasswordError::Failed)?;
        let hasher = self.hasher.clone();
        let decoy = self.decoy.clone();
        let work = move || {
            // Held by the work, not by the request: a client that hangs up does not make room for
            // the next one while its password is still being checked.
            let _held = (place, worker);
            match stored {
                Some(stored) => hasher.check(&password, &stored),
                None => hasher.check(&password, &decoy).map(|_| Checked::Wrong),
            }
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)?
    }

    /// How many are running or waiting.
    pub fn busy(&self) -> usize {
        self.capacity.saturating_sub(self.places.available_permits())
    }
}

impl Hasher {
    fn new(params: Params) -> Self {
        Self { params, memory: Arc::default() }
    }

    fn hash(&self, password: &SecretString) -> Result<String, PasswordError> {
        let salt: [u8; 16] = entropy::bytes().map_err(|_| PasswordError::Failed)?;
        let mut out = [0; OUTPUT_LEN];
        self.fill(&self.params, password, &salt, &mut out)?;
        Ok(self.phc(&salt, &out))
    }

    /// The hash of nothing that anyone could send. Costs no hashing: its parameters alone matter.
    fn decoy(&self) -> Result<String, PasswordError> {
        let salt: [u8; 16] = entropy::bytes().map_err(|_| PasswordError::Failed)?;
        let out: [u8; OUTPUT_LEN] = entropy::bytes().map_err(|_| PasswordError::Failed)?;
        Ok(self.phc(&salt, &out))
    }

    fn phc(&self, salt: &[u8], out: &[u8]) -> String {
        let (memory, passes) = (self.params.m_cost(), self.params.t_cost());
        let (salt, out) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out));
        format!("$argon2id$v=19$m={memory},t={passes},p=1${salt}${out}")
    }

    fn check(&self, password: &SecretString, stored: &str) -> Result<Checked, PasswordError> {
        let parsed = PasswordHash::new(stored).map_err(|_| PasswordError::Failed)?;
        let is_argon2id = parsed.algorithm.as_str() == Algorithm::Argon2id.as_str();
        // The parameters of the stored hash count, not ours.
        let params = Params::try_from(&parsed).map_err(|_| PasswordError::Failed)?;
        let (Some(salt), Some(expected), true) = (&parsed.salt, &parsed.hash, is_argon2id) else {
            return Err(PasswordError::Failed);
        };
        let mut out = vec![0; expected.len()];
        self.fill(&params, password, salt.as_ref(), &mut out)?;
        // Compared in constant time by the library.
        if Output::new(&out).map_err(|_| PasswordError::Failed)? != *expected {
            return Ok(Checked::Wrong);
        }
        let is_current =
            params.m_cost() == self.params.m_cost() && params.t_cost() == self.params.t_cost();
        if is_current {
            Ok(Checked::Right(None))
        } else {
            self.hash(password).map(|new| Checked::Right(Some(new)))
        }
    }

    fn fill(
        &self,
        params: &Params,
        password: &SecretString,
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), PasswordError> {
        let mut memory = self.lock().pop().unwrap_or_default();
        memory.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let password = password.expose_secret().as_bytes();
        let filled = argon2.hash_password_into_with_memory(password, salt, out, &mut memory);
        self.lock().push(memory);
        filled.map_err(|_| PasswordError::Failed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Argon2Memory;

    fn pool(iterations: u32, queue: u32) -> Passwords {
        let memory = Argon2Memory(8 * 1024);
        Passwords::new(&Settings { memory, iterations, workers: 1, queue }).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_an_unknown_user_is_wrong() {
        let pool = pool(1, 8);
        let stored = pool.hash(&"wonderland".into()).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{stored}");
        assert_eq!(
            pool.check("wonderland".into(), Some(stored.clone())).await,
            Ok(Checked::Right(None))
        );
        assert_eq!(pool.check("Wonderland".into(), Some(stored)).await, Ok(Checked::Wrong));
        assert_eq!(pool.check("wonderland".into(), None).await, Ok(Checked::Wrong));
        assert_eq!(pool.check("x".into(), Some("plain".into())).await, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn checklist_42_an_unknown_users_password_is_hashed_too() {
        let pool = pool(1, 8);
        assert!(pool.hasher.lock().is_empty());
        assert_eq!(pool.check("x".into(), None).await, Ok(Checked::Wrong));
        assert_eq!(pool.hasher.lock().len(), 1, "the memory of one hash was used");
    }

    #[tokio::test]
    async fn a_hash_made_with_other_parameters_is_made_anew() {
        let stored = pool(1, 8).hash(&"wonderland".into()).unwrap();
        let checked = pool(2, 8).check("wonderland".into(), Some(stored)).await;
        assert!(matches!(checked, Ok(Checked::Right(Some(new))) if new.contains("t=2")));
    }

    #[tokio::test]
    async fn a_full_pool_refuses_at_once() {
        let pool = pool(1, 0);
        let _taken = pool.places.try_acquire().unwrap();
        assert_eq!(pool.busy(), 1);
        assert_eq!(pool.check("x".into(), None).await, Err(PasswordError::Overloaded));
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_makes_no_room_while_its_password_is_still_checked() {
        let pool = pool(4, 0);
        {
            let mut check = std::pin::pin!(pool.check("x".into(), None));
            // One poll starts the work; then the request is dropped.
            assert!(
                std::future::poll_fn(|cx| std::task::Poll::Ready(check.as_mut().poll(cx)))
                    .await
                    .is_pending()
            );
        }
        assert_eq!(pool.check("x".into(), None).await, Err(PasswordError::Overloaded));
    }
}
