//! The authorization code (RFC 6749 §4.1.2, §4.1.3): sealed, so that nothing is written until it is
//! redeemed.
//!
//! ```text
//! "rmac_" base64url( version:1 | kid:1 | SIV( family | secret | user | session | times | bindings | … | tag:16 ) ) checksum:6
//! ```
//!
//! The code carries the id of the family that it will begin. Redeeming it inserts that row, whose primary
//! key makes the code single-use whatever happens at once. It is bound to the client (by the seal), the
//! redirection URI, the PKCE challenge and the browser's session. Whoever presents it a second time, with
//! everything else right, ends the family (RFC 6749 §4.1.2); a request with anything wrong changes nothing.
//!
//! A seal hides and keeps whole; it does not authorize. The code ends in a tag over all the rest of it, made
//! with the hash of the browser session's secret, which is in the store alone. Whoever has nothing but the key
//! file can seal a code, but not one that begins anything.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::authorize::ACR_PASSWORD;
use crate::browser_session::BrowserSessionId;
use crate::client::{Client, GrantType};
use crate::client_id::ClientId;
use crate::consent::{self, Consent};
use crate::ends::Ends;
use crate::extent::Extent;
use crate::family::{Family, Loaded, Origin};
use crate::family_id::FamilyId;
use crate::grant::{Access, Grant, Issuing, NewFamilyIds, Seal};
use crate::keyring::{Keyring, Kind};
use crate::pkce::{self, Challenge};
use crate::policy::Policy;
use crate::redirect_uri::RedirectUri;
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::secret::{FamilySecret, SecretHash};
use crate::time::Timestamp;
use crate::token::{Reader, Unopened, decode, encode, open, push_text, seal};
use crate::user::UserId;

/// The prefix of every authorization code.
pub const CODE_PREFIX: &str = "rmac_";

/// The lifetime of a code (RFC 6749 §4.1.2 recommends at most ten minutes).
pub const LIFETIME: std::time::Duration = std::time::Duration::from_mins(1);

/// The content of a code once opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// The family that it begins.
    pub family: FamilyId,
    /// The secret of that family.
    pub secret: FamilySecret,
    /// The user who authorized it.
    pub user_id: UserId,
    /// The session of the browser that it was authorized in.
    pub browser_session: BrowserSessionId,
    /// The time at which the user proved their identity.
    pub auth_time: Timestamp,
    /// The time at which the code was issued.
    pub issued_at: Timestamp,
    /// The number of ends that the store had counted when the user authorized it.
    pub born: Ends,
    /// The redirection URI that it went to.
    pub redirect_uri: RedirectHash,
    /// Whether the request had that URI, so that the token request must have it too.
    pub redirect_uri_sent: bool,
    /// The challenge that the verifier must fit.
    pub challenge: Option<Challenge>,
    /// The means by which the user proved their identity (RFC 8176).
    pub amr: String,
    /// The granted scope.
    pub scope: Scope,
    /// The granted resources.
    pub resources: Resources,
    /// For the ID token.
    pub nonce: Option<String>,
    /// The claims that were asked for one by one.
    pub claims: String,
}

/// A code as it was presented: what it says, and the tag that shows whether the store stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedCode {
    /// The content.
    pub code: AuthorizationCode,
    tag: [u8; TAG_LEN],
}

const TAG_LEN: usize = 16;

/// The state today of everything that a code depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The session of the browser; `None` for one that is gone.
    pub browser_session: Option<SessionStanding>,
    /// The consent of the user to the client.
    pub consent: Option<Consent>,
    /// The last time that the user ended all that the client had of them.
    pub consent_ended: Ends,
    /// The store's epoch.
    pub epoch: u16,
}

/// The state today of the browser session in which a code was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStanding {
    /// Its user.
    pub user_id: UserId,
    /// The hash of its secret, which is drawn anew at every sign-in.
    pub secret_hash: SecretHash,
    /// The number of ends counted when the user proved their identity.
    pub proven: Ends,
    /// Whether they signed out.
    pub is_ended: bool,
}

