//! The authorization endpoint (RFC 6749 §3.1): read the request, decide what comes next, do it.
//!
//! Nothing is kept of a request while a person signs in and consents: it travels with the pages, sealed,
//! and each step judges it anew. What can go wrong has two types. [`Refusal::Page`] is for the person at
//! the browser, before it is known where an answer may go; [`Refusal::Client`] goes back to the client.

mod answer;
mod consent;
mod issue;
mod sign_in;

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::response::{IntoResponse as _, Response};
use remint_protocol::authorize::{Request, SignInContext, Step, Target, Unproven, decide};
use remint_protocol::client::Client;
use remint_protocol::form::Form;
use remint_protocol::interaction::{Interaction, SignInProof, Waiting};
use remint_protocol::reject::{Reject, Why};
use remint_protocol::time::Timestamp;

use crate::App;
use crate::browser::error_page;
use crate::browser::handler;
use crate::browser::pages::{self, FLOW, Language};
use crate::browser::session::Browser;
use crate::http::failure::Failure;
use crate::http::failure::FailureReport;
use crate::http::notes;
use crate::state::clients::Registered;

pub(crate) use answer::{RESERVED, see_other};
pub(crate) use consent::{answer_consent, show_consent};
pub(crate) use sign_in::{show_sign_in, sign_in};

/// The path on which a request goes on after a page.
pub(crate) const CONTINUE: &str = "/oauth2/authorize/continue";

/// The reason why a request is not answered with what it asked for.
pub(crate) enum Refusal {
    /// For the person at the browser: it is not known where an answer may go, or it is our fault.
    Page(Failure),
    /// For the client.
    Client(Box<Target>, Reject),
}

impl From<Unproven> for Refusal {
    fn from(unproven: Unproven) -> Self {
        Self::Page(unproven.0.into())
    }
}

impl<T: Into<Failure>> From<T> for Refusal {
    fn from(failure: T) -> Self {
        Self::Page(failure.into())
    }
}

/// A request that may be answered, with all that is known of it.
pub(crate) struct Authorization {
    /// The parameters, as they came.
    raw: String,
    /// The time at which they first came.
    since: Timestamp,
    /// The sign-in that was made for them.
    proof: Option<SignInProof>,
    registered: Arc<Registered>,
    target: Target,
    request: Request,
    now: Timestamp,
}

impl Authorization {
    /// Reads and judges a request.
    async fn read(
        app: &App,
        Interaction { request: raw, since, proof, .. }: Interaction,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        notes::parameters(&raw);
        let form = error_page::form(&raw)?;
        let id = form.find("client_id").ok_or(Why::AuthorizeClientMissing)?;
        let registered = app.client(id).await?;
        let target = Target::prove(&form, registered.as_deref().map(|r| &r.client))?;
        let registered = registered.ok_or(Why::AuthorizeClientUnknown)?;
        let mut request = match Request::read(&form, &registered.client) {
            Ok(request) => request,
            Err(reject) => return Err(Refusal::Client(Box::new(target), reject)),
        };
        if let Some(hint) = form.find("id_token_hint") {
            let hint = app.id_token_hint(hint, now).await?;
            let own = hint.filter(|hint| hint.aud.contains(registered.client.id.as_str()));
            if let Err(reject) = request.expect(own.map(|hint| hint.sub)) {
                return Err(Refusal::Client(Box::new(target), reject));
            }
        }
        drop(form);
        Ok(Self { raw, since, proof, registered, target, request, now })
    }

    fn client(&self) -> &Client {
        &self.registered.client
    }

    /// Decides the next step for this browser.
    async fn step(&self, app: &App, browser: &Browser) -> Result<Step, Failure> {
        let session = browser.person.as_ref().map(|person| &person.session);
        let consent = match session {
            Some(session) => app.store().load_consent(session.user_id, &self.client().id).await?,
            None => None,
        };
        let subject = match session {
            Some(session) => Some(app.subject(self.client(), session.user_id).await?),
            None => None,
        };
        let known = SignInContext {
            session,
            subject: subject.as_ref(),
            consent: consent.as_ref(),
            is_proven: session.zip(self.proof).is_some_and(|(session, proof)| {
                proof == SignInProof::of(session, &self.raw, self.since)
            }),
        };
        Ok(decide(&self.request, &self.target, self.client(), known, self.now))
    }

    /// The language of its pages.
    fn language(&self, head: &Parts) -> Language {
        Language::choose(self.request.ui_locales.as_deref(), &head.headers)
    }

