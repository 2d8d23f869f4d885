//! The playground of a development server: this server plays an application that signs people in with
//! the authorization code flow (RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1) and shows each step.
//!
//! No key, variable or flag turns it on: `remint serve --dev` adds its routes, because it knows what it has
//! registered. It does what is asked of an application:
//! `state`, `iss` (RFC 9207) and `nonce` are checked, tokens stay with the server, a code does not stay
//! in the address bar, and one refresh is under way at a time. It logs nothing itself.

mod clients;
mod id_token;
mod message;
mod step;
mod walk;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use remint_protocol::form::Form;

use crate::App;
use crate::browser::authorize::see_other;
use crate::browser::handler;
use crate::browser::pages::playground::{
    CALLBACK, Check, Exchange, Next, PATH, Playground, SIGNED_OUT, STEP,
};
use crate::browser::pages::{Language, sign_out};
use crate::browser::session::Browser;
use crate::http::client_ip::Peer;
use crate::http::failure::Failure;

use message::{Draft, encode, navigation};
use step::{Player, Step};
use walk::{Begun, Walk, Walks};

pub use clients::PlaygroundClients;

/// The applications, and how far each browser has come.
#[derive(Clone)]
struct Play {
    clients: PlaygroundClients,
    walks: Arc<Walks>,
}

/// The routes of the playground, for [`router_with`](crate::router_with).
pub fn routes(app: &App, clients: PlaygroundClients) -> Router<Arc<App>> {
    let walks = Arc::new(Walks::new(app.cookies().playground.clone()));
    Router::new()
        .route(PATH, get(show).post(take))
        .route(CALLBACK, get(answered))
        .route(SIGNED_OUT, get(signed_out))
        .layer(Extension(Play { clients, walks }))
}

impl App {
    fn playground_uri(&self, path: &str) -> String {
        format!("{}{path}", self.issuer().as_str())
    }

    fn to_playground(&self) -> Response {
        see_other(&format!("{}{PATH}", self.issuer().path()))
    }
}

/// `GET /playground`.
async fn show(
    State(app): State<Arc<App>>,
    Extension(Play { clients, walks }): Extension<Play>,
    request: Request,
) -> Response {
    handler::page(&app, request, async |head| {
        let mut browser = Browser::read(&app, head, app.clock().now()).await?;
        let csrf = browser.csrf(&app)?;
        let walk = match walks.find(head) {
            Some(walk) => walk,
            None => {
                let (walk, cookie) = walks.begin()?;
                browser.push_cookie(cookie);
                walk
            }
        };
        let walk = walk.lock().await;
        let steps = walk.steps.iter().rev().cloned().collect();
        let page = Playground { csrf, next: next(&app, clients, &walk), steps };
        Ok(browser.with_cookies(app.pages().respond(Language::English, &page)))
    })
    .await
}

fn next(app: &App, clients: PlaygroundClients, walk: &Walk) -> Next {
    if let Some(tokens) = &walk.tokens {
        let leave = leave(app, clients, walk);
        return Next::Use { has_used: tokens.used.is_some(), leave };
    }
    if walk.code.is_some() {
        return Next::Redeem;
    }
    let url = authorization(app, clients, &walk.begun);
    Next::Begin { request: navigation(&url), url }
}

/// The authorization request, as a path of this server.
fn authorization(app: &App, clients: PlaygroundClients, begun: &Begun) -> String {
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", clients.app),
        ("redirect_uri", &app.playground_uri(CALLBACK)),
        ("scope", clients.scope),
        ("state", &begun.state),
        ("nonce", &begun.nonce),
        ("code_challenge", &begun.challenge()),
        ("code_challenge_method", "S256"),
    ]);
    format!("{}/oauth2/authorize?{query}", app.issuer().path())
}

/// Returns the form that is sent to sign out (OpenID Connect RP-Initiated Logout 1.0 §2).
fn leave(app: &App, clients: PlaygroundClients, walk: &Walk) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("client_id", clients.app.to_owned()),
        ("post_logout_redirect_uri", app.playground_uri(SIGNED_OUT)),
    ];
    if let Some(tokens) = &walk.tokens {
        fields.push(("state", tokens.leaving.clone()));
        fields.extend(tokens.id.clone().map(|id| ("id_token_hint", id)));
    }
    fields
}

