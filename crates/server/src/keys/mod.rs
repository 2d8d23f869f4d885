//! The keys: root keys, which are in a file and seal, and signing keys, which are in the store and sign.

mod key_file;
mod root_keys;
pub mod signing;

pub use key_file::{KeyFile, KeyFileError};
pub(crate) use root_keys::{Fault, stamp};
pub use root_keys::{KeysError, RootKeys, load, look};
