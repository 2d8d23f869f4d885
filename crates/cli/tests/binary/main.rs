//! The executable as a user runs it: commands, the server as a process, crashes, full disks.
//!
//! `home` is an installation in a temporary directory with a server that can be started, stopped
//! and killed.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod application;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod client;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod code_crash;
#[cfg(test)]
mod config;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod files;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod home;
#[cfg(test)]
mod import;
#[cfg(test)]
mod init;
#[cfg(test)]
mod key_numbers;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod session;
#[cfg(test)]
mod signed_in;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod stalled_log;
#[cfg(test)]
mod store;
#[cfg(test)]
mod streams;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod user;