/// `GET /playground/callback`: the authorization response. A redirect follows, so that the code does not
/// stay in the address bar and the browser's history.
async fn answered(
    State(app): State<Arc<App>>,
    Extension(Play { clients, walks }): Extension<Play>,
    request: Request,
) -> Response {
    handler::page(&app, request, async |head| {
        let walk = walks.find(head).ok_or(Failure::FormExpired)?;
        let form = Form::parse(head.uri.query().unwrap_or_default().as_bytes())?;
        let mut walk = walk.lock().await;
        let exchange = judge_answer(&app, clients, &mut walk, head, &form)?;
        walk.add(exchange);
        Ok(app.to_playground())
    })
    .await
}

fn judge_answer(
    app: &App,
    clients: PlaygroundClients,
    walk: &mut Walk,
    head: &Parts,
    form: &Form<'_>,
) -> Result<Exchange, Failure> {
    let request = navigation(&authorization(app, clients, &walk.begun));
    let checks = vec![
        // RFC 6749 §10.12: against answers that were slipped in.
        Check {
            what: "state is the one of this browser’s request, which was not answered before.",
            holds: !walk.is_answered && form.find("state") == Some(&walk.begun.state),
        },
        // RFC 9207 §2.4: against a mix-up of servers.
        Check {
            what: "iss is the server that was asked.",
            holds: form.find("iss") == Some(app.issuer().as_str()),
        },
    ];
    let is_ours = checks.iter().all(|check| check.holds);
    let (is_good, told) = match (form.find("code"), form.find("error")) {
        _ if !is_ours => {
            let told = "This is no answer to what this browser asked, so the application drops it.";
            (false, told.to_owned())
        }
        (Some(code), _) => {
            walk.is_answered = true;
            walk.code = Some(code.to_owned());
            let told = "A code came back through the browser. It lives for a minute, and is worth nothing \
                        without the secret behind code_challenge.";
            (true, told.to_owned())
        }
        (None, error) => {
            walk.begun = Begun::draw()?;
            (false, format!("There is no code: {}.", error.unwrap_or("not even an error")))
        }
    };
    Ok(Exchange {
        title: "The authorization request and its answer",
        told,
        is_good,
        request,
        answer: navigation(head.uri.path_and_query().map_or("", |target| target.as_str())),
        checks,
        claims: None,
        verdict: None,
        before: None,
        after: None,
    })
}

/// `GET /playground/signed-out`: back from signing out.
async fn signed_out(
    State(app): State<Arc<App>>,
    Extension(Play { clients, walks }): Extension<Play>,
    request: Request,
) -> Response {
    handler::page(&app, request, async |head| {
        let walk = walks.find(head).ok_or(Failure::FormExpired)?;
        let form = Form::parse(head.uri.query().unwrap_or_default().as_bytes())?;
        let mut walk = walk.lock().await;
        let state = walk.tokens.as_ref().map(|tokens| tokens.leaving.as_str());
        if state.is_some() && form.find("state") == state {
            let fields = leave(&app, clients, &walk);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
            let request = Draft::post(sign_out::PATH, &fields).message(&app);
            let target = head.uri.path_and_query().map_or("", |target| target.as_str());
            let mut player = Player { app: &app, clients, walk: &mut walk, peer: None };
            player.leave(request, navigation(target)).await?;
        }
        Ok(app.to_playground())
    })
    .await
}

/// `POST /playground`: the next step.
async fn take(
    State(app): State<Arc<App>>,
    Extension(Play { clients, walks }): Extension<Play>,
    request: Request,
) -> Response {
    handler::form(&app, request, async |received| {
        let head = &received.head;
        let form = received.form()?;
        let browser = Browser::read(&app, head, app.clock().now()).await?;
        let step = form.find(STEP).and_then(Step::parse);
        let (Some(walk), Some(step)) = (walks.find(head), step) else {
            return Err(Failure::FormExpired);
        };
        if !browser.verify_csrf(&app, &form) {
            return Err(Failure::FormExpired);
        }
        let peer = head.extensions.get::<Peer>().copied();
        let mut walk = walk.lock().await;
        let mut player = Player { app: &app, clients, walk: &mut walk, peer };
        // Boxed: it holds a whole request to this server.
        Box::pin(player.take(step)).await?;
        Ok(app.to_playground())
    })
    .await
}
