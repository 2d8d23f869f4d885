//! Passwords: argon2id (RFC 9106) in a bounded pool, so that logins cannot starve refreshes.

mod queue;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Passwords as Settings;
use crate::entropy;
pub(crate) use queue::Who;
use queue::{Place, Queue, Running};

/// Hashes and checks passwords.
pub struct Passwords {
    hasher: Hasher,
    /// The hash that the password of an unknown user is checked against, so that it costs the same.
    decoy: String,
    queue: Arc<Queue>,
}

/// A place in the pool's queue.
pub(crate) struct Waiting {
    hasher: Hasher,
    decoy: String,
    place: Place,
}

/// A worker of the pool, held until it is dropped.
pub struct Turn {
    hasher: Hasher,
    decoy: String,
    _held: Running,
}

/// The reason why a password was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being checked already.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// Hashing failed: no memory, no randomness, or parameters that make no sense.
    #[error("a password could not be hashed")]
    Failed,
}

/// The result of checking a password.
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
        Ok(Self { decoy: hasher.decoy()?, hasher, queue: Arc::new(Queue::new(workers, capacity)) })
    }

    /// Hashes a password for the store, on the calling thread.
    ///
    /// # Errors
    /// [`PasswordError::Failed`].
    pub fn hash(&self, password: &SecretString) -> Result<String, PasswordError> {
        self.hasher.hash(password)
    }

    /// Takes a place in the queue, at once.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when all are taken by others who have as good a claim.
    pub(crate) fn place(&self, who: Who) -> Result<Waiting, PasswordError> {
        let place = self.queue.place(who).ok_or(PasswordError::Overloaded)?;
        Ok(Waiting { hasher: self.hasher.clone(), decoy: self.decoy.clone(), place })
    }

    /// Waits for a turn to check a password.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] at once when too many wait already.
    pub async fn turn(&self) -> Result<Turn, PasswordError> {
        self.place(Who::KNOWN)?.turn().await
    }

    /// Hashes a password for the store, when its turn comes.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash_in_turn(&self, password: SecretString) -> Result<String, PasswordError> {
        let turn = self.turn().await?;
        let work = move || turn.hasher.hash(&password);
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)?
    }

    /// Returns the number of checks that are running or waiting.
    pub fn busy(&self) -> usize {
        self.queue.busy()
    }
}

impl Waiting {
    /// Waits for a worker.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when somebody with a better claim got the place meanwhile.
    pub(crate) async fn turn(self) -> Result<Turn, PasswordError> {
        let held = self.place.turn().await.ok_or(PasswordError::Overloaded)?;
        Ok(Turn { hasher: self.hasher, decoy: self.decoy, _held: held })
    }
}

impl Turn {
    /// Checks a password against a stored hash; `None` for a user that does not exist, which takes
    /// as long.
    ///
    /// # Errors
    /// [`PasswordError::Failed`].
    pub async fn check(
        self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<(Self, Checked), PasswordError> {
        // The turn goes with the work, not with the request: a client that hangs up does not make
        // room for the next one while its password is still being checked.
        let work = move || {
            let checked = match stored {
                Some(stored) => self.hasher.check(&password, &stored),
                None => self.hasher.check(&password, &self.decoy).map(|_| Checked::Wrong),
            };
            checked.map(|checked| (self, checked))
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)?
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
            self.even_out(&params, password, salt.as_ref(), &mut out)?;
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

    /// Does the work that a hash with weaker parameters than today's saved, so that time does not
    /// tell an account that has not signed in since they were raised from one that does not exist.
    fn even_out(
        &self,
        stored: &Params,
        password: &SecretString,
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), PasswordError> {
        let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        let memory = self.params.m_cost();
        let passes = cost(&self.params).saturating_sub(cost(stored)).div_ceil(memory.into());
        let Ok(passes @ 1..) = u32::try_from(passes) else { return Ok(()) };
        let missing = Params::new(memory, passes, 1, Some(out.len()));
        self.fill(&missing.map_err(|_| PasswordError::Failed)?, password, salt, out)
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

    async fn check(
        pool: &Passwords,
        password: &str,
        stored: Option<&str>,
    ) -> Result<Checked, PasswordError> {
        let stored = stored.map(ToOwned::to_owned);
        let (_turn, checked) = pool.turn().await?.check(password.into(), stored).await?;
        Ok(checked)
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_an_unknown_user_is_wrong() {
        let pool = pool(1, 8);
        let stored = pool.hash(&"wonderland".into()).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{stored}");
        let stored = Some(stored.as_str());
        assert_eq!(check(&pool, "wonderland", stored).await, Ok(Checked::Right(None)));
        assert_eq!(check(&pool, "Wonderland", stored).await, Ok(Checked::Wrong));
        assert_eq!(check(&pool, "wonderland", None).await, Ok(Checked::Wrong));
        assert_eq!(check(&pool, "x", Some("plain")).await, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn checklist_42_an_unknown_users_password_is_hashed_too() {
        let pool = pool(1, 8);
        assert!(pool.hasher.lock().is_empty());
        assert_eq!(check(&pool, "x", None).await, Ok(Checked::Wrong));
        assert_eq!(pool.hasher.lock().len(), 1, "the memory of one hash was used");
    }

    #[tokio::test]
    async fn checklist_42_a_wrong_password_costs_what_it_costs_today() {
        let old = pool(1, 8).hash(&"wonderland".into()).unwrap();
        let memory = Argon2Memory(16 * 1024);
        let today = Settings { memory, iterations: 1, workers: 1, queue: 0 };
        let pool = Passwords::new(&today).unwrap();
        assert_eq!(check(&pool, "x", Some(&old)).await, Ok(Checked::Wrong));
        assert_eq!(pool.hasher.lock()[0].len(), 16 * 1024, "the blocks of today's memory");
    }

    #[tokio::test]
    async fn a_hash_made_with_other_parameters_is_made_anew() {
        let stored = pool(1, 8).hash(&"wonderland".into()).unwrap();
        let checked = check(&pool(2, 8), "wonderland", Some(&stored)).await;
        assert!(matches!(checked, Ok(Checked::Right(Some(new))) if new.contains("t=2")));
    }

    #[tokio::test]
    async fn a_full_pool_refuses_at_once() {
        let pool = pool(1, 0);
        let turn = pool.turn().await.unwrap();
        assert_eq!(pool.busy(), 1);
        assert_eq!(check(&pool, "x", None).await, Err(PasswordError::Overloaded));
        let (turn, _) = turn.check("x".into(), None).await.unwrap();
        assert_eq!(pool.busy(), 1, "until what follows the check is done as well");
        drop(turn);
        assert_eq!(pool.busy(), 0);
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_makes_no_room_while_its_password_is_still_checked() {
        let pool = pool(4, 0);
        let turn = pool.turn().await.unwrap();
        {
            let mut checking = std::pin::pin!(turn.check("x".into(), None));
            // One poll starts the work; then the request is dropped.
            assert!(
                std::future::poll_fn(|cx| std::task::Poll::Ready(checking.as_mut().poll(cx)))
                    .await
                    .is_pending()
            );
        }
        assert_eq!(check(&pool, "x", None).await, Err(PasswordError::Overloaded));
    }
}
