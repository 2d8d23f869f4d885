//! The consent page: what the person is asked, and what follows from the answer.

use std::sync::Arc;

use axum::extract::{Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::response::Response;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::authorize::Step;
use remint_protocol::consent::Consent as Given;
use remint_protocol::policy::MaxLifetime;
use remint_protocol::redirect_uri::host_or_scheme;
use remint_protocol::reject::Why;
use remint_protocol::tell;
use remint_store::Outcome;

use super::{Authorization, CONTINUE, Refusal, resume};
use crate::App;
use crate::browser::handler;
use crate::browser::pages::consent::{ALLOW, Asker, Consent, DENY, SWITCH};
use crate::browser::pages::{DECISION, Link, Source, sign_in};
use crate::browser::session::{Browser, Person};
use crate::http::body::Received;
use crate::http::failure::Failure;

/// `GET /consent`.
pub(crate) async fn show_consent(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    handler::page(&app, request, async |head| app.refusing(head, show(&app, head).await)).await
}

async fn show(app: &App, head: &Parts) -> Result<Response, Refusal> {
    let parameters = head.uri.query().unwrap_or_default().as_bytes();
    let authorization = resume(app, parameters).await?;
    let mut browser = Browser::read(app, head, authorization.now).await?;
    if authorization.step(app, &browser).await? != Step::Consent {
        return Ok(app.to_page(CONTINUE, &authorization.flow(app)?));
    }
    let csrf = browser.csrf(app)?;
    let person = browser.person.as_ref().ok_or(Why::LoginRequired)?;
    let page = Consent { csrf, ..authorization.question(app, person)? };
    Ok(browser.with_cookies(app.pages().respond(authorization.language(head), &page)))
}

/// `POST /consent`.
pub(crate) async fn answer_consent(State(app): State<Arc<App>>, request: HttpRequest) -> Response {
    handler::form(&app, request, async |received| {
        app.refusing(&received.head, respond(&app, received).await)
    })
    .await
}

async fn respond(app: &App, received: &Received) -> Result<Response, Refusal> {
    let head = &received.head;
    let authorization = resume(app, received.bytes()).await?;
    let mut browser = Browser::read(app, head, authorization.now).await?;
    let form = received.form()?;
    // Whoever signed out meanwhile, or somebody else who signed in, is asked anew.
    if !browser.verify_csrf(app, &form) {
        return Ok(app.to_page(CONTINUE, &authorization.flow(app)?));
    }
    let (Step::Consent, Some(person)) =
        (authorization.step(app, &browser).await?, browser.person.as_ref())
    else {
        return Ok(app.to_page(CONTINUE, &authorization.flow(app)?));
    };
    match form.find(DECISION) {
        Some(ALLOW) => {
            if authorization.remember(app, person).await? == Outcome::Conflict {
                return Ok(app.to_page(CONTINUE, &authorization.flow(app)?));
            }
            tell!(
                CONSENT_GRANTED,
                actor = %Actor::User(person.session.user_id),
                on = %Object::Consent(person.session.user_id, &authorization.client().id),
                outcome = audit::DONE,
                source = %browser.source,
                sub = %person.session.user_id,
                client_id = %authorization.client().id,
                scope = authorization.request.scope.as_str(),
                request_id = %browser.request_id,
            );
            authorization.issue(app, &browser, head).await
        }
        Some(SWITCH) => {
            browser.sign_out(app, authorization.now).await?;
            Ok(browser.with_cookies(app.to_page(sign_in::PATH, &authorization.flow(app)?)))
        }
        Some(DENY) => Err(authorization.refuse(Why::ConsentDenied.into())),
        Some(_) | None => Err(Failure::FormExpired.into()),
    }
}

impl Authorization {
    fn question(&self, app: &App, person: &Person) -> Result<Consent, Failure> {
        let client = self.client();
        let link = |url: &Option<String>| url.as_deref().and_then(Link::of);
        let links = &client.relying_party.links;
        let policy = &self.registered.policy;
        let lasts = if client.gets_refresh_token(&self.request.scope) {
            match policy.refresh_token_max_lifetime {
                MaxLifetime::Endless => None,
                MaxLifetime::Of(lifetime) => Some(lifetime),
            }
        } else {
            Some(policy.access_token_lifetime)
        };
        Ok(Consent {
            flow: self.flow(app)?,
            client: Asker {
                name: client.shown_name().to_owned(),
                id: client.id.as_str().to_owned(),
                redirect_host: host_or_scheme(&self.target.uri),
                website: link(&links.home),
                privacy: link(&links.policy),
                terms: link(&links.terms),
                is_unproven: self.target.is_unproven,
            },
            username: person.username.as_str().to_owned(),
            scopes: self.request.asks_for().iter().map(ToOwned::to_owned).collect(),
            resources: self.request.resources.iter().map(ToOwned::to_owned).collect(),
            lasts,
            target: Source::of(&self.target.uri),
            csrf: String::new(),
        })
    }

    /// Adds what was allowed to what was allowed before, unless that changes at this moment.
    async fn remember(&self, app: &App, person: &Person) -> Result<Outcome, Failure> {
        let (user_id, client) = (person.session.user_id, self.client());
        let seen = app.store().load_consent(user_id, &client.id).await?;
        let given = Given {
            user_id,
            client_id: client.id.clone(),
            scope: self.request.asks_for(),
            resources: self.request.resources.clone(),
            given_at: self.now,
        };
        let given = given.with(seen.as_ref());
        Ok(app.store().save_consent(&given, seen.as_ref()).await?)
    }
}
