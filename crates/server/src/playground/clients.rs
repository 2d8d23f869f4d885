//! The applications that the playground plays.

use std::fmt;

/// The applications that the playground plays, with secrets that everybody knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PlaygroundClients {
    /// The `client_id` of the public client that signs people in. Its redirect URI is
    /// `{issuer}/playground/callback`, and after signing out people come back to
    /// `{issuer}/playground/signed-out`.
    pub app: &'static str,
    /// The scope that it requests.
    pub scope: &'static str,
    /// Id and secret of the confidential client that serves the resource which the tokens are meant for.
    pub api: (&'static str, &'static str),
}

impl fmt::Debug for PlaygroundClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlaygroundClients({}, {})", self.app, self.api.0)
    }
}
