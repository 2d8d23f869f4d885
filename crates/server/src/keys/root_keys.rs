//! The root keys that this node works with: those of its file that the store knows.
//!
//! The store says which keys there are and which one seals; the keys themselves are in each node's
//! file. So a key is known everywhere before it is used, and a node that lacks one says so instead of
//! calling tokens garbage.

use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use remint_protocol::keyring::{Keyring, KeyringError};
use remint_protocol::root_key::StoredRootKey;
use remint_protocol::time::Timestamp;
use remint_store::Store;

use super::key_file::{KeyFile, KeyFileError};

/// The reason there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The store does not respond.
    #[error(transparent)]
    Store(#[from] remint_store::Error),
    /// None of the keys that may seal is in the file.
    #[error(
        "the key file {} has none of the keys of this store: copy it from another node, or restore \
         it from your backup",
        file.display()
    )]
    None {
        /// The file.
        file: PathBuf,
    },
    /// The keys do not make a keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl KeysError {
    /// The fault of the file; `None` if it is not to blame.
    pub(crate) const fn fault(&self) -> Option<Fault> {
        match self {
            Self::File(_) | Self::Keyring(_) => Some(Fault::Unusable),
            Self::None { .. } => Some(Fault::ForeignKeys),
            Self::Store(_) => None,
        }
    }
}

/// A fault of the file since its keys were read, which go on working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is missing, damaged, or others may read it.
    Unusable,
    /// It has none of the keys of this store that may seal.
    ForeignKeys,
}

/// The root keys of this node.
#[derive(Clone, Debug)]
pub struct RootKeys {
    keyring: Keyring,
    pub(crate) fault: Option<Fault>,
    /// The numbers of keys that the store lists and this node lacks.
    pub lacks: Vec<u8>,
    /// The numbers of keys that are not the same in the file as in the store.
    pub differs: Vec<u8>,
}

impl RootKeys {
    /// The same keys, with the present fault of their file.
    pub(crate) fn with(&self, fault: Option<Fault>) -> Self {
        Self { fault, ..self.clone() }
    }
}

impl Deref for RootKeys {
    type Target = Keyring;

    fn deref(&self) -> &Keyring {
        &self.keyring
    }
}

/// Reads the file and the store's list of keys. Adds keys that the store does not know, and activates one if
/// none seals yet.
///
/// # Errors
/// [`KeysError`].
pub async fn load(file: &Path, store: &Store, now: Timestamp) -> Result<RootKeys, KeysError> {
    let read = KeyFile::read(file)?;
    let mut stored = store.list_keys().await?;
    if adopt(&read, &stored, store, now).await? {
        stored = store.list_keys().await?;
    }
    resolve(&read, &stored)?.ok_or_else(|| KeysError::None { file: file.to_owned() })
}

/// Reads the file and the store's list of keys, and changes neither.
///
/// # Errors
/// [`KeysError`].
pub async fn look(file: &Path, store: &Store) -> Result<RootKeys, KeysError> {
    let read = KeyFile::read(file)?;
    let mut stored = store.list_keys().await?;
    if !stored.iter().any(|s| s.activated_at.is_some()) {
        stored = as_adopted(&read);
    }
    resolve(&read, &stored)?.ok_or_else(|| KeysError::None { file: file.to_owned() })
}

/// The keys as a store will list them once it has adopted those of its first file.
fn as_adopted(file: &KeyFile) -> Vec<StoredRootKey> {
    let first = file.first_active();
    let stored = file.keys().iter().filter_map(|(kid, key)| {
        Some(StoredRootKey {
            kid: *kid,
            fingerprint: key.fingerprint()?,
            added_at: Timestamp::default(),
            activated_at: (first == Some(*kid)).then(Timestamp::default),
            retired_at: None,
        })
    });
    stored.collect()
}

async fn adopt(
    file: &KeyFile,
    stored: &[StoredRootKey],
    store: &Store,
    now: Timestamp,
) -> Result<bool, KeysError> {
    let mut changed = false;
    for (kid, key) in file.keys() {
        if let Some(fingerprint) = key.fingerprint()
            && !stored.iter().any(|s| s.kid == *kid)
        {
            store.add_key(*kid, fingerprint, now).await?;
            changed = true;
        }
    }
    if !stored.iter().any(|s| s.activated_at.is_some())
        && let Some(first) = file.first_active()
    {
        store.activate_key(first, now).await?;
        changed = true;
    }
    Ok(changed)
}

