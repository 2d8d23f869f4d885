//! What every backend of the store must do: each test runs on each backend.
//!
//! `backend` opens the stores, `samples` makes what is put into them. `durability`, `faults`, `files` and
//! `full_disk` speak of files and locks, and so of SQLite alone; what is PostgreSQL's alone is in
//! `postgres`.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod access_tokens;
#[cfg(test)]
mod backend;
#[cfg(test)]
mod browser_sessions;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod consents;
#[cfg(test)]
mod copy;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod ended_consents;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod families;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod key_numbers;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod listings;
#[cfg(test)]
mod logout_notices;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod signing_keys;
#[cfg(test)]
mod users;
