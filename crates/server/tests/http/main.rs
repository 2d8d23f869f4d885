//! The server over real sockets: every rule as a client, a stranger or a broken network meets it.
//!
//! A test named `checklist_NN_…` proves line NN of the security checklist that the project is held
//! to. `site` is the server with a client, a user and a clock that stands still until it is set.

// Each marked, because clippy allows `unwrap` and its like in modules that are marked as tests alone.
#[cfg(test)]
mod account;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod backchannel;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod client_auth;
#[cfg(test)]
mod code_flow;
#[cfg(test)]
mod cors;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod front;
#[cfg(test)]
mod frontchannel;
#[cfg(test)]
mod guesses;
#[cfg(test)]
mod hardening;
#[cfg(test)]
mod introspect;
#[cfg(test)]
mod jwt_access_token;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lockouts;
#[cfg(test)]
mod logout;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pairwise;
#[cfg(test)]
mod playground;
#[cfg(test)]
mod races;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod request_limits;
#[cfg(test)]
mod revoke;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod site;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod thefts;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod token;
#[cfg(test)]
mod unlisted_keys;
#[cfg(test)]
mod userinfo;
#[cfg(test)]
mod visitor;
