//! Passwords: argon2id (RFC 9106) in a bounded pool, so that logins can not starve refreshes.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::config::Passwords as Settings;
use crate::entropy;

/// Hashes and checks passwords.
#[derive(Debug)]
pub struct Passwords {
    hasher: Hasher,
    /// What the password of an unknown user is checked against, so that it costs the same.
    decoy: String,
    /// Running and waiting.
    places: Semaphore,
    /// Running.
    workers: Semaphore,
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

#[derive(Clone, Debug)]
struct Hasher(Argon2<'static>);

impl Passwords {
    /// A pool as configured.
    ///
    /// # Errors
    /// When the parameters make no sense together.
    pub fn new(settings: &Settings) -> Result<Self, PasswordError> {
        let params = Params::new(settings.memory.0, settings.iterations, 1, None)
            .map_err(|_| PasswordError::Failed)?;
        let hasher = Hasher(Argon2::new(Algorithm::Argon2id, Version::V0x13, params));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if settings.workers == 0 { cores } else { settings.workers as usize };
        let capacity = workers + settings.queue as usize;
        Ok(Self {
            decoy: hasher.decoy()?,
            hasher,
            places: Semaphore::new(capacity),
            workers: Semaphore::new(workers),
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
        let _place = self.places.try_acquire().map_err(|_| PasswordError::Overloaded)?;
        let _worker = self.workers.acquire().await.map_err(|_| PasswordError::Failed)?;
        let hasher = self.hasher.clone();
        let decoy = self.decoy.clone();
        let work = move || match stored {
            Some(stored) => hasher.check(&password, &stored),
            None => hasher.check(&password, &decoy).map(|_| Checked::Wrong),
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)?
    }

    /// How many are running or waiting.
    pub fn busy(&self) -> usize {
        self.capacity.saturating_sub(self.places.available_permits())
    }
}

impl Hasher {
    fn hash(&self, password: &SecretString) -> Result<String, PasswordError> {
        let salt: [u8; 16] = entropy::bytes().map_err(|_| PasswordError::Failed)?;
        let hash = self.0.hash_password_with_salt(password.expose_secret().as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(|_| PasswordError::Failed)
    }

    /// The hash of nothing that anyone could send. Costs no hashing: its parameters alone matter.
    fn decoy(&self) -> Result<String, PasswordError> {
        let salt: [u8; 16] = entropy::bytes().map_err(|_| PasswordError::Failed)?;
        let out: [u8; 32] = entropy::bytes().map_err(|_| PasswordError::Failed)?;
        let params = self.0.params();
        let (memory, passes) = (params.m_cost(), params.t_cost());
        let encode = |bytes: &[u8]| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
        };
        Ok(format!("$argon2id$v=19$m={memory},t={passes},p=1${}${}", encode(&salt), encode(&out)))
    }

    fn check(&self, password: &SecretString, stored: &str) -> Result<Checked, PasswordError> {
        let parsed = PasswordHash::new(stored).map_err(|_| PasswordError::Failed)?;
        // The parameters of the stored hash count, not ours.
        if self.0.verify_password(password.expose_secret().as_bytes(), &parsed).is_err() {
            return Ok(Checked::Wrong);
        }
        let is_current = Params::try_from(&parsed).is_ok_and(|p| {
            p.m_cost() == self.0.params().m_cost() && p.t_cost() == self.0.params().t_cost()
        });
        if is_current {
            Ok(Checked::Right(None))
        } else {
            self.hash(password).map(|h| Checked::Right(Some(h)))
        }
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
}
