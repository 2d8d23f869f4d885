//! The account page: a person's sessions and applications, each ended by one click, and their password.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client_id::ClientId;
use remint_protocol::family::{Loaded, RevokeReason};
use remint_protocol::form::Form;
use remint_protocol::reject::Code;
use remint_protocol::tell;
use remint_protocol::time::Timestamp;
use remint_protocol::user::{PASSWORD_MIN_CHARS, check_new_password};
use remint_store::{Outcome, Visitor};

use crate::App;
use crate::browser::authorize::see_other;
use crate::browser::handler;
use crate::browser::login::Login;
use crate::browser::pages::account::{
    Account, Application, CURRENT, Done, NEW, PATH, PasswordProblem, REPEATED, Session,
};
use crate::browser::pages::sign_out::SignedOut;
use crate::browser::pages::{Language, sign_in};
use crate::browser::session::{Browser, Person};
use crate::http::failure::Failure;
use crate::state::request_ids::RequestId;

/// The number of sessions and applications that are shown: more than a person has.
const SHOWN: u32 = 200;
/// Whoever is signed in at the browser that a form or a page is asked for by.
struct Visit<'a> {
    app: &'a App,
    head: &'a Parts,
    browser: Browser,
    now: Timestamp,
}

impl<'a> Visit<'a> {
    async fn read(app: &'a App, head: &'a Parts) -> Result<Self, Failure> {
        let now = app.clock().now();
        Ok(Self { app, head, browser: Browser::read(app, head, now).await?, now })
    }

    fn to(&self, path: &str) -> Response {
        let base = self.app.issuer().path();
        self.browser.with_cookies(see_other(&format!("{base}{path}")))
    }

    /// Signs out here, and shows what the browser has to load then.
    async fn sign_out(mut self) -> Result<Response, Failure> {
        let frames = self.app.frames(self.browser.person.as_ref()).await?;
        self.browser.sign_out(self.app, self.now).await?;
        if frames.is_empty() {
            return Ok(self.to(sign_in::PATH));
        }
        let language = Language::of_request(self.head);
        let page = SignedOut { frames, next: None };
        Ok(self.browser.with_cookies(self.app.pages().respond(language, &page)))
    }

    /// Shows the page, or the way to it.
    async fn show(
        mut self,
        done: Option<Done>,
        problem: Option<PasswordProblem>,
    ) -> Result<Response, Failure> {
        let csrf = self.browser.csrf(self.app)?;
        let Some(person) = &self.browser.person else { return Ok(self.to(sign_in::PATH)) };
        let page = Account {
            csrf,
            username: person.username.as_str().to_owned(),
            now: self.now,
            sessions: self.sessions(person).await?,
            applications: self.applications(person).await?,
            done,
            problem,
            least_length: PASSWORD_MIN_CHARS,
        };
        let language = Language::of_request(self.head);
        Ok(self.browser.with_cookies(self.app.pages().respond(language, &page)))
    }

    async fn sessions(&self, person: &Person) -> Result<Vec<Session>, Failure> {
        let (own, idle) = (person.session.user_id, self.app.config().sessions.idle_lifetime);
        let all = self.app.store().list_live_browser_sessions(own, (self.now, idle), SHOWN).await?;
        let is_alive = |visitor: &Visitor| {
            let standing = visitor.user.as_ref().map(|(_, standing)| *standing);
            visitor.session.is_alive(standing, idle, self.now)
        };
        let mut alive: Vec<_> = all.into_iter().filter(is_alive).map(|v| v.session).collect();
        alive.sort_by_key(|s| (s.id != person.session.id, std::cmp::Reverse(s.seen_at)));
        let shown = alive.into_iter().map(|s| Session {
            id: s.id.sid(),
            user_agent: s.user_agent,
            address: s.source.parse::<IpAddr>().ok(),
            signed_in_at: s.auth_time,
            last_seen_at: s.seen_at,
            is_current: s.id == person.session.id,
        });
        Ok(shown.collect())
    }