/// The SHA-256 of a redirection URI: a code should not be as long as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectHash(pub [u8; 32]);

impl RedirectHash {
    /// Of a redirection URI.
    pub fn of(uri: &str) -> Self {
        Self(Sha256::digest(uri).into())
    }
}

impl AuthorizationCode {
    /// Seals the code for `client`, bound to a browser session whose secret has the hash `session`. `None`
    /// where it holds more than can be encoded.
    pub fn seal(&self, keys: &Keyring, client: &ClientId, session: &SecretHash) -> Option<String> {
        let mut content = self.content()?;
        content.extend_from_slice(&tag(session, client, &content));
        let sealed = seal(keys, keys.active(), Kind::Code, client.as_str(), &content)?;
        Some(encode(CODE_PREFIX, &sealed))
    }

    fn content(&self) -> Option<Vec<u8>> {
        let mut content = Vec::with_capacity(288);
        content.extend_from_slice(&self.family.0);
        content.extend_from_slice(self.secret.expose());
        content.extend_from_slice(&self.user_id.0);
        content.extend_from_slice(&self.browser_session.0);
        content.extend_from_slice(&self.auth_time.as_millis().to_be_bytes());
        content.extend_from_slice(&self.issued_at.as_millis().to_be_bytes());
        content.extend_from_slice(&self.born.number().to_be_bytes());
        content.extend_from_slice(&self.redirect_uri.0);
        content.push(self.redirect_uri_sent.into());
        content.push(self.challenge.is_some().into());
        content.extend_from_slice(&self.challenge.map_or([0; 32], |c| c.0));
        content.push(self.nonce.is_some().into());
        let nonce = self.nonce.as_deref().unwrap_or_default();
        for text in [&self.amr, self.scope.as_str(), self.resources.as_str(), nonce, &self.claims] {
            push_text(&mut content, text)?;
        }
        Some(content)
    }

    /// Opens a code that was issued to `client`.
    ///
    /// # Errors
    /// [`Unopened`]; the database need not be asked.
    pub fn open(keys: &Keyring, text: &str, client: &ClientId) -> Result<OpenedCode, Unopened> {
        let sealed = decode(CODE_PREFIX, text).ok_or(Unopened::Garbage)?;
        let (_, content) = open(keys, Kind::Code, client.as_str(), &sealed)?;
        let mut reader = Reader::new(&content);
        let opened = (|| Some(OpenedCode { code: read(&mut reader)?, tag: reader.array()? }))();
        opened.filter(|_| reader.is_empty()).ok_or(Unopened::Garbage)
    }

