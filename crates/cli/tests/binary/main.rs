//! The executable as a user runs it: commands, the server as a process, crashes, full disks.
//!
//! `home` is an installation in a temporary directory with a server that can be started, stopped
//! and killed.

#[cfg(test)]
mod application;
#[cfg(test)]
mod certificate;
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
mod home;
#[cfg(test)]
mod import;
#[cfg(test)]
mod init;
#[cfg(test)]
mod profile;
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
mod store;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod user;