    /// Lists the applications that have access: the living families and the consents, put together by client.
    async fn applications(&self, person: &Person) -> Result<Vec<Application>, Failure> {
        let (store, user) = (self.app.store(), person.session.user_id);
        let families = store.list_live_families(user, self.now, SHOWN).await?;
        let consents = store.list_consents(user, "", SHOWN).await?;
        let mut all: Vec<Application> = Vec::new();
        for consent in consents {
            all.push(Application {
                id: consent.client_id.as_str().to_owned(),
                name: String::new(),
                scopes: consent.scope.iter().map(ToOwned::to_owned).collect(),
                created_at: consent.given_at,
                last_used_at: None,
            });
        }
        for loaded in families {
            self.add(&mut all, &loaded);
        }
        for application in &mut all {
            let client = self.app.clients().find(&application.id, store, self.app.policy()).await?;
            let name = client.map(|registered| registered.client.shown_name().to_owned());
            application.name = name.unwrap_or_else(|| application.id.clone());
        }
        all.sort_by_key(|a| std::cmp::Reverse(a.last_used_at.unwrap_or(a.created_at)));
        Ok(all)
    }

    fn add(&self, all: &mut Vec<Application>, loaded: &Loaded) {
        let family = &loaded.family;
        let id = family.client_id.as_str();
        if !loaded.is_alive(self.now) {
            return;
        }
        let used = Some(family.rotated_at);
        match all.iter_mut().find(|application| application.id == id) {
            Some(known) => {
                known.last_used_at = known.last_used_at.max(used);
                known.created_at = known.created_at.min(family.created_at);
            }
            None => all.push(Application {
                id: id.to_owned(),
                name: String::new(),
                scopes: family.scope.iter().map(ToOwned::to_owned).collect(),
                created_at: family.created_at,
                last_used_at: used,
            }),
        }
    }
}

/// `GET /account`.
pub(crate) async fn show(State(app): State<Arc<App>>, request: Request) -> Response {
    handler::page(&app, request, async |head| {
        let visit = Visit::read(&app, head).await?;
        let done = match head.uri.query() {
            Some("done=session") => Some(Done::SessionEnded),
            Some("done=application") => Some(Done::ApplicationEnded),
            Some("done=password") => Some(Done::PasswordChanged),
            _ => None,
        };
        visit.show(done, None).await
    })
    .await
}

/// `GET` of where a form leads, which stays in the address bar when a form is refused.
pub(crate) async fn back(State(app): State<Arc<App>>) -> Response {
    see_other(&format!("{}{PATH}", app.issuer().path()))
}

/// A form of the page, proven to be ours.
async fn form(
    app: Arc<App>,
    request: Request,
    act: impl AsyncFnOnce(Visit<'_>, &Form<'_>) -> Result<Response, Failure>,
) -> Response {
    handler::form(&app, request, async |received| {
        let form = received.form()?;
        let visit = Visit::read(&app, &received.head).await?;
        if visit.browser.person.is_none() {
            return Ok(visit.to(sign_in::PATH));
        }
        if !visit.browser.verify_csrf(&app, &form) {
            return Err(Failure::FormExpired);
        }
        act(visit, &form).await
    })
    .await
}

/// Ends one session of the person.
pub(crate) async fn end_session(State(app): State<Arc<App>>, request: Request) -> Response {
    form(app, request, async |visit, form| {
        let id = form.find("session").and_then(BrowserSessionId::from_sid);
        if let (Some(id), Some(person)) = (id, &visit.browser.person) {
            if id == person.session.id {
                return visit.sign_out().await;
            }
            let whose = (person.session.user_id, id);
            visit.app.end_browser_session(whose, visit.now).await?;
            tell!(
                BROWSER_SESSION_ENDED,
                actor = %Actor::User(whose.0),
                on = %Object::BrowserSession(id),
                outcome = audit::DONE,
                source = %visit.browser.source,
                sub = %whose.0,
                browser_session = %id.sid(),
                request_id = %visit.browser.request_id,
            );
        }
        Ok(visit.to(&format!("{PATH}?done=session")))
    })
    .await
}

