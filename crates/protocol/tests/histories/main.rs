//! Random histories of the state machines: whatever happens in whatever order, the rules hold.
//!
//! `model` is the world that the rules speak of, kept in memory. `refresh` lets anything happen to
//! one family, `theft` lets a thief and the honest client compete for it, and `guesses` lets
//! somebody try passwords.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod model;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod theft;