    /// The request, sealed for a page.
    fn flow(&self, app: &App) -> Result<String, Failure> {
        let interaction =
            Interaction { proof: self.proof, ..waiting(self.raw.clone(), self.since) };
        interaction.seal(&app.keys()).ok_or_else(|| Why::ParametersTooMany.into())
    }

    /// The next page or the answer.
    async fn proceed(
        &self,
        app: &App,
        browser: &Browser,
        head: &Parts,
    ) -> Result<Response, Refusal> {
        let page = match self.step(app, browser).await? {
            Step::SignIn => pages::sign_in::PATH,
            Step::Consent => pages::consent::PATH,
            Step::Refuse(reject) => return Err(self.refuse(reject)),
            Step::Answer => return self.issue(app, browser, head).await,
        };
        Ok(app.to_page(page, &self.flow(app)?))
    }

    fn refuse(&self, reject: Reject) -> Refusal {
        Refusal::Client(Box::new(self.target.clone()), reject)
    }
}

impl App {
    /// A redirect to one of our pages, which goes on with a request.
    pub(crate) fn to_page(&self, path: &str, flow: &str) -> Response {
        see_other(&format!("{}{path}?{FLOW}={flow}", self.issuer().path()))
    }
}

/// `GET /oauth2/authorize`.
pub(crate) async fn authorize(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    handler::page(&app, request, async |head| {
        let now = app.clock().now();
        let raw = head.uri.query().unwrap_or_default().to_owned();
        let read = Authorization::read(&app, waiting(raw, now), now).await;
        finish(&app, head, read).await
    })
    .await
}

/// `POST /oauth2/authorize` (OpenID Connect Core §3.1.2.1). Browsers send no session with the form of
/// another site, so that the request goes on with a redirect, which carries it.
pub(crate) async fn authorize_by_form(
    State(app): State<Arc<App>>,
    request: HttpRequest,
) -> Response {
    handler::form(&app, request, async |received| {
        let (head, now) = (&received.head, app.clock().now());
        let interaction = waiting(received.text()?.to_owned(), now);
        match Authorization::read(&app, interaction, now).await {
            Ok(authorization) if !Browser::has_session_cookie(&app, head) => {
                Ok(app.to_page(CONTINUE, &authorization.flow(&app)?))
            }
            read => finish(&app, head, read).await,
        }
    })
    .await
}

/// `GET /oauth2/authorize/continue`: after a page.
pub(crate) async fn continuation(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    handler::page(&app, request, async |head| {
        let read = resume(&app, head.uri.query().unwrap_or_default().as_bytes()).await;
        finish(&app, head, read).await
    })
    .await
}

/// A request as it arrives.
const fn waiting(request: String, since: Timestamp) -> Interaction {
    Interaction { waiting: Waiting::Authorization, request, since, proof: None }
}

/// Opens the request that a page or its form carries.
async fn resume(app: &App, form: &[u8]) -> Result<Authorization, Refusal> {
    let now = app.clock().now();
    let form = Form::parse(form)?;
    let flow = form.find(FLOW).ok_or(Failure::FormExpired)?;
    let interaction = Interaction::open(&app.keys(), Waiting::Authorization, flow, now)
        .map_err(Failure::of_form)?;
    Authorization::read(app, interaction, now).await
}

async fn finish(
    app: &App,
    head: &Parts,
    read: Result<Authorization, Refusal>,
) -> Result<Response, Failure> {
    let answered = async {
        let authorization = read?;
        let browser = Browser::read(app, head, authorization.now).await?;
        let response = authorization.proceed(app, &browser, head).await?;
        Ok(browser.with_cookies(response))
    };
    app.refusing(head, answered.await)
}

impl App {
    /// Sends the client what is for the client. What is left is for the person at the browser.
    fn refusing(
        &self,
        head: &Parts,
        answered: Result<Response, Refusal>,
    ) -> Result<Response, Failure> {
        match answered {
            Ok(response) => Ok(response),
            Err(Refusal::Page(failure)) => Err(failure),
            Err(Refusal::Client(target, reject)) => {
                let mut response = answer::refuse(self, head, &target, reject);
                response.extensions_mut().insert(FailureReport::of(&reject.into()));
                Ok(response)
            }
        }
    }
}

/// Nothing here is to be kept.
fn no_store(mut response: Response) -> Response {
    let value = header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// A redirect that makes a GET of it (RFC 9700 §4.12).
fn redirect(location: header::HeaderValue) -> Response {
    no_store((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}
