//! The logout token (OpenID Connect Back-Channel Logout 1.0 §2.4): tells a client that a session, or
//! every session of a user, is over.
//!
//! It has no `nonce`, whatever is asked: that is what keeps it from passing for an ID token.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::id_token::SubjectId;
use crate::time::Timestamp;
use crate::token::Jti;

/// The `typ` of a logout token.
pub const TYP: &str = "logout+jwt";

/// The member of `events` that says what it is.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// §2.4 recommends two minutes at most, because a captured one could be sent again.
pub const LIFETIME: Duration = Duration::from_mins(2);

/// The session, or all sessions, that are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Every session of the user with the client.
    User(SubjectId),
    /// One session; the client need not know whose.
    Session(String),
    /// One session of the user.
    SessionOf(SubjectId, String),
}

/// The claims of a logout token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutToken {
    /// The issuer.
    pub iss: String,
    /// The client that is told.
    pub aud: String,
    /// The time at which it was issued, in seconds.
    pub iat: i64,
    /// Its end, in seconds.
    pub exp: i64,
    /// Its unique number.
    pub jti: String,
    /// The event that it announces.
    pub events: Events,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<SubjectId>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

/// The one event, with an empty object for its details.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, BTreeMap<String, String>>")]
pub struct Events;

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(EVENT, &BTreeMap::<&str, &str>::new())?;
        map.end()
    }
}

impl TryFrom<BTreeMap<String, BTreeMap<String, String>>> for Events {
    type Error = &'static str;

    fn try_from(all: BTreeMap<String, BTreeMap<String, String>>) -> Result<Self, Self::Error> {
        if all.contains_key(EVENT) { Ok(Self) } else { Err("no event of a back-channel logout") }
    }
}

impl LogoutToken {
    /// Tells `client_id` what is over.
    pub fn new(iss: &str, client_id: &str, over: Over, jti: Jti, now: Timestamp) -> Self {
        // §2.4: sub, sid, or both.
        let (sub, sid) = match over {
            Over::User(sub) => (Some(sub), None),
            Over::Session(sid) => (None, Some(sid)),
            Over::SessionOf(sub, sid) => (Some(sub), Some(sid)),
        };
        Self {
            iss: iss.to_owned(),
            aud: client_id.to_owned(),
            iat: now.as_secs(),
            exp: now.after(LIFETIME).as_secs(),
            jti: URL_SAFE_NO_PAD.encode(jti.0),
            events: Events,
            sub,
            sid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(over: Over) -> Value {
        let now = Timestamp::from_millis(1_700_000_000_999);
        let token = LogoutToken::new("https://id.example.com", "shop", over, Jti([7; 16]), now);
        serde_json::to_value(token).unwrap()
    }

    #[test]
    fn checklist_78_a_logout_token_has_what_the_specification_wants_and_never_a_nonce() {
        let sub = || SubjectId::parse("usr_1").unwrap();
        let claims = |over| {
            let mut all = json!({
                "iss": "https://id.example.com",
                "aud": "shop",
                "iat": 1_700_000_000,
                "exp": 1_700_000_120,
                "jti": "BwcHBwcHBwcHBwcHBwcHBw",
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            });
            for (name, value) in over {
                all[name] = Value::from(value);
            }
            all
        };
        assert_eq!(told(Over::User(sub())), claims(vec![("sub", "usr_1")]));
        assert_eq!(told(Over::Session("ses_1".into())), claims(vec![("sid", "ses_1")]));
        let both = Over::SessionOf(sub(), "ses_1".into());
        assert_eq!(told(both), claims(vec![("sub", "usr_1"), ("sid", "ses_1")]));
        assert_eq!(TYP, "logout+jwt");
    }

    #[test]
    fn a_logout_token_reads_back_and_one_without_the_event_does_not() {
        let mut claims = told(Over::Session("ses_1".into()));
        let read: LogoutToken = serde_json::from_value(claims.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), claims);
        claims["events"] = json!({ "http://schemas.openid.net/event/other": {} });
        assert!(serde_json::from_value::<LogoutToken>(claims).is_err());
    }
}
