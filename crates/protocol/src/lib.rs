//! The rules of OAuth, one file per rule, named after the RFC's noun.
//!
//! Everything here is a function from values to a decision. Nothing reads a clock, draws a random
//! number, opens a file or a socket: `now` and fresh randomness are handed in. A test fails when this
//! crate comes to depend on something that could.

// A new variant asks at every place whether it changes anything there. Tests may say "any other".
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

pub mod audit;
pub mod authorize;
pub mod browser_session;
pub mod claims;
pub mod claims_parameter;
pub mod client;
pub mod client_auth;
pub mod client_credentials;
pub mod client_id;
pub mod code;
pub mod consent;
pub mod end_session;
pub mod ends;
pub mod event;
pub mod extent;
pub mod family;
pub mod family_id;
pub mod form;
pub mod grant;
pub mod id_token;
pub mod interaction;
pub mod introspect;
pub mod jwt_access_token;
pub mod keyring;
pub mod logout_notice;
pub mod logout_token;
pub mod password;
pub mod pkce;
pub mod policy;
pub mod public_address;
pub mod redirect_uri;
pub mod refresh;
pub mod registration;
pub mod reject;
pub mod relying_party;
pub mod resource;
pub mod response;
pub mod revoke;
pub mod root_key;
pub mod scope;
pub mod secret;
pub mod signing_key;
pub mod subject;
pub mod throttle;
pub mod time;
pub mod token;
mod token_set;
pub mod user;
pub mod userinfo;
mod wire_names;