    /// Whether it is too old to be redeemed; by a clock that is behind the one that issued it, too.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.distance(self.issued_at) >= LIFETIME
    }

    /// Judges everything that the request must have right before the code counts as presented.
    ///
    /// # Errors
    /// `invalid_grant`; nothing changes.
    pub fn check(&self, request: &Redemption<'_>, now: Timestamp) -> Result<(), Reject> {
        if self.is_expired(now) {
            return Err(Why::CodeExpired.into());
        }
        let is_same = |uri: &str| bool::from(RedirectHash::of(uri).0.ct_eq(&self.redirect_uri.0));
        match request.redirect_uri {
            // RFC 6749 §4.1.3: identical to the one of the authorization request, if that had one.
            None if self.redirect_uri_sent && request.must_repeat_uri => {
                return Err(Why::CodeRedirectMissing.into());
            }
            Some(uri) if !is_same(uri) => return Err(Why::CodeRedirectDiffers.into()),
            None | Some(_) => {}
        }
        pkce::check(self.challenge.as_ref(), request.verifier)
    }

    /// Judges whether all stands as it did when the code was issued: the client and its redirection URI, of
    /// which the token request `sent` one or not, and what the user allows it.
    ///
    /// # Errors
    /// `invalid_grant`; nothing changes.
    pub fn check_standing(
        &self,
        client: &Client,
        sent: Option<&str>,
        standing: &Standing,
    ) -> Result<(), Reject> {
        let is_over =
            !client.ended.spares(self.born, self.issued_at) || !self.leads_to(client, sent);
        let consent = standing.consent.as_ref();
        let is_taken_back = self.born < standing.consent_ended
            || consent::is_needed(client, false, &self.scope, &self.resources, consent);
        if is_over || is_taken_back { Err(Why::CodeRevoked.into()) } else { Ok(()) }
    }

    /// Judges whether anything is left of what was authorized, and whether the token request stays within it:
    /// its access token may be for fewer `resources` (RFC 8707 §2.2).
    ///
    /// # Errors
    /// `invalid_scope`, `invalid_target`. A code that was redeemed before is judged by that alone.
    pub fn check_extent(
        &self,
        client: &Client,
        resources: Option<&Resources>,
    ) -> Result<(), Reject> {
        let today = Extent::of_today(&self.scope, &self.resources, client)?;
        Resources::grant(resources, &today.resources).map(|_| ())
    }

    /// Whether the client still has the redirection URI that the code went to.
    fn leads_to(&self, client: &Client, sent: Option<&str>) -> bool {
        let is_it = |uri: &RedirectUri| RedirectHash::of(uri.as_str()) == self.redirect_uri;
        client.authorize.redirect_uris.iter().any(|registered| match sent {
            Some(uri) => registered.matches(uri),
            // With a port of its own, which a hash does not tell.
            None => is_it(registered) || registered.has_any_port(),
        })
    }

    /// The id and the secret of the family that starts from it, drawn with the code.
    pub fn family_ids(&self) -> NewFamilyIds {
        NewFamilyIds { id: self.family, secret: self.secret.clone() }
    }

    /// The family that the code begins, and its first access token: with what was authorized, less what the
    /// client has lost since. `proven`: how many ends were counted when the user proved who they are.
    pub fn start_family(
        &self,
        client: &Client,
        proven: Ends,
        issuing: Issuing<'_>,
    ) -> (Family, Access) {
        let scope = self.scope.intersect(&client.scope);
        let grant = Grant {
            user_id: self.user_id,
            resources: self.resources.intersect(&client.resources),
            auth_time: self.auth_time,
            born: self.born,
            proven,
            origin: Origin {
                browser_session: Some(self.browser_session),
                offline: scope.contains("offline_access"),
                acr: ACR_PASSWORD.into(),
                amr: self.amr.clone(),
                claims: self.claims.clone(),
            },
            scope,
        };
        grant.start_family(client, &self.family_ids(), issuing)
    }
}

impl OpenedCode {
    /// The session of the browser that this code was issued in to `client`, if it is as it was then: the same
    /// person's, not signed out, and not signed in to anew.
    pub fn bound(&self, client: &ClientId, standing: &Standing) -> Option<SessionStanding> {
        let session = standing.browser_session.filter(|session| !session.is_ended)?;
        let tag = tag(&session.secret_hash, client, &self.code.content()?);
        let is_right = bool::from(tag.ct_eq(&self.tag));
        (is_right && session.user_id == self.code.user_id).then_some(session)
    }
}

fn tag(session: &SecretHash, client: &ClientId, content: &[u8]) -> [u8; TAG_LEN] {
    let all = [client.as_str().as_bytes(), &[0], content].concat();
    let mut tag = [0; TAG_LEN];
    tag.copy_from_slice(session.tag("code", &all).split_at(TAG_LEN).0);
    tag
}

