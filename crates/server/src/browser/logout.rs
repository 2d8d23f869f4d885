//! Signing out, asked for by an application (OpenID Connect RP-Initiated Logout 1.0).
//!
//! An ID token of ours as the hint tells which client asks and for whom (`protocol/end_session.rs`). Without
//! it, or where it names another session than the browser's, the person is asked: anybody can send a browser
//! here.
//!
//! Browsers send no session with the form of another site. Such a request is not answered there, where it
//! would look as if nobody had signed in, but goes on with a redirect that carries it, sealed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use percent_encoding::utf8_percent_encode;
use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::end_session::{self, Hint};
use remint_protocol::form::Form;
use remint_protocol::interaction::{Interaction, Waiting};
use remint_protocol::reject::Why;
use remint_protocol::time::Timestamp;

use crate::App;
use crate::browser::authorize::{RESERVED, see_other};
use crate::browser::handler;
use crate::browser::pages::sign_out::{self, Next, SignOut, SignedOut};
use crate::browser::pages::{CSRF, FLOW, Language, Link, Source};
use crate::browser::session::Browser;
use crate::http::failure::Failure;
use crate::http::notes;
use crate::state::clients::Registered;

/// A logout request.
struct Logout {
    raw: String,
    client: Option<Arc<Registered>>,
    /// The `sid` that the hint has.
    sid: Option<String>,
    next: Option<Next>,
}

impl Logout {
    async fn read(app: &App, raw: &str, now: Timestamp) -> Result<Self, Failure> {
        notes::parameters(raw);
        let form = Form::parse(raw.as_bytes())?;
        let text = form.find("id_token_hint");
        let verified = match text {
            Some(text) => app.id_token_hint(text, now).await?,
            None => None,
        };
        let hint = match (text, &verified) {
            (None, _) => Hint::Absent,
            (Some(_), None) => Hint::Unverified,
            (Some(_), Some(hint)) => Hint::Verified(hint),
        };
        let client = match end_session::client_id(&form, hint)? {
            Some(id) => app.client(id).await?,
            None => None,
        };
        let next = next(&form, client.as_deref())?;
        let sid = verified.and_then(|hint| hint.sid);
        Ok(Self { raw: raw.to_owned(), client, sid, next })
    }

    /// Whether the hint speaks of the session.
    async fn is_of(&self, app: &App, session: BrowserSessionId) -> Result<bool, Failure> {
        let Some(sid) = &self.sid else { return Ok(false) };
        app.is_sid_of(self.client.as_deref().map(|found| &found.client), session, sid).await
    }

    /// The request, sealed for a page or for the way there.
    fn flow(&self, app: &App, now: Timestamp) -> Result<String, Failure> {
        let interaction = Interaction {
            waiting: Waiting::Logout,
            request: self.raw.clone(),
            since: now,
            proof: None,
        };
        interaction.seal(&app.keys()).ok_or_else(|| Why::ParametersTooMany.into())
    }
}

/// The destination of the browser afterwards, with the request's `state`.
fn next(form: &Form<'_>, client: Option<&Registered>) -> Result<Option<Next>, Failure> {
    let client = client.map(|registered| &registered.client);
    let uri = end_session::destination(form, client)?;
    Ok(uri.zip(client).map(|(uri, client)| {
        let mut url = uri.to_owned();
        if let Some(state) = form.find("state") {
            let joint = if uri.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{joint}state={}", utf8_percent_encode(state, RESERVED)));
        }
        Next { url, client: client.shown_name().to_owned() }
    }))
}

/// `GET /oidc/logout`: the request itself, or one that came by a form and is carried on.
pub(crate) async fn ask(State(app): State<Arc<App>>, request: Request) -> Response {
    handler::page(&app, request, async |head| {
        let raw = head.uri.query().unwrap_or_default();
        match carried(&app, &Form::parse(raw.as_bytes())?, app.clock().now())? {
            Some(raw) => begin(&app, head, &raw).await,
            None => begin(&app, head, raw).await,
        }
    })
    .await
}

/// `POST /oidc/logout`: the request itself, or the answer to the question.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, request: Request) -> Response {
    handler::form(&app, request, async |received| {
        let head = &received.head;
        let form = received.form()?;
        if form.find(CSRF).is_some() {
            return confirmed(&app, head, &form).await;
        }
        if Browser::has_session_cookie(&app, head) {
            return begin(&app, head, received.text()?).await;
        }
        let now = app.clock().now();
        let logout = Logout::read(&app, received.text()?, now).await?;
        Ok(app.to_page(sign_out::PATH, &logout.flow(&app, now)?))
    })
    .await
}

/// The request that a form or a URL carries, if it carries one.
fn carried(app: &App, form: &Form<'_>, now: Timestamp) -> Result<Option<String>, Failure> {
    let Some(flow) = form.find(FLOW) else { return Ok(None) };
    let opened =
        Interaction::open(&app.keys(), Waiting::Logout, flow, now).map_err(Failure::of_form)?;
    Ok(Some(opened.request))
}

async fn begin(app: &App, head: &Parts, raw: &str) -> Result<Response, Failure> {
    let now = app.clock().now();
    let logout = Logout::read(app, raw, now).await?;
    let mut browser = Browser::read(app, head, now).await?;
    let Some(person) = &browser.person else {
        return Ok(done(app, head, &browser, &logout, Vec::new()));
    };
    if logout.is_of(app, person.session.id).await? {
        return finish(app, head, browser, &logout, now).await;
    }
    let page = SignOut {
        flow: logout.flow(app, now)?,
        username: person.username.as_str().to_owned(),
        client: logout
            .client
            .as_deref()
            .map(|registered| registered.client.shown_name().to_owned()),
        target: logout.next.as_ref().and_then(|next| Source::of(&next.url)),
        csrf: browser.csrf(app)?,
    };
    Ok(browser.with_cookies(app.pages().respond(Language::asked_for(&logout.raw, head), &page)))
}

async fn confirmed(app: &App, head: &Parts, form: &Form<'_>) -> Result<Response, Failure> {
    let now = app.clock().now();
    let browser = Browser::read(app, head, now).await?;
    if browser.person.is_some() && !browser.verify_csrf(app, form) {
        return Err(Failure::FormExpired);
    }
    let raw = carried(app, form, now)?.unwrap_or_default();
    let logout = Logout::read(app, &raw, now).await?;
    finish(app, head, browser, &logout, now).await
}

async fn finish(
    app: &App,
    head: &Parts,
    mut browser: Browser,
    logout: &Logout,
    now: Timestamp,
) -> Result<Response, Failure> {
    let frames = app.frames(browser.person.as_ref()).await?;
    browser.sign_out(app, now).await?;
    Ok(done(app, head, &browser, logout, frames))
}

/// The way back; where the browser has something to load first, the page that does so and leads there.
fn done(
    app: &App,
    head: &Parts,
    browser: &Browser,
    logout: &Logout,
    frames: Vec<Link>,
) -> Response {
    let response = match &logout.next {
        Some(next) if frames.is_empty() => see_other(&next.url),
        next => {
            let page = SignedOut { frames, next: next.clone() };
            app.pages().respond(Language::asked_for(&logout.raw, head), &page)
        }
    };
    browser.with_cookies(response)
}
