//! Tokens for clients: access tokens, ID tokens, and the subjects in them.

pub(crate) mod access_token;
pub(crate) mod id_token;
pub(crate) mod subject;
pub(crate) mod token_response;
