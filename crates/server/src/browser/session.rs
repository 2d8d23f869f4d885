//! The browser at the other end: its cookies, who has signed in there, and the proof that a form which
//! comes back is one that this browser was given.
//!
//! All cookies are `__Host-`, `Secure`, `HttpOnly` and `SameSite=Lax`: no other host can set them, no
//! script can read them, and they come along when another site leads here by a link, but not with its
//! forms. One carries the session, one the secret that forms are proven with, which exists before
//! anybody has signed in, and one the mark of an earlier sign-in (`device.rs`).

use std::net::IpAddr;

use axum::http::{HeaderValue, header, request::Parts};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::Cookie;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::browser_session::{BrowserSession, BrowserSessionId, SignIn};
use remint_protocol::ends::Ends;
use remint_protocol::form::Form;
use remint_protocol::secret::SecretHash;
use remint_protocol::tell;
use remint_protocol::throttle::DeviceId;
use remint_protocol::time::Timestamp;
use remint_protocol::user::Username;
use remint_store::{Outcome, User, VerifiedPassword};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::App;
use crate::browser::device;
use crate::browser::login::Login;
use crate::browser::pages;
use crate::entropy;
use crate::http::cookie::{cookie, find};
use crate::http::cookie_names::{FORM_BEFORE, SESSION_BEFORE};
use crate::http::failure::Failure;
use crate::http::observe::source_of;
use crate::state::request_ids::RequestId;

/// The part of a `User-Agent` that is kept, in bytes.
const USER_AGENT_MAX: usize = 512;

type Secret = Zeroizing<[u8; 32]>;

/// The person at a browser.
pub(crate) struct Person {
    pub(crate) session: BrowserSession,
    pub(crate) username: Username,
    /// The number of ends that the store had counted when this was read: an authorization of theirs now is of
    /// that moment.
    pub(crate) ends: Ends,
}

/// A browser, as its request shows it.
pub(crate) struct Browser {
    /// The person who has signed in; `None` if nobody has, or if it is over.
    pub(crate) person: Option<Person>,
    pub(crate) source: IpAddr,
    /// Of the request at hand.
    pub(crate) request_id: RequestId,
    user_agent: String,
    form_secret: Option<Secret>,
    cookies: Vec<Cookie<'static>>,
}

impl Browser {
    /// Reads the cookies and finds out who has signed in.
    pub(crate) async fn read(app: &App, head: &Parts, now: Timestamp) -> Result<Self, Failure> {
        let mut cookies = Vec::new();
        let mut person = sign_of(app, find(head, &app.cookies().session), now).await?;
        if person.is_none() {
            let before = find(head, SESSION_BEFORE);
            person = sign_of(app, before.clone(), now).await?;
            if let (Some(_), Some(value)) = (&person, before) {
                cookies.push(cookie(app.cookies().session.clone(), value));
            }
        }
        let secret = |name: &str| find(head, name).as_deref().and_then(decode).map(Zeroizing::new);
        let agent = head.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            person,
            source: source_of(&head.extensions),
            request_id: RequestId::of(&head.extensions),
            user_agent: cut(agent.unwrap_or_default()),
            form_secret: secret(&app.cookies().form).or_else(|| secret(FORM_BEFORE)),
            cookies,
        })
    }

    /// Finds the proof that this account was signed in to at this browser before: the mark that it got then,
    /// or the session that goes on.
    pub(crate) fn device(
        &self,
        app: &App,
        head: &Parts,
        (username, now): (&str, Timestamp),
    ) -> Option<DeviceId> {
        let marked = device::read(app, head, username, now);
        let own = self.person.as_ref().filter(|person| person.username.as_str() == username);
        marked.or_else(|| own.map(|person| DeviceId(person.session.id.0)))
    }

    /// Whether the browser has a session's cookie at all, be it alive or not.
    pub(crate) fn has_session_cookie(app: &App, head: &Parts) -> bool {
        find(head, &app.cookies().session).or_else(|| find(head, SESSION_BEFORE)).is_some()
    }

    /// Makes the value that goes into a form, so that [`Self::verify_csrf`] knows it again.
    pub(crate) fn csrf(&mut self, app: &App) -> Result<String, Failure> {
        let secret = match &self.form_secret {
            Some(secret) => secret.clone(),
            None => {
                let secret = Zeroizing::new(entropy::bytes()?);
                self.cookies
                    .push(cookie(app.cookies().form.clone(), URL_SAFE_NO_PAD.encode(*secret)));
                self.form_secret.insert(secret).clone()
            }
        };
        let proof = app.keys().csrf(&self.csrf_input(&secret));
        let proof = proof.ok_or(Failure::Internal("the active key is missing"))?;
        Ok(URL_SAFE_NO_PAD.encode(proof.0))
    }

    /// Whether the form was given to this very browser.
    pub(crate) fn verify_csrf(&self, app: &App, form: &Form<'_>) -> bool {
        let proof = form.find(pages::CSRF).and_then(decode).map(SecretHash);
        let (Some(secret), Some(proof)) = (&self.form_secret, proof) else { return false };
        app.keys().is_csrf(&self.csrf_input(secret), &proof)
    }

    /// Returns the input of a form's proof: the browser's secret, and whoever has signed in there. A question
    /// that one person was asked cannot be answered by mistake by another one who signs in meanwhile in a
    /// second window.
    fn csrf_input(&self, secret: &Secret) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(secret.to_vec());
        if let Some(person) = &self.person {
            bytes.extend_from_slice(&person.session.user_id.0);
        }
        bytes
    }

    /// Begins a session for somebody who has just proven who they are. The secret is drawn anew each time,
    /// so that a cookie which somebody else put there is worth nothing afterwards.
    pub(crate) async fn sign_in(
        &mut self,
        app: &App,
        user: User,
        login: &Login<'_>,
    ) -> Result<Outcome, Failure> {
        let now = login.now;
        let secret: Secret = Zeroizing::new(entropy::bytes()?);
        let before = self.person.take().map(|person| person.session);
        let decided = SignIn::decide(before.as_ref(), user.id);
        let (id, created_at) = match decided {
            SignIn::Renew(own) => (own.id, own.created_at),
            SignIn::New | SignIn::Replace(_) => (entropy::browser_session()?, now),
        };
        let session = BrowserSession {
            id,
            secret_hash: hash(&secret),
            user_id: user.id,
            auth_time: now,
            proven: user.ends,
            expires_at: now.after(app.config().sessions.absolute_lifetime),
            amr: "pwd".into(),
            created_at,
            seen_at: now,
            user_agent: self.user_agent.clone(),
            source: self.source.to_string(),
            ended_at: None,
        };
        let proven = Some(login.proven(&user));
        let outcome = match decided {
            SignIn::Renew(own) => renew(app, own.secret_hash, &session, proven).await?,
            SignIn::New | SignIn::Replace(_) => {
                app.store().insert_browser_session(&session, proven).await?
            }
        };
        if outcome == Outcome::Conflict {
            return Ok(outcome);
        }
        if let SignIn::Replace(other) = decided {
            app.end_browser_session((other.user_id, other.id), now).await?;
        }
        let mut value = Zeroizing::new([0; 48]);
        for (byte, from) in value.iter_mut().zip(id.0.iter().chain(secret.iter())) {
            *byte = *from;
        }
        self.cookies.push(cookie(app.cookies().session.clone(), URL_SAFE_NO_PAD.encode(*value)));
        self.cookies.push(device::mark(app, login.username, now)?);
        self.person = Some(Person { session, username: user.username, ends: user.ends });
        Ok(outcome)
    }

    /// Ends the session, here and in the store.
    pub(crate) async fn sign_out(&mut self, app: &App, now: Timestamp) -> Result<(), Failure> {
        if let Some(person) = &self.person {
            let (user, session) = (person.session.user_id, person.session.id);
            app.end_browser_session((user, session), now).await?;
            let request_id = self.request_id;
            tell!(
                SESSION_SIGNED_OUT,
                actor = %Actor::User(user),
                on = %Object::User(user),
                outcome = audit::DONE,
                source = %self.source,
                sub = %user,
                %request_id,
            );
        }
        self.forget(app);
        Ok(())
    }

    /// Forgets the session here; ending it in the store is the caller's to do.
    fn forget(&mut self, app: &App) {
        self.person = None;
        let mut gone = cookie(app.cookies().session.clone(), String::new());
        gone.make_removal();
        self.cookies.push(gone);
    }

    /// Has a cookie set beside its own.
    pub(crate) fn push_cookie(&mut self, cookie: Cookie<'static>) {
        self.cookies.push(cookie);
    }

    /// Adds the cookies that are new.
    pub(crate) fn with_cookies(&self, mut response: Response) -> Response {
        for cookie in &self.cookies {
            if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
        }
        response
    }
}

