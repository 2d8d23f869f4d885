//! The words of the audit trail: who changed what, and what came of it.
//!
//! An event that is declared as one of the audit ([`event`](mod@crate::event)) tells of a change that a person, a
//! command or the server made. Its line has the target `audit` and, besides its own fields, those of [`FIELDS`].

use std::fmt;

use crate::browser_session::BrowserSessionId;
use crate::client_id::ClientId;
use crate::signing_key::SigningAlg;
use crate::user::UserId;

/// The target of the lines.
pub const TARGET: &str = "audit";

/// The fields that every line of the audit has: who, on what, what came of it, and from where.
pub const FIELDS: [&str; 4] = ["actor", "on", "outcome", "source"];

/// The `outcome` of a change that was made.
pub const DONE: &str = "done";
/// The `outcome` of a change that was tried and not made: the command says why on standard error.
pub const FAILED: &str = "failed";
/// The `source` of what came over no connection.
pub const LOCAL: &str = "local";

/// The party that changed something.
#[derive(Clone, Copy, Debug)]
pub enum Actor<'a> {
    /// A user, at a page.
    User(UserId),
    /// A client, with its credentials.
    Client(&'a ClientId),
    /// An account of the operating system that ran a command.
    Operator(&'a str),
    /// The server, by itself.
    Server,
}

impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Operator(account) => write!(f, "operator:{account}"),
            Self::Server => f.write_str("server"),
        }
    }
}

/// The object of a change.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// A user: what is known of them, their password, or all that they have.
    User(UserId),
    /// The registration of a client, or all that it has.
    Client(&'a ClientId),
    /// The consent of a user to a client.
    Consent(UserId, &'a ClientId),
    /// A session, by its id in the log.
    Family(&'a str),
    /// An access token that belongs to no session.
    AccessToken,
    /// The session of a browser at which a user signed in, and all that belongs to it.
    BrowserSession(BrowserSessionId),
    /// Every session there is.
    AllSessions,
    /// A root key.
    RootKey(u8),
    /// The root keys that a node works with.
    RootKeys,
    /// A key that signs JWTs.
    SigningKey(&'a str),
    /// All keys of an algorithm that sign JWTs.
    SigningKeys(SigningAlg),
    /// The salt of pairwise subject identifiers.
    SubjectSalt,
    /// The certificate that the server shows.
    Certificate,
    /// The database.
    Store,
    /// Configuration, key file and database.
    Installation,
}

impl<'a> Object<'a> {
    /// The user whom it belongs to, for the field `sub`.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User(id) | Self::Consent(id, _) => Some(*id),
            Self::Client(_)
            | Self::Family(_)
            | Self::AccessToken
            | Self::BrowserSession(_)
            | Self::AllSessions
            | Self::RootKey(_)
            | Self::RootKeys
            | Self::SigningKey(_)
            | Self::SigningKeys(_)
            | Self::SubjectSalt
            | Self::Certificate
            | Self::Store
            | Self::Installation => None,
        }
    }

    /// The client that it belongs to, for the field `client_id`.
    pub const fn client(&self) -> Option<&'a ClientId> {
        match self {
            Self::Client(id) | Self::Consent(_, id) => Some(id),
            Self::User(_)
            | Self::Family(_)
            | Self::AccessToken
            | Self::BrowserSession(_)
            | Self::AllSessions
            | Self::RootKey(_)
            | Self::RootKeys
            | Self::SigningKey(_)
            | Self::SigningKeys(_)
            | Self::SubjectSalt
            | Self::Certificate
            | Self::Store
            | Self::Installation => None,
        }
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::Consent(user, client) => write!(f, "consent:{user}:{client}"),
            Self::Family(id) => write!(f, "session:{id}"),
            Self::AccessToken => f.write_str("access_token"),
            Self::BrowserSession(id) => write!(f, "browser_session:{}", id.sid()),
            Self::AllSessions => f.write_str("sessions"),
            Self::RootKey(kid) => write!(f, "root_key:{kid}"),
            Self::RootKeys => f.write_str("root_keys"),
            Self::SigningKey(kid) => write!(f, "signing_key:{kid}"),
            Self::SigningKeys(alg) => write!(f, "signing_keys:{alg}"),
            Self::SubjectSalt => f.write_str("subject_salt"),
            Self::Certificate => f.write_str("certificate"),
            Self::Store => f.write_str("store"),
            Self::Installation => f.write_str("installation"),
        }
    }
}
