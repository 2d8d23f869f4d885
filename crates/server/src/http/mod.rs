//! Connections and requests, before and around what an endpoint does: TLS, hosts, bodies, sources, credentials,
//! refusals.

pub(crate) mod bearer;
pub(crate) mod body;
pub(crate) mod client_auth;
pub(crate) mod client_ip;
pub(crate) mod client_request;
pub(crate) mod cookie;
pub(crate) mod cookie_names;
pub(crate) mod cors;
pub(crate) mod failure;
pub(crate) mod field;
pub(crate) mod front;
pub(crate) mod host;
pub(crate) mod limits;
pub(crate) mod notes;
pub(crate) mod observe;
pub mod serve;
pub(crate) mod throttle;
pub mod tls;