/// Has the session go on with a new secret. Who pressed the button twice has proven the password twice: the
/// second time goes on from what the first one wrote, or the answer that the browser waits for would be
/// the one that lost.
async fn renew(
    app: &App,
    mut seen: SecretHash,
    session: &BrowserSession,
    proven: Option<VerifiedPassword>,
) -> Result<Outcome, Failure> {
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        if app.store().renew_browser_session(seen, session, proven).await? == Outcome::Done {
            return Ok(Outcome::Done);
        }
        let found = app.store().load_browser_session(session.id).await?;
        match found.map(|visitor| visitor.session) {
            Some(now) if now.ended_at.is_none() && now.secret_hash != seen => {
                seen = now.secret_hash;
            }
            // The session is over, or the user cannot sign in any more.
            _ => break,
        }
    }
    Ok(Outcome::Conflict)
}

/// Finds the person who has signed in, by the value of a session's cookie.
async fn sign_of(
    app: &App,
    value: Option<String>,
    now: Timestamp,
) -> Result<Option<Person>, Failure> {
    match value.as_deref().and_then(open) {
        Some((id, secret)) => load(app, id, &secret, now).await,
        None => Ok(None),
    }
}

async fn load(
    app: &App,
    id: BrowserSessionId,
    secret: &Secret,
    now: Timestamp,
) -> Result<Option<Person>, Failure> {
    let Some(visitor) = app.store().load_browser_session(id).await? else { return Ok(None) };
    let ends = visitor.ends;
    let (username, standing) = visitor.user.unzip();
    let session = visitor.session;
    let is_right = session.secret_hash == hash(secret);
    let is_alive = session.is_alive(standing, app.config().sessions.idle_lifetime, now);
    if !is_right || !is_alive {
        return Ok(None);
    }
    if session.is_to_be_seen(now) {
        app.store().see_browser_session(id, now).await?;
    }
    Ok(username.map(|username| Person { session, username, ends }))
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn open(text: &str) -> Option<(BrowserSessionId, Secret)> {
    let bytes: Zeroizing<[u8; 48]> = Zeroizing::new(decode(text)?);
    let (id, secret) = bytes.split_first_chunk()?;
    Some((BrowserSessionId(*id), Zeroizing::new(secret.try_into().ok()?)))
}

fn hash(secret: &Secret) -> SecretHash {
    SecretHash(Sha256::digest(secret.as_slice()).into())
}

fn cut(text: &str) -> String {
    let end = (0..=USER_AGENT_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
