//! The key file: the root keys, as TOML, at mode 0600. Each node has one; all say the same.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remint_protocol::keyring::RootKey;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::entropy::{self, NoEntropy};

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can not be read or written.
    #[error("cannot {verb} the key file {}: {reason}", file.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// It is not there.
    #[error(
        "there is no key file {}: run `remint init` for a new installation, or restore it from your backup",
        file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// Others may read it.
    #[error("the key file {} can be read by others (mode {mode:03o}): run chmod 600 on it", file.display())]
    Permissions {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not a key file. What stands in it is not repeated here.
    #[error("the key file {} is damaged: restore it from your backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// A number stands twice in it.
    #[error("the key file {} has two keys with the kid {kid}: remove one", file.display())]
    Twice {
        /// The file.
        file: PathBuf,
        /// The number.
        kid: u8,
    },
    /// There is no number left for another key.
    #[error("there is no number left for another key: 255 is the highest kid")]
    NoNumber,
    /// No key can be drawn.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    /// Which key seals, for a store that does not say so yet.
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
}

impl KeyFile {
    /// Makes a key file with one fresh key. Refuses to overwrite.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn create(file: &Path) -> Result<(), KeyFileError> {
        let new =
            Self { file: file.to_owned(), active: None, keys: vec![(1, entropy::root_key()?)] };
        new.write(file).map_err(|reason| new.io("create", reason))
    }

    /// Reads a key file that only its owner may read.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(file: &Path) -> Result<Self, KeyFileError> {
        let io = |reason| KeyFileError::Io { verb: "read", file: file.to_owned(), reason };
        let mode = match std::fs::metadata(file) {
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(KeyFileError::Missing { file: file.to_owned() });
            }
            Err(e) => return Err(io(e)),
        };
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Permissions { file: file.to_owned(), mode });
        }
        let damaged = || KeyFileError::Damaged { file: file.to_owned() };
        let text = Zeroizing::new(std::fs::read_to_string(file).map_err(io)?);
        let parsed: Toml = toml::from_str(&text).map_err(|_| damaged())?;
        let mut keys: Vec<(u8, RootKey)> = Vec::with_capacity(parsed.key.len());
        for Entry { kid, secret } in &parsed.key {
            if keys.iter().any(|(known, _)| known == kid) {
                return Err(KeyFileError::Twice { file: file.to_owned(), kid: *kid });
            }
            let bytes = STANDARD.decode(secret.as_bytes()).map_err(|_| damaged())?;
            keys.push((*kid, RootKey(bytes.try_into().map_err(|_| damaged())?)));
        }
        Ok(Self { file: file.to_owned(), active: parsed.active, keys })
    }

    /// The keys with their numbers.
    pub fn keys(&self) -> &[(u8, RootKey)] {
        &self.keys
    }

    /// Which key seals where the store does not say so yet.
    pub fn first_active(&self) -> Option<u8> {
        self.active.or_else(|| self.keys.iter().map(|(kid, _)| *kid).min())
    }

    /// Adds a fresh key, with a number above all that were ever used.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn add(&mut self, used: impl Iterator<Item = u8>) -> Result<u8, KeyFileError> {
        let newest = self.keys.iter().map(|(kid, _)| *kid).chain(used).max().unwrap_or(0);
        let kid = newest.checked_add(1).ok_or(KeyFileError::NoNumber)?;
        self.keys.push((kid, entropy::root_key()?));
        Ok(kid)
    }

    /// Removes a key.
    pub fn remove(&mut self, kid: u8) {
        self.keys.retain(|(known, _)| *known != kid);
    }

    /// Puts this in the place of the file, as a whole or not at all.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn save(&self) -> Result<(), KeyFileError> {
        let new = self.file.with_extension("keys-new");
        let written = match std::fs::remove_file(&new) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => self.write(&new).and_then(|()| std::fs::rename(&new, &self.file)),
        };
        written.map_err(|reason| self.io("write", reason))
    }

    fn write(&self, file: &Path) -> std::io::Result<()> {
        let mut text = Zeroizing::new(HEAD.to_owned());
        for (kid, key) in &self.keys {
            let secret = Zeroizing::new(STANDARD.encode(key.0));
            text.push_str(&format!("\n[[key]]\nkid = {kid}\nsecret = \"{}\"\n", *secret));
        }
        let mut out =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()
    }

    fn io(&self, verb: &'static str, reason: std::io::Error) -> KeyFileError {
        KeyFileError::Io { verb, file: self.file.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
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
        let full = file.add([255].into_iter()).unwrap_err().to_string();
        assert!(full.contains("255 is the highest"), "{full}");
    }
}
