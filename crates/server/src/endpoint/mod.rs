//! The endpoints that applications call, one file for each.

pub(crate) mod health;
pub(crate) mod introspect;
pub(crate) mod jwks;
pub(crate) mod metadata;
pub(crate) mod revoke;
pub(crate) mod token;
pub(crate) mod userinfo;
