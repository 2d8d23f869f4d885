//! A model of refresh token rotation, explored to the end: every state that a small world can reach
//! is visited, and the laws are checked in each. Random histories of larger worlds are in
//! `tests/histories`.
//!
//! The world is one family in a store that can fail over, an honest client, a thief, and requests
//! that are under way, split into read and decide, commit, and answer. What is decided is asked of
//! the real `remint_protocol::refresh::decide`; the model has no table of its own. `holds` has the
//! laws that hold, `limits` has what does not hold, each with a shortest way there.
//!
//! What the model takes for granted:
//! - Row and epoch are read at one moment, and no row of a promoted store is read before its epoch
//!   has risen.
//! - Each failover raises the epoch to a number that no store of this family had before.
//! - A failover takes back the last commits, at most three, and never what ended a family, nor what
//!   was committed before that. Such a commit is seen by nobody before every copy has it.
//! - The store that was replaced is not asked again. A renewal that was decided upon before may still
//!   be committed in its successor.
//! - A request takes less than half the grace period. One that lacks a key is one that vanishes.
//!
//! The bounds are those of each `Setup`: three generations are enough for a failover to take three
//! commits back. Time has no bound, because rows older than grace are all alike.
//!
//! The explorer is one small file of its own. The crate `stateright` would bring some forty others, an
//! HTTP server and random numbers among them, and compares states by fingerprints of 64 bits where
//! this compares them whole.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod explore;
#[cfg(test)]
mod game;
#[cfg(test)]
mod holds;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod play;
#[cfg(test)]
mod server;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod words;
#[cfg(test)]
mod world;