/// Ends all that an application has of the person.
pub(crate) async fn end_application(State(app): State<Arc<App>>, request: Request) -> Response {
    form(app, request, async |visit, form| {
        let id = form.find("application").and_then(ClientId::parse);
        if let (Some(id), Some(person)) = (id, &visit.browser.person) {
            let whose = (person.session.user_id, &id);
            visit.app.store().revoke_consent(whose, RevokeReason::User, visit.now).await?;
            tell!(
                ACCESS_ENDED,
                actor = %Actor::User(whose.0),
                on = %Object::Client(&id),
                outcome = audit::DONE,
                source = %visit.browser.source,
                sub = %whose.0,
                client_id = %id,
                request_id = %visit.browser.request_id,
            );
        }
        Ok(visit.to(&format!("{PATH}?done=application")))
    })
    .await
}

/// Signs out here.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, request: Request) -> Response {
    form(app, request, async |visit, _| visit.sign_out().await).await
}

/// Changes the password, which ends all sessions; the one at hand begins anew.
pub(crate) async fn change_password(State(app): State<Arc<App>>, request: Request) -> Response {
    form(app, request, async |mut visit, form| {
        let current = form.find(CURRENT).unwrap_or_default();
        let new = form.find(NEW).unwrap_or_default();
        let repeated = form.find(REPEATED).unwrap_or_default();
        if let Err(unfit) = check_new_password(current, new, repeated) {
            let shown = visit.show(None, Some(PasswordProblem::Unfit(unfit))).await?;
            return Ok(Failure::PasswordUnfit.shown_by(shown));
        }
        let Some(person) = &visit.browser.person else { return Ok(visit.to(sign_in::PATH)) };
        let username = person.username.as_str().to_owned();
        let login = Login {
            app: visit.app,
            username: &username,
            source: visit.browser.source,
            client: None,
            device: visit.browser.device(visit.app, visit.head, (&username, visit.now)),
            now: visit.now,
            request_id: RequestId::of(&visit.head.extensions),
        };
        let taken = match login.take_request() {
            Ok(taken) => taken,
            Err(wait) => {
                let shown = visit.show(None, Some(PasswordProblem::Wait(wait))).await?;
                return Ok(Failure::TooManyRequests(wait).shown_by(shown));
            }
        };
        let user = match login.prove(current).await {
            Ok(user) => user,
            Err(Failure::Reject(reject)) if reject.code == Code::InvalidGrant => {
                let shown = visit.show(None, Some(PasswordProblem::WrongCurrent)).await?;
                return Ok(Failure::from(reject).shown_by(shown));
            }
            Err(Failure::Throttled(wait)) => {
                let shown = visit.show(None, Some(PasswordProblem::Wait(wait))).await?;
                return Ok(Failure::Throttled(wait).shown_by(shown));
            }
            Err(failure) => return Err(failure),
        };
        taken.give_back();
        let hash = visit.app.passwords().hash_in_turn(new.into()).await?;
        let now = visit.app.clock().now();
        let store = visit.app.store();
        // Not where an operator, or the same form in another window, was faster.
        let changed = store.change_password(&user, &hash, now).await? == Outcome::Done;
        visit.app.logout_delivery().wake();
        visit.browser.person = None;
        // Everything that is not younger than this moment is over; the session here begins after it.
        let user = store.load_user(user.id).await?.filter(|user| user.password_hash == hash);
        let (true, Some(user)) = (changed, user) else { return Ok(visit.to(sign_in::PATH)) };
        tell!(
            PASSWORD_CHANGED,
            actor = %Actor::User(user.id),
            on = %Object::User(user.id),
            outcome = audit::DONE,
            source = %login.source,
            sub = %user.id,
            request_id = %login.request_id,
        );
        let login = Login { now, ..login };
        if visit.browser.sign_in(visit.app, user, &login).await? == Outcome::Conflict {
            return Ok(visit.to(sign_in::PATH));
        }
        Ok(visit.to(&format!("{PATH}?done=password")))
    })
    .await
}
