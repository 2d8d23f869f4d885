//! The sign-in page: shown for a request that waits, or for the account page.

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::response::Response;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::authorize::Step;
use remint_protocol::client_id::ClientId;
use remint_protocol::form::Form;
use remint_protocol::interaction::SignInProof;
use remint_protocol::reject::Code;
use remint_protocol::tell;
use remint_protocol::user::UserId;
use remint_store::Outcome;

use super::{Authorization, Refusal, resume, see_other};
use crate::App;
use crate::browser::error_page;
use crate::browser::handler;
use crate::browser::login::Login;
use crate::browser::pages::sign_in::{Notice, PASSWORD, SignIn, USERNAME};
use crate::browser::pages::{self, Language, Source};
use crate::browser::session::Browser;
use crate::http::body::Received;
use crate::http::failure::Failure;
use crate::state::request_ids::RequestId;

/// The longest user name that is shown again.
const HINT_MAX: usize = 255;

/// The request or page that waits for somebody to sign in.
enum Waiting {
    /// An authorization request.
    Authorization(Box<Authorization>),
    /// The account page.
    Account,
}

impl Waiting {
    async fn read(app: &App, parameters: &[u8]) -> Result<Self, Refusal> {
        let has_flow = Form::parse(parameters)?.find(pages::FLOW).is_some();
        if !has_flow {
            return Ok(Self::Account);
        }
        Ok(Self::Authorization(Box::new(resume(app, parameters).await?)))
    }

    fn client(&self) -> Option<&ClientId> {
        let Self::Authorization(authorization) = self else { return None };
        Some(&authorization.client().id)
    }

    fn page(&self, app: &App) -> Result<SignIn, Failure> {
        let Self::Authorization(authorization) = self else { return Ok(SignIn::default()) };
        Ok(SignIn {
            flow: authorization.flow(app)?,
            client: Some(authorization.client().shown_name().to_owned()),
            target: Source::of(&authorization.target.uri),
            ..SignIn::default()
        })
    }

    /// The user name that the request suggests.
    fn login_hint(&self) -> Option<&str> {
        let Self::Authorization(authorization) = self else { return None };
        authorization.request.login_hint.as_deref().filter(|hint| hint.len() <= HINT_MAX)
    }

    fn language(&self, head: &Parts) -> Language {
        match self {
            Self::Authorization(authorization) => authorization.language(head),
            Self::Account => Language::choose(None, &head.headers),
        }
    }

    /// Remembers that somebody has signed in for this.
    fn proven(&mut self, browser: &Browser) {
        if let (Self::Authorization(authorization), Some(person)) = (self, &browser.person) {
            let (request, since) = (&authorization.raw, authorization.since);
            authorization.proof = Some(SignInProof::of(&person.session, request, since));
        }
    }

    /// The next page or the response, without a detour.
    async fn next(&self, app: &App, browser: &Browser, head: &Parts) -> Result<Response, Refusal> {
        match self {
            Self::Authorization(authorization) => authorization.proceed(app, browser, head).await,
            Self::Account => {
                let base = app.issuer().path();
                Ok(see_other(&format!("{base}{}", pages::account::PATH)))
            }
        }
    }
}

/// `GET /login`.
pub(crate) async fn show_sign_in(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    handler::page(&app, request, async |head| app.refusing(head, show(&app, head).await)).await
}

async fn show(app: &App, head: &Parts) -> Result<Response, Refusal> {
    let parameters = head.uri.query().unwrap_or_default().as_bytes();
    let waiting = Waiting::read(app, parameters).await?;
    let mut browser = Browser::read(app, head, app.clock().now()).await?;
    let is_done = match &waiting {
        Waiting::Authorization(authorization) => {
            authorization.step(app, &browser).await? != Step::SignIn
        }
        Waiting::Account => browser.person.is_some(),
    };
    if is_done {
        return waiting.next(app, &browser, head).await;
    }
    let known = browser.person.as_ref().map(|person| person.username.as_str().to_owned());
    let hint = waiting.login_hint().map(ToOwned::to_owned);
    let page = SignIn {
        csrf: browser.csrf(app)?,
        notice: known.as_ref().map(|_| Notice::Again),
        username: known.or(hint).unwrap_or_default(),
        ..waiting.page(app)?
    };
    Ok(browser.with_cookies(app.pages().respond(waiting.language(head), &page)))
}

/// `POST /login`.
pub(crate) async fn sign_in(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    handler::form(&app, request, async |received| {
        app.refusing(&received.head, prove(&app, received).await)
    })
    .await
}

async fn prove(app: &App, received: &Received) -> Result<Response, Refusal> {
    let head = &received.head;
    let mut waiting = Waiting::read(app, received.bytes()).await?;
    let now = app.clock().now();
    let mut browser = Browser::read(app, head, now).await?;
    let form = received.form()?;
    let username = form.find(USERNAME).unwrap_or_default();
    let again = |browser: &mut Browser, notice, failure: &Failure| -> Result<Response, Refusal> {
        let page = SignIn {
            csrf: browser.csrf(app)?,
            username: username.get(..HINT_MAX.min(username.len())).unwrap_or_default().to_owned(),
            notice: Some(notice),
            ..waiting.page(app)?
        };
        Ok(failure
            .shown_by(browser.with_cookies(app.pages().respond(waiting.language(head), &page))))
    };
    let login = Login {
        app,
        username,
        source: browser.source,
        client: waiting.client(),
        device: browser.device(app, head, (username, now)),
        now,
        request_id: RequestId::of(&head.extensions),
    };
    let taken = match login.take_request() {
        Ok(taken) => taken,
        Err(wait) => {
            return again(&mut browser, Notice::Wait(wait), &Failure::TooManyRequests(wait));
        }
    };
    if !browser.verify_csrf(app, &form) {
        return again(&mut browser, Notice::Expired, &Failure::FormExpired);
    }
    let user = match login.prove(form.find(PASSWORD).unwrap_or_default()).await {
        Ok(user) => user,
        Err(Failure::Reject(reject)) if reject.code == Code::InvalidGrant => {
            return again(&mut browser, Notice::WrongCredentials, &reject.into());
        }
        Err(failure @ Failure::Throttled(wait)) => {
            return again(&mut browser, Notice::Wait(wait), &failure);
        }
        Err(failure) => return Err(failure.into()),
    };
    let id = user.id;
    if browser.sign_in(app, user, &login).await? == Outcome::Conflict {
        // The account ended while its password was checked, or two forms were sent at once.
        tell!(
            LOGIN_FAILED,
            cause = "ended_meanwhile",
            client_id = login.client.map(display),
            sub = %id,
            source = %browser.source,
            request_id = %login.request_id,
        );
        return again(&mut browser, Notice::SessionEnded, &Failure::Contended);
    }
    succeeded(id, &login);
    taken.give_back();
    waiting.proven(&browser);
    // The sign-in holds, whatever becomes of the request.
    let next = waiting.next(app, &browser, head).await;
    let next = app.refusing(head, next);
    let next = next.unwrap_or_else(|failure| error_page::render(app, head, &failure));
    Ok(browser.with_cookies(next))
}

fn succeeded(id: UserId, login: &Login<'_>) {
    tell!(
        LOGIN_SUCCEEDED,
        actor = %Actor::User(id),
        on = %Object::User(id),
        outcome = audit::DONE,
        source = %login.source,
        sub = %id,
        request_id = %login.request_id,
    );
}