fn read(reader: &mut Reader<'_>) -> Option<AuthorizationCode> {
    let family = FamilyId(reader.array()?);
    let secret = FamilySecret::new(reader.array()?);
    let user_id = UserId(reader.array()?);
    let browser_session = BrowserSessionId(reader.array()?);
    let auth_time = Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
    let issued_at = Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
    let born = Ends::new(i64::from_be_bytes(reader.array()?));
    let redirect_uri = RedirectHash(reader.array()?);
    let redirect_uri_sent = reader.flag()?;
    let has_challenge = reader.flag()?;
    let challenge = Challenge(reader.array()?);
    let has_nonce = reader.flag()?;
    let amr = reader.text()?.to_owned();
    let scope = Scope::from_stored(reader.text()?.to_owned());
    let resources = Resources::from_stored(reader.text()?.to_owned());
    let nonce = reader.text()?.to_owned();
    Some(AuthorizationCode {
        family,
        secret,
        user_id,
        browser_session,
        auth_time,
        issued_at,
        born,
        redirect_uri,
        redirect_uri_sent,
        challenge: has_challenge.then_some(challenge),
        amr,
        scope,
        resources,
        nonce: has_nonce.then_some(nonce),
        claims: reader.text()?.to_owned(),
    })
}

/// The parameters of a token request besides the code (RFC 6749 §4.1.3, RFC 7636 §4.5).
#[derive(Clone, Copy, Debug)]
pub struct Redemption<'a> {
    /// `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// `code_verifier`.
    pub verifier: Option<&'a str>,
    /// Whether a URI that was sent to the authorization endpoint must be sent again: RFC 6749 asks for
    /// it, OAuth 2.1 no longer does.
    pub must_repeat_uri: bool,
}

/// The outcome for a code that starts no family: its family exists already, or something it depends on has
/// ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The user, the client or the session ended since the code was issued.
    Ended(Reject),
    /// The client tries again whose answer got lost: the same refresh token, a new access token.
    Retry(Box<Retry>),
    /// A second redemption: the family ends.
    Reuse(Reject),
}

/// The answer to a redemption that is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The seal of the refresh token.
    pub seal: Seal,
    /// The new access token.
    pub access: Access,
}

/// Judges a code that begins nothing: somebody was there before, or one of those whom it speaks of has ended.
/// Where it `is_bound` to its browser session no more, it tells of reuse still, by the family's own secret, but
/// gives nothing.
pub fn presented_again(
    code: &AuthorizationCode,
    is_bound: bool,
    loaded: Option<&Loaded>,
    client: &Client,
    policy: &Policy,
    now: Timestamp,
) -> Presented {
    let own = loaded.filter(|l| l.family.secret_hash == code.secret.hash());
    let Some(loaded) = own else {
        return Presented::Ended(Why::CodeRevoked.into());
    };
    let family = &loaded.family;
    // A client whose answer was lost tries again at once, and nobody has used what it did not get.
    let is_retry = is_bound
        && family.generation == 0
        && !family.confirmed
        && now.distance(family.created_at) < policy.grace_period
        && loaded.is_alive(now);
    if !is_retry {
        // RFC 6749 §4.1.2: revoke all tokens previously issued based on that code.
        return Presented::Reuse(Why::CodeReused.into());
    }
    let today = match Extent::of_today(&family.scope, &family.resources, client) {
        Ok(today) => today,
        Err(reject) => return Presented::Ended(reject),
    };
    let access = Access {
        user_id: family.user_id,
        family: family.id,
        generation: 0,
        scope: today.scope,
        resources: today.resources,
        expires_at: now.after(policy.access_token_lifetime).min(family.max_expires_at),
    };
    Presented::Retry(Box::new(Retry {
        seal: Seal { kid: family.kid, epoch: family.epoch },
        access,
    }))
}

