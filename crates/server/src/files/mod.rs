//! Files that hold secrets, and files that are there whole or not at all.

pub mod secret_file;
pub mod whole_file;
