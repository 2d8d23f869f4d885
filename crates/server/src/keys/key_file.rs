//! The key file: the root keys, as TOML, for its owner alone. Each node has one; all are the same.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remint_protocol::keyring::RootKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::entropy::{self, NoEntropy};
use crate::files::secret_file::{self, SecretFileError};
use crate::files::whole_file::{Draft, WriteError};

/// The reason a key file cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read, or others can read it.
    #[error("the key file {0}")]
    Read(#[from] SecretFileError),
    /// It cannot be written.
    #[error("the key file: {0}")]
    Write(#[from] WriteError),
    /// It is not there.
    #[error(
        "there is no key file {}: run `remint init` for a new installation, or restore it from your backup",
        file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// It is not a key file. Its content is not repeated here.
    #[error("the key file {} is damaged: restore it from your backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// A number is in it twice.
    #[error("the key file {} has two keys with the kid {kid}: remove one", file.display())]
    Twice {
        /// The file.
        file: PathBuf,
        /// The number.
        kid: u8,
    },
    /// There is no number left for another key.
    #[error(
        "there is no number left for another key: each of 1 to 255 is a key's that is in use, or one that \
         sessions, clients or signing keys still refer to; retire root keys, and try again when their \
         sessions have expired"
    )]
    NoNumber,
    /// No key can be drawn.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    /// The key that seals, for a store that names none yet.
    #[serde(default)]
    active: Option<u8>,
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: u8,
    secret: Zeroizing<String>,
}

const HEAD: &str = "# The root keys of this Remint. Whoever reads this file can forge access tokens, and, with a\n\
    # session's refresh token at hand, that session's later ones. Without it nobody stays logged in:\n\
    # back it up, apart from the database. Every node has the same file; see `remint key --help`.\n";

/// The root keys of a node, as its file has them.
#[derive(Debug)]
pub struct KeyFile {
    file: PathBuf,
    active: Option<u8>,
    keys: Vec<(u8, RootKey)>,
    /// Keeps others from changing the file meanwhile.
    draft: Option<Draft>,
}

impl KeyFile {
    /// Makes a key file with one fresh key. Refuses to overwrite.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn create(file: &Path) -> Result<(), KeyFileError> {
        let draft = Draft::create(file, 0o600)?;
        Ok(draft.put(text(&[(1, entropy::root_key()?)]).as_bytes())?)
    }

    /// Reads a key file that nobody else may read.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(file: &Path) -> Result<Self, KeyFileError> {
        let bytes = secret_file::read(file).map_err(|error| match error {
            SecretFileError::Io { reason, .. } if reason.kind() == ErrorKind::NotFound => {
                KeyFileError::Missing { file: file.to_owned() }
            }
            error => error.into(),
        })?;
        let damaged = || KeyFileError::Damaged { file: file.to_owned() };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
        let parsed: Toml = toml::from_str(text).map_err(|_| damaged())?;
        let mut keys: Vec<(u8, RootKey)> = Vec::with_capacity(parsed.key.len());
        for Entry { kid, secret } in &parsed.key {
            if keys.iter().any(|(known, _)| known == kid) {
                return Err(KeyFileError::Twice { file: file.to_owned(), kid: *kid });
            }
            let bytes = STANDARD.decode(secret.as_bytes()).map_err(|_| damaged())?;
            keys.push((*kid, RootKey(bytes.try_into().map_err(|_| damaged())?)));
        }
        Ok(Self { file: file.to_owned(), active: parsed.active, keys, draft: None })
    }

    /// Reads a key file that is going to be changed. Nobody else changes it before this is saved or dropped.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_to_change(file: &Path) -> Result<Self, KeyFileError> {
        // Faults of the file are reported before faults in changing it.
        Self::read(file)?;
        let draft = Some(Draft::replace(file)?);
        Ok(Self { draft, ..Self::read(file)? })
    }

    /// The keys with their numbers.
    pub fn keys(&self) -> &[(u8, RootKey)] {
        &self.keys
    }

    /// The key that seals while the store names none.
    pub fn first_active(&self) -> Option<u8> {
        self.active.or_else(|| self.keys.iter().map(|(kid, _)| *kid).min())
    }

    /// Adds a fresh key, with a number that was never used.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn add(&mut self, used: impl Iterator<Item = u8>) -> Result<u8, KeyFileError> {
        self.add_or_reuse(&used.collect::<Vec<_>>(), &[])
    }

    /// Adds a fresh key: with a number above all that were ever used, while there is one, then with one that
    /// was never used, and then with the lowest of those that are free to be used again.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn add_or_reuse(&mut self, used: &[u8], free: &[u8]) -> Result<u8, KeyFileError> {
        let here = |kid: u8| self.keys.iter().any(|(own, _)| *own == kid);
        let newest = self.keys.iter().map(|(kid, _)| *kid).chain(used.iter().copied()).max();
        let above = newest.unwrap_or(0).checked_add(1);
        let unused = || (1..=u8::MAX).find(|kid| !here(*kid) && !used.contains(kid));
        let again = || free.iter().copied().filter(|kid| *kid > 0 && !here(*kid)).min();
        let kid = above.or_else(unused).or_else(again).ok_or(KeyFileError::NoNumber)?;
        self.keys.push((kid, entropy::root_key()?));
        Ok(kid)
    }

    /// Removes a key.
    pub fn remove(&mut self, kid: u8) {
        self.keys.retain(|(known, _)| *known != kid);
    }

    /// Replaces the file, as a whole or not at all.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn save(&mut self) -> Result<(), KeyFileError> {
        let draft = match self.draft.take() {
            Some(draft) => draft,
            None => Draft::replace(&self.file)?,
        };
        Ok(draft.put(text(&self.keys).as_bytes())?)
    }
}