/// Whether the client may redeem codes at all.
///
/// # Errors
/// `unauthorized_client`.
pub fn is_registered(client: &Client) -> Result<(), Reject> {
    if client.may_use(GrantType::AuthorizationCode) {
        Ok(())
    } else {
        Err(Why::GrantNotRegistered.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::ends::LastEnd;
    use crate::keyring::tests::keyring;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn code() -> AuthorizationCode {
        AuthorizationCode {
            family: FamilyId([1; 16]),
            secret: FamilySecret::new([2; 16]),
            user_id: UserId([3; 16]),
            browser_session: BrowserSessionId([4; 16]),
            auth_time: NOW.before(std::time::Duration::from_secs(5)),
            issued_at: NOW,
            born: Ends::new(4),
            redirect_uri: RedirectHash::of("https://a.example/cb"),
            redirect_uri_sent: true,
            challenge: Some(Challenge(Sha256::digest(VERIFIER).into())),
            amr: "pwd".into(),
            scope: Scope::parse("openid a").unwrap(),
            resources: Resources::default(),
            nonce: Some("n-0S6_WzA2Mj".into()),
            claims: String::new(),
        }
    }

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::register(text).unwrap()
    }

    const RIGHT: Redemption<'_> = Redemption {
        redirect_uri: Some("https://a.example/cb"),
        verifier: Some(VERIFIER),
        must_repeat_uri: true,
    };

    fn why(request: &Redemption<'_>, after: u64) -> Option<Why> {
        let now = NOW.after(std::time::Duration::from_secs(after));
        code().check(request, now).err().map(|reject| reject.why)
    }

    #[test]
    fn a_code_opens_for_its_client_alone_and_says_what_was_sealed() {
        let keys = keyring(&[1], 1);
        let shop = client("shop").id;
        let text = code().seal(&keys, &shop, &SESSION.secret_hash).unwrap();
        assert!(text.starts_with(CODE_PREFIX) && text.len() < 500, "{}", text.len());
        let open = |text: &str| AuthorizationCode::open(&keys, text, &shop).map(|o| o.code);
        assert_eq!(open(&text), Ok(code()));
        let other = AuthorizationCode::open(&keys, &text, &client("other").id);
        assert_eq!(other, Err(Unopened::Garbage));
        let bare = AuthorizationCode { nonce: None, challenge: None, ..code() };
        let text = bare.seal(&keys, &shop, &SESSION.secret_hash).unwrap();
        assert_eq!(open(&text), Ok(bare));
    }

    const SESSION: SessionStanding = SessionStanding {
        user_id: UserId([3; 16]),
        secret_hash: SecretHash([8; 32]),
        proven: Ends::new(2),
        is_ended: false,
    };

    #[test]
    fn a_seal_alone_binds_a_code_to_no_session() {
        let keys = keyring(&[1], 1);
        let shop = client("shop").id;
        let bound = |code: AuthorizationCode, sealed_with: SecretHash, session| {
            let text = code.seal(&keys, &shop, &sealed_with).unwrap();
            let opened = AuthorizationCode::open(&keys, &text, &shop).unwrap();
            let standing = Standing { browser_session: session, ..Standing::default() };
            opened.bound(&shop, &standing).is_some()
        };
        let own = SESSION.secret_hash;
        assert!(bound(code(), own, Some(SESSION)));
        assert!(!bound(code(), SecretHash([0; 32]), Some(SESSION)), "made up with the key file");
        assert!(!bound(code(), own, None), "of a session that never was, or is gone");
        let ended = SessionStanding { is_ended: true, ..SESSION };
        assert!(!bound(code(), own, Some(ended)), "signed out");
        let anew = SessionStanding { secret_hash: SecretHash([9; 32]), ..SESSION };
        assert!(!bound(code(), own, Some(anew)), "signed in anew");
        let other = SessionStanding { user_id: UserId([4; 16]), ..SESSION };
        assert!(!bound(code(), own, Some(other)), "another person's");
    }

    #[test]
    fn the_tag_of_one_code_fits_no_other() {
        let keys = keyring(&[1], 1);
        let shop = client("shop").id;
        let standing = Standing { browser_session: Some(SESSION), ..Standing::default() };
        let text = code().seal(&keys, &shop, &SESSION.secret_hash).unwrap();
        let opened = AuthorizationCode::open(&keys, &text, &shop).unwrap();
        assert!(opened.bound(&shop, &standing).is_some());
        assert!(opened.bound(&client("other").id, &standing).is_none());
        let changes: [fn(&mut AuthorizationCode); 15] = [
            |c| c.family = FamilyId([9; 16]),
            |c| c.secret = FamilySecret::new([9; 16]),
            |c| c.user_id = UserId([9; 16]),
            |c| c.browser_session = BrowserSessionId([9; 16]),
            |c| c.auth_time = NOW,
            |c| c.issued_at = NOW.after(LIFETIME),
            |c| c.born = Ends::new(9),
            |c| c.redirect_uri = RedirectHash::of("https://evil.example/cb"),
            |c| c.redirect_uri_sent = false,
            |c| c.challenge = None,
            |c| c.amr = "otp".into(),
            |c| c.scope = Scope::parse("openid a b").unwrap(),
            |c| c.resources = Resources::parse(["https://api.example"]).unwrap(),
            |c| c.nonce = None,
            |c| c.claims = "x".into(),
        ];
        for change in changes {
            let mut other = opened.clone();
            change(&mut other.code);
            assert!(other.bound(&shop, &standing).is_none(), "{:?}", other.code);
        }
    }

    #[test]
    fn checklist_46_a_code_lives_for_a_minute() {
        assert_eq!((why(&RIGHT, 59), why(&RIGHT, 60)), (None, Some(Why::CodeExpired)));
        let early = NOW.before(LIFETIME);
        let ahead = code().check(&RIGHT, early).unwrap_err();
        assert_eq!(ahead.why, Why::CodeExpired, "issued by a clock that was ahead");
    }

    #[test]
    fn checklist_47_a_code_is_bound_to_redirection_uri_and_challenge() {
        let other = Redemption { redirect_uri: Some("https://a.example/cb2"), ..RIGHT };
        assert_eq!(why(&other, 0), Some(Why::CodeRedirectDiffers));
        let other =
            Redemption { verifier: Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"), ..RIGHT };
        assert_eq!(why(&other, 0), Some(Why::VerifierWrong));
        assert_eq!(why(&Redemption { verifier: None, ..RIGHT }, 0), Some(Why::VerifierMissing));
    }

    #[test]
    fn checklist_89_a_code_ends_with_its_clients_tokens_and_with_the_consent_to_it() {
        let mut shop = client("shop");
        shop.created_at = NOW;
        let given = Consent {
            user_id: code().user_id,
            client_id: shop.id.clone(),
            scope: code().scope,
            resources: Resources::default(),
            given_at: NOW,
        };
        shop.authorize.redirect_uris = vec![uri("https://a.example/cb")];
        let sent = RIGHT.redirect_uri;
        let why = |shop: &Client, consent: Option<&Consent>| {
            let standing = Standing { consent: consent.cloned(), ..Standing::default() };
            code().check_standing(shop, sent, &standing).err().map(|reject| reject.why)
        };
        assert_eq!(why(&shop, Some(&given)), None);
        assert_eq!(why(&shop, None), Some(Why::CodeRevoked));
        for (ended, expected) in [(4, None), (5, Some(Why::CodeRevoked))] {
            let consent_ended = Ends::new(ended);
            let standing =
                Standing { consent: Some(given.clone()), consent_ended, ..Standing::default() };
            let judged = code().check_standing(&shop, sent, &standing);
            assert_eq!(judged.err().map(|reject| reject.why), expected, "taken back, given again");
        }
        let narrowed = Consent { scope: Scope::parse("a").unwrap(), ..given.clone() };
        assert_eq!(why(&shop, Some(&narrowed)), Some(Why::CodeRevoked));
        let ended = |number| LastEnd { number: Ends::new(number), at: NOW };
        let spared = Client { ended: ended(4), ..shop.clone() };
        assert_eq!(why(&spared, Some(&given)), None);
        let over = Client { ended: ended(5), ..shop.clone() };
        assert_eq!(why(&over, Some(&given)), Some(Why::CodeRevoked));
        shop.authorize.first_party = true;
        assert_eq!(why(&shop, None), None, "its users are not asked");
    }

    #[test]
    fn checklist_89_a_code_ends_with_the_redirection_uri_that_it_went_to() {
        let mut shop = client("shop");
        shop.created_at = NOW;
        shop.authorize.first_party = true;
        let why = |registered: &str, sent, went_to| {
            let mut shop = shop.clone();
            shop.authorize.redirect_uris = vec![uri("https://a.example/other"), uri(registered)];
            let code = AuthorizationCode { redirect_uri: RedirectHash::of(went_to), ..code() };
            code.check_standing(&shop, sent, &Standing::default()).err().map(|reject| reject.why)
        };
        let (web, loopback) = ("https://a.example/cb", "http://127.0.0.1/cb");
        for sent in [None, Some(web)] {
            assert_eq!(why(web, sent, web), None);
            assert_eq!(why("https://a.example/new", sent, web), Some(Why::CodeRevoked));
        }
        let with_port = "http://127.0.0.1:4711/cb";
        assert_eq!(why(loopback, Some(with_port), with_port), None);
        assert_eq!(why(loopback, None, with_port), None);
        assert_eq!(why(web, Some(with_port), with_port), Some(Why::CodeRevoked));
    }

    #[test]
    fn checklist_89_a_code_gives_no_scope_that_its_client_has_lost() {
        let mut shop = client("shop");
        shop.scope = Scope::parse("openid b").unwrap();
        let (family, access) = code().start_family(
            &shop,
            Ends::new(2),
            Issuing { policy: &Policy::default(), seal: Seal { kid: 1, epoch: 3 }, now: NOW },
        );
        assert_eq!((family.scope.as_str(), access.scope.as_str()), ("openid", "openid"));
    }

    #[test]
    fn checklist_49_a_uri_that_was_sent_is_sent_again_unless_the_client_need_not() {
        let without = Redemption { redirect_uri: None, ..RIGHT };
        assert_eq!(why(&without, 0), Some(Why::CodeRedirectMissing));
        assert_eq!(why(&Redemption { must_repeat_uri: false, ..without }, 0), None);
        let wrong = Redemption { redirect_uri: Some("https://x"), must_repeat_uri: false, ..RIGHT };
        assert_eq!(why(&wrong, 0), Some(Why::CodeRedirectDiffers));
    }

    #[test]
    fn checklist_48_a_second_redemption_is_reuse_unless_the_answer_was_lost_within_grace() {
        let (shop, seal) = (client("shop"), Seal { kid: 1, epoch: 3 });
        let strict = Policy::default();
        let grace =
            Policy { grace_period: std::time::Duration::from_secs(30), ..Policy::default() };
        let (family, _) =
            code().start_family(&shop, Ends::new(2), Issuing { policy: &strict, seal, now: NOW });
        let user = Some(crate::user::UserStanding { enabled: true, ended: LastEnd::default() });
        let loaded = |family: &Family| {
            let client = Some(LastEnd::default());
            Loaded { family: family.clone(), user, client, epoch: 3 }
        };
        let judge = |family: &Family, policy, seconds| {
            let now = NOW.after(std::time::Duration::from_secs(seconds));
            presented_again(&code(), true, Some(&loaded(family)), &shop, policy, now)
        };
        let reuse = Presented::Reuse(Why::CodeReused.into());
        assert_eq!(judge(&family, &strict, 0), reuse);
        assert!(
            matches!(judge(&family, &grace, 29), Presented::Retry(retry) if retry.seal == seal)
        );
        assert_eq!(judge(&family, &grace, 30), reuse);
        let used = Family { confirmed: true, ..family.clone() };
        assert_eq!(judge(&used, &grace, 1), reuse);
        let rotated = Family { generation: 1, ..family.clone() };
        assert_eq!(judge(&rotated, &grace, 1), reuse);
        let unbound = presented_again(&code(), false, Some(&loaded(&family)), &shop, &grace, NOW);
        assert_eq!(
            unbound, reuse,
            "after a sign-in anew the code gives nothing, and is reuse still"
        );
        let gone = presented_again(&code(), true, None, &shop, &grace, NOW);
        assert_eq!(gone, Presented::Ended(Why::CodeRevoked.into()));
    }
}
