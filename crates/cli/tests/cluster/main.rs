//! Several servers on one PostgreSQL database, all of them real processes: nodes are killed, the
//! database is restarted, replaced by its standby or by a backup, keys change, and nobody honest is
//! logged out.
//!
//! `nodes` are the servers, `session` is an honest client that holds one refresh token, `load` keeps
//! many of them busy while something happens. `REMINT_SOAK` says how many times longer than usual
//! that lasts. `browser` is that of a person, whose pages come from any node.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod again;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod burst;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod code_flow;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod load;
#[cfg(test)]
mod node;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod revoker;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod session;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod thief;
