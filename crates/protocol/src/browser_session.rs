//! The session of a browser: who has signed in there, and when.
//!
//! The cookie carries the session's id and a secret, whose hash the store has. The id is the `sid` of
//! ID tokens; it stays when the secret is drawn anew, which happens at every sign-in. A session ends by
//! being idle, by being old, by signing out, and with its user.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ends::Ends;
use crate::secret::SecretHash;
use crate::time::Timestamp;
use crate::user::{UserId, UserStanding};

/// The number of a browser's session: 128 random bits, known to the clients as `sid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrowserSessionId(pub [u8; 16]);

impl BrowserSessionId {
    /// The value of the `sid` claim (OpenID Connect Front-Channel Logout 1.0 §3).
    pub fn sid(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads a `sid` back.
    pub fn from_sid(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for BrowserSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sid())
    }
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// Its number.
    pub id: BrowserSessionId,
    /// The hash of the secret in the cookie.
    pub secret_hash: SecretHash,
    /// The user who has signed in.
    pub user_id: UserId,
    /// The time at which they last proved their identity.
    pub auth_time: Timestamp,
    /// The number of ends that the store had counted then, read together with the password's hash.
    pub proven: Ends,
    /// The time at which the session ends at the latest.
    pub expires_at: Timestamp,
    /// The means of that proof (RFC 8176), separated by spaces.
    pub amr: String,
    /// The time at which they first signed in.
    pub created_at: Timestamp,
    /// The time at which the session was last used, give or take a minute.
    pub seen_at: Timestamp,
    /// The `User-Agent` of the browser, cut to a bounded length.
    pub user_agent: String,
    /// The address that it came from at sign-in.
    pub source: String,
    /// The time at which the person signed out, if they did.
    pub ended_at: Option<Timestamp>,
}

/// The age that `seen_at` may reach before it is written again: a write for each request would cost more than
/// the truth is worth.
pub const SEEN_EVERY: Duration = Duration::from_mins(1);

impl BrowserSession {
    /// Whether the session still speaks for its user, who may leave it unused for `idle`.
    pub fn is_alive(&self, user: Option<UserStanding>, idle: Duration, now: Timestamp) -> bool {
        self.state(user, idle, now) == State::Live
    }

    /// The state of the session, by the first thing that ends it.
    pub fn state(&self, user: Option<UserStanding>, idle: Duration, now: Timestamp) -> State {
        if self.ended_at.is_some() {
            State::Ended
        } else if now >= self.expires_at {
            State::Expired
        } else if now.distance(self.seen_at) >= idle {
            State::Idle
        } else if !user.is_some_and(|user| user.accepts(self.proven, self.auth_time)) {
            State::UserEnded
        } else {
            State::Live
        }
    }

    /// Whether its use is worth writing down.
    pub fn is_to_be_seen(&self, now: Timestamp) -> bool {
        now.distance(self.seen_at) >= SEEN_EVERY
    }
}

/// The fate of a browser's session when somebody signs in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn<'a> {
    /// Nobody was signed in: a new session begins.
    New,
    /// The same person proved again who they are: their session goes on, with a new secret.
    Renew(&'a BrowserSession),
    /// Somebody else was signed in: a new session begins, and once it has, what theirs gave at this browser is
    /// over.
    Replace(&'a BrowserSession),
}

impl<'a> SignIn<'a> {
    /// Decides it for `user`, who has just proven who they are.
    pub fn decide(before: Option<&'a BrowserSession>, user: UserId) -> Self {
        match before {
            None => Self::New,
            Some(session) if session.user_id == user => Self::Renew(session),
            Some(session) => Self::Replace(session),
        }
    }
}

/// The state of a session, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It speaks for its user.
    Live,
    /// The user signed out.
    Ended,
    /// It is as old as sessions may get.
    Expired,
    /// It was not used for as long as sessions may rest.
    Idle,
    /// The user is gone or disabled, or has ended all their sessions.
    UserEnded,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::UserEnded => "ended (user)",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ends::LastEnd;

    pub(crate) fn session(auth_time: Timestamp) -> BrowserSession {
        BrowserSession {
            id: BrowserSessionId([1; 16]),
            secret_hash: SecretHash([2; 32]),
            user_id: UserId([3; 16]),
            auth_time,
            proven: Ends::new(1),
            expires_at: auth_time.after(Duration::from_mins(10)),
            amr: "pwd".into(),
            created_at: auth_time,
            seen_at: auth_time,
            user_agent: String::new(),
            source: String::new(),
            ended_at: None,
        }
    }

    const IDLE: Duration = Duration::from_mins(1);

    #[test]
    fn a_session_ends_by_idling_by_age_by_signing_out_and_with_its_user() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let session = session(at(1000));
        let user = UserStanding { enabled: true, ended: LastEnd::default() };
        let alive = |session: &BrowserSession, user, now| session.is_alive(user, IDLE, at(now));
        assert!(alive(&session, Some(user), 1059));
        assert!(!alive(&session, Some(user), 1060), "idle");
        let used = BrowserSession { seen_at: at(1590), ..session.clone() };
        assert!(alive(&used, Some(user), 1599) && !alive(&used, Some(user), 1600), "old");
        let ended = BrowserSession { ended_at: Some(at(1001)), ..session.clone() };
        assert!(!alive(&ended, Some(user), 1002));
        assert!(!alive(&session, None, 1002), "deleted");
        assert!(!alive(&session, Some(UserStanding { enabled: false, ..user }), 1002));
        let ended = LastEnd { number: Ends::new(2), at: at(900) };
        let everywhere = UserStanding { ended, ..user };
        assert!(!alive(&session, Some(everywhere), 1002), "signed out everywhere");
    }

    #[test]
    fn an_operator_sees_what_ended_a_session() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let session = session(at(1000));
        let user = Some(UserStanding { enabled: true, ended: LastEnd::default() });
        let state =
            |session: &BrowserSession, user, now| session.state(user, IDLE, at(now)).as_str();
        assert_eq!(state(&session, user, 1059), "live");
        assert_eq!(state(&session, user, 1060), "idle");
        assert_eq!(state(&session, user, 1600), "expired");
        assert_eq!(state(&session, None, 1059), "ended (user)");
        let ended = BrowserSession { ended_at: Some(at(1001)), ..session.clone() };
        assert_eq!(state(&ended, None, 1600), "ended");
    }

    #[test]
    fn at_a_browser_the_same_person_goes_on_and_another_one_ends_who_was_there() {
        let session = session(Timestamp::default());
        let (own, other) = (session.user_id, UserId([9; 16]));
        assert_eq!(SignIn::decide(None, own), SignIn::New);
        assert_eq!(SignIn::decide(Some(&session), own), SignIn::Renew(&session));
        assert_eq!(SignIn::decide(Some(&session), other), SignIn::Replace(&session));
    }

    #[test]
    fn a_sid_reads_back() {
        let id = BrowserSessionId([7; 16]);
        assert_eq!(BrowserSessionId::from_sid(&id.sid()), Some(id));
        assert_eq!(BrowserSessionId::from_sid("x"), None);
    }
}