/// Finds the file's keys that the store lists; `None` if none of them may seal.
fn resolve(file: &KeyFile, stored: &[StoredRootKey]) -> Result<Option<RootKeys>, KeyringError> {
    let (mut roots, mut lacks, mut differs) = (Vec::new(), Vec::new(), Vec::new());
    let mut active: Option<&StoredRootKey> = None;
    let mut usable: Vec<&StoredRootKey> =
        stored.iter().filter(|s| s.retired_at.is_none()).collect();
    // Numbers are used again, so the lowest one need not be the oldest.
    usable.sort_by_key(|known| (known.added_at, known.kid));
    for known in usable {
        let Some((kid, key)) = file.keys().iter().find(|(kid, _)| *kid == known.kid) else {
            lacks.push(known.kid);
            continue;
        };
        if key.fingerprint() != Some(known.fingerprint) {
            differs.push(*kid);
            continue;
        }
        roots.push((*kid, key.clone()));
        if known.activated_at > active.and_then(|a| a.activated_at) {
            active = Some(known);
        }
    }
    let Some(active) = active else { return Ok(None) };
    let elsewhere = lacks.iter().chain(&differs).copied().collect();
    let keyring = Keyring::new(&roots, active.kid)?.with_elsewhere(elsewhere);
    Ok(Some(RootKeys { keyring, fault: None, lacks, differs }))
}

/// A value that changes when a file does; `None` while there is none. The inode's change time also covers a
/// new mode, and a copy brings no old one along.
pub(crate) fn stamp(file: &Path) -> Option<(u64, i64, i64)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with that number of keys, and the list of a store that has adopted it.
    fn file(dir: &Path, keys: u8) -> (KeyFile, Vec<StoredRootKey>) {
        let path = dir.join("remint.keys");
        KeyFile::create(&path).unwrap();
        let mut file = KeyFile::read(&path).unwrap();
        while file.keys().len() < keys.into() {
            file.add(std::iter::empty()).unwrap();
        }
        let stored = file.keys().iter().map(|(kid, key)| StoredRootKey {
            kid: *kid,
            fingerprint: key.fingerprint().unwrap(),
            added_at: Timestamp::default(),
            activated_at: None,
            retired_at: None,
        });
        let stored = stored.collect();
        (file, stored)
    }

    fn activate(stored: &mut [StoredRootKey], kid: u8, millis: i64) {
        let key = stored.iter_mut().find(|key| key.kid == kid).unwrap();
        key.activated_at = Some(Timestamp::from_millis(millis));
    }

    #[test]
    fn the_key_that_was_activated_last_seals_where_it_is_here() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, mut stored) = file(dir.path(), 3);
        activate(&mut stored, 1, 2);
        activate(&mut stored, 2, 1);
        let known = resolve(&file, &stored).unwrap().unwrap();
        assert_eq!((known.active(), known.kids().collect()), (1, vec![1, 2, 3]));
        file.remove(1);
        let known = resolve(&file, &stored).unwrap().unwrap();
        assert_eq!((known.active(), &known.lacks[..]), (2, &[1][..]));
        assert!(known.is_elsewhere(1), "a token of it is no garbage");
        file.remove(2);
        assert!(resolve(&file, &stored).unwrap().is_none(), "the third never was active");
    }

    #[test]
    fn a_key_of_another_fingerprint_is_not_worked_with() {
        let dir = tempfile::tempdir().unwrap();
        let (file, mut stored) = file(dir.path(), 2);
        activate(&mut stored, 1, 1);
        activate(&mut stored, 2, 2);
        stored[1].fingerprint = stored[0].fingerprint;
        let known = resolve(&file, &stored).unwrap().unwrap();
        assert_eq!((known.active(), &known.differs[..]), (1, &[2][..]));
        assert!(!known.knows(2) && known.is_elsewhere(2));
    }

    #[test]
    fn a_retired_key_is_garbage_even_where_the_file_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (file, mut stored) = file(dir.path(), 2);
        activate(&mut stored, 1, 1);
        activate(&mut stored, 2, 2);
        stored[0].retired_at = Some(Timestamp::from_millis(3));
        let known = resolve(&file, &stored).unwrap().unwrap();
        assert!(!known.knows(1) && !known.is_elsewhere(1) && known.lacks.is_empty());
    }
}
