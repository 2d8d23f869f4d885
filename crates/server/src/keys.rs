//! The key file: the root keys, as TOML, at mode 0600.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remint_protocol::keyring::{Keyring, KeyringError, RootKey};
use serde::{Deserialize, Serialize};

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
    /// Its keys do not go together.
    #[error("the key file {}: {reason}", file.display())]
    Keyring {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: KeyringError,
    },
    /// No key can be drawn.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    /// The key that seals new tokens.
    active: u8,
    key: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: u8,
    secret: String,
}

const HEAD: &str = "# The root keys of this Remint. Whoever reads this file can forge access tokens, and, with a\n\
    # session's refresh token at hand, that session's later ones. Without it nobody stays logged in:\n\
    # back it up, apart from the database.\n";

/// Makes a key file with one fresh key. Refuses to overwrite.
///
/// # Errors
/// [`KeyFileError`].
pub fn create(file: &Path) -> Result<(), KeyFileError> {
    let io = |reason| KeyFileError::Io { verb: "create", file: file.to_owned(), reason };
    let secret = STANDARD.encode(entropy::root_key()?.0);
    let text = format!("{HEAD}active = 1\n\n[[key]]\nkid = 1\nsecret = \"{secret}\"\n");
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(io)?;
    out.write_all(text.as_bytes()).map_err(io)?;
    out.sync_all().map_err(io)
}

/// Reads a key file that only its owner may read.
///
/// # Errors
/// [`KeyFileError`].
pub fn read(file: &Path) -> Result<Keyring, KeyFileError> {
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
    let text = std::fs::read_to_string(file).map_err(io)?;
    let parsed: KeyFile = toml::from_str(&text).map_err(|_| damaged())?;
    let mut roots = Vec::with_capacity(parsed.key.len());
    for entry in &parsed.key {
        let bytes = STANDARD.decode(&entry.secret).map_err(|_| damaged())?;
        roots.push((entry.kid, RootKey(bytes.try_into().map_err(|_| damaged())?)));
    }
    Keyring::new(&roots, parsed.active)
        .map_err(|reason| KeyFileError::Keyring { file: file.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("remint.keys");
        create(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&file).unwrap().active(), 1);
        assert!(create(&file).unwrap_err().to_string().contains("File exists"));
    }

    #[test]
    fn a_key_file_that_others_may_read_or_that_is_damaged_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("remint.keys");
        create(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, "active = 1\n[[key]]\nkid = 1\nsecret = \"c2hvcnQ=\"\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("damaged") && !error.contains("c2hvcnQ"), "{error}");
    }
}