fn text(keys: &[(u8, RootKey)]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(HEAD.to_owned());
    for (kid, key) in keys {
        let secret = Zeroizing::new(STANDARD.encode(key.0));
        text.push_str(&format!("\n[[key]]\nkid = {kid}\nsecret = \"{}\"\n", *secret));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("remint.keys");
        KeyFile::create(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KeyFile::read(&file).unwrap().first_active(), Some(1));
        assert!(KeyFile::create(&file).unwrap_err().to_string().contains("File exists"));
    }

    #[test]
    fn a_key_file_that_others_may_read_or_that_is_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("remint.keys");
        KeyFile::create(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(KeyFile::read(&file).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, "active = 1\n[[key]]\nkid = 1\nsecret = \"c2hvcnQ=\"\n").unwrap();
        let error = KeyFile::read(&file).unwrap_err().to_string();
        assert!(error.contains("damaged") && !error.contains("c2hvcnQ"), "{error}");
    }

    #[test]
    fn a_key_that_is_added_has_a_number_above_all_others_and_removed_ones_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("remint.keys");
        KeyFile::create(&path).unwrap();
        let kids = || -> Vec<u8> {
            KeyFile::read(&path).unwrap().keys().iter().map(|(kid, _)| *kid).collect()
        };
        let mut file = KeyFile::read(&path).unwrap();
        assert_eq!(file.add([7].into_iter()).unwrap(), 8);
        file.save().unwrap();
        assert_eq!(kids(), [1, 8]);
        file.remove(1);
        file.save().unwrap();
        assert_eq!(kids(), [8]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn after_the_highest_number_those_are_used_that_never_were_and_then_those_that_are_free_again()
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("remint.keys");
        KeyFile::create(&path).unwrap();
        let mut file = KeyFile::read(&path).unwrap();
        let mut used: Vec<u8> = (1..=255).filter(|kid| *kid != 200).collect();
        assert_eq!(file.add_or_reuse(&used, &[7, 9]).unwrap(), 200);
        used.push(200);
        assert_eq!(file.add_or_reuse(&used, &[0, 1, 9, 7]).unwrap(), 7, "1 is in the file");
        assert_eq!(file.add_or_reuse(&used, &[9, 7]).unwrap(), 9);
        let full = file.add_or_reuse(&used, &[9, 7]).unwrap_err().to_string();
        assert!(full.contains("no number left for another key"), "{full}");
    }
}
