//! The steps that the application takes with a code and with tokens: what is sent, and what it tells.

use std::sync::Arc;

use axum::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remint_protocol::family::Family;
use remint_protocol::refresh::{self, Case, Decision, Request};
use remint_protocol::reject::Why;
use remint_protocol::token::{self, Unopened};

use super::id_token;
use super::message::{Draft, Sent};
use super::walk::{Begun, Tokens, Walk, word};
use crate::App;
use crate::browser::pages::playground::{CALLBACK, Check, Exchange, Message, Verdict};
use crate::http::client_ip::Peer;
use crate::http::failure::Failure;
use crate::playground::PlaygroundClients;
use crate::state::clients::Registered;

const TOKEN: &str = "/oauth2/token";

/// The steps with a code or with tokens.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Redeem,
    Again,
    Refresh,
    Replay,
    Damage,
    Userinfo,
    Introspect,
    Revoke,
    Restart,
}

impl Step {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "redeem" => Self::Redeem,
            "again" => Self::Again,
            "refresh" => Self::Refresh,
            "replay" => Self::Replay,
            "damage" => Self::Damage,
            "userinfo" => Self::Userinfo,
            "introspect" => Self::Introspect,
            "revoke" => Self::Revoke,
            "restart" => Self::Restart,
            _ => return None,
        })
    }
}

/// The result of a response, as it is shown.
struct Told {
    title: &'static str,
    sentence: String,
    is_good: bool,
    checks: Vec<Check>,
    claims: Option<String>,
    verdict: Option<Verdict>,
}

impl Told {
    fn new(title: &'static str, is_good: bool, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { title, sentence, is_good, checks: Vec::new(), claims: None, verdict: None }
    }
}

/// The application, in the middle of a walk.
pub(super) struct Player<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) clients: PlaygroundClients,
    pub(super) walk: &'a mut Walk,
    pub(super) peer: Option<Peer>,
}

impl Player<'_> {
    /// Takes one step. A form that is older than what was done since asks for what is not there any more.
    pub(super) async fn take(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Redeem if self.walk.tokens.is_none() => self.redeem().await,
            Step::Again if self.walk.tokens.is_some() => self.redeem_again().await,
            Step::Refresh => {
                let token = self.tokens()?.refresh.clone();
                self.refresh("Refresh", &token).await
            }
            Step::Replay => {
                let token = self.tokens()?.used.clone().ok_or(Failure::FormExpired)?;
                self.refresh("Present the old token again", &token).await
            }
            Step::Damage => {
                let token = damaged(&self.tokens()?.refresh);
                self.refresh("Present a damaged token", &token).await
            }
            Step::Userinfo => self.userinfo().await,
            Step::Introspect => self.introspect().await,
            Step::Revoke => self.revoke().await,
            Step::Restart => {
                *self.walk = Walk::new()?;
                Ok(())
            }
            Step::Redeem | Step::Again => Err(Failure::FormExpired),
        }
    }

    fn tokens(&self) -> Result<&Tokens, Failure> {
        self.walk.tokens.as_ref().ok_or(Failure::FormExpired)
    }

    async fn registered(&self) -> Result<Arc<Registered>, Failure> {
        let app = self.app;
        let found = app.client(self.clients.app).await?;
        Ok(found.ok_or(Why::AuthorizeClientUnknown)?)
    }

    async fn family(&self) -> Result<Option<Family>, Failure> {
        let Some(id) = self.walk.family else { return Ok(None) };
        Ok(self.app.store().load_family(id).await?.map(|loaded| loaded.family))
    }

    fn keep(&mut self, sent: Sent, told: Told, before: Option<Family>, after: Option<Family>) {
        let Sent { request, answer, .. } = sent;
        let Told { title, sentence, is_good, checks, claims, verdict } = told;
        self.walk.add(Exchange {
            title,
            told: sentence,
            is_good,
            request,
            answer,
            checks,
            claims,
            verdict,
            before,
            after,
        });
    }

    async fn send_code(&self) -> Result<Sent, Failure> {
        let code = self.walk.code.as_deref().ok_or(Failure::FormExpired)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.app.playground_uri(CALLBACK)),
            ("code_verifier", &self.walk.begun.verifier),
            ("client_id", self.clients.app),
        ];
        Draft::post(TOKEN, &form).send(self.app, self.peer).await
    }

    async fn redeem(&mut self) -> Result<(), Failure> {
        let sent = self.send_code().await?;
        let registered = self.registered().await?;
        let nonce = self.walk.begun.nonce.clone();
        let (checks, claims) =
            id_token::check(self.app, None, &sent, (&registered.client, Some(&nonce))).await?;
        let is_good = sent.status.is_success() && checks.iter().all(|check| check.holds);
        let told = if is_good {
            "The code is spent, and a family begins: its row was written now, and its key is what makes \
             the code good for one redemption. Until here the server had stored nothing."
        } else {
            "The application has no tokens and begins anew. Nothing was stored."
        };
        match (is_good, sent.text("access_token"), sent.text("refresh_token")) {
            (true, Some(access), Some(refresh)) => {
                let opened =
                    token::open_refresh(&self.app.keys(), refresh, &registered.client.id).ok();
                self.walk.family = opened.map(|opened| opened.family);
                self.walk.tokens = Some(Tokens {
                    access: access.to_owned(),
                    refresh: refresh.to_owned(),
                    used: None,
                    id: sent.text("id_token").map(ToOwned::to_owned),
                    leaving: word::<16>()?,
                });
            }
            _ => {
                self.walk.code = None;
                self.walk.is_answered = false;
                self.walk.begun = Begun::draw()?;
            }
        }
        let told = Told { checks, claims, ..Told::new("Redeem the code", is_good, told) };
        let after = self.family().await?;
        self.keep(sent, told, None, after);
        Ok(())
    }

    async fn redeem_again(&mut self) -> Result<(), Failure> {
        let before = self.family().await?;
        let sent = self.send_code().await?;
        let after = self.family().await?;
        let told = if sent.status.is_success() {
            "Within the grace period a second redemption gets the same tokens: the answer may have been lost."
        } else if is_ended(before.as_ref(), after.as_ref()) {
            "Whoever comes second finds the row there already, and somebody has a copy of the code: the \
             family has ended."
        } else {
            "The code is over, be it too old or its family ended. Nothing has changed."
        };
        let told = Told::new("Redeem the code again", sent.status.is_success(), told);
        self.keep(sent, told, before, after);
        Ok(())
    }

    async fn refresh(&mut self, title: &'static str, token: &str) -> Result<(), Failure> {
        let before = self.family().await?;
        let registered = self.registered().await?;
        // The token endpoint asks the very same function. Only another request of the same moment could
        // make it say something else, and no other holds this token.
        let verdict = self.judge(&registered, token).await?;
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", self.clients.app),
        ];
        let sent = Draft::post(TOKEN, &form).send(self.app, self.peer).await?;
        let known = self.walk.tokens.as_ref();
        let client = (&registered.client, None);
        let (checks, claims) = id_token::check(self.app, known, &sent, client).await?;
        let is_good = sent.status.is_success() && checks.iter().all(|check| check.holds);
        if is_good {
            self.hold(&sent, token);
        }
        let mut said = verdict.sentence().to_owned();
        if verdict.ends {
            said.push_str(" So the family has ended, for both of them, and every token with it.");
        }
        let told =
            Told { checks, claims, verdict: Some(verdict), ..Told::new(title, is_good, said) };
        let after = self.family().await?;
        self.keep(sent, told, before, after);
        Ok(())
    }

    /// Takes over what a refresh gave.
    fn hold(&mut self, sent: &Sent, presented: &str) {
        let Some(tokens) = &mut self.walk.tokens else { return };
        if let Some(access) = sent.text("access_token") {
            access.clone_into(&mut tokens.access);
        }
        if let Some(id) = sent.text("id_token") {
            tokens.id = Some(id.to_owned());
        }
        match sent.text("refresh_token") {
            Some(refresh) if refresh != presented => {
                tokens.used = Some(presented.to_owned());
                refresh.clone_into(&mut tokens.refresh);
            }
            _ => {}
        }
    }

    /// Finds the case of the decision table that a token falls into now.
    async fn judge(&self, registered: &Registered, text: &str) -> Result<Verdict, Failure> {
        let (app, client) = (self.app, &registered.client);
        let token = match token::open_refresh(&app.keys(), text, &client.id) {
            Ok(token) => token,
            Err(why) => {
                let row = match why {
                    Unopened::Garbage => Case::Garbage,
                    Unopened::UnknownKey => Case::RollOut,
                };
                return Ok(Verdict { row, cause: "", ends: false });
            }
        };
        let loaded = app.store().load_family(token.family).await?;
        let asked = Request { token: &token, scope: None, resources: None };
        let kid = app.keys().active();
        let (loaded, now) = (loaded.as_ref(), app.clock().now());
        let decision = refresh::decide(&asked, loaded, client, &registered.policy, kid, now);
        let cause = match &decision {
            Decision::Refuse(refusal) => refusal.reject.why.name(),
            Decision::Revoke { reject, .. } => reject.why.name(),
            _ => "",
        };
        let ends = matches!(decision, Decision::Revoke { .. });
        Ok(Verdict { row: decision.case(), cause, ends })
    }

    async fn userinfo(&mut self) -> Result<(), Failure> {
        let bearer = format!("Bearer {}", self.tokens()?.access);
        let draft = Draft::get("/oauth2/userinfo").with(header::AUTHORIZATION, bearer);
        let sent = draft.send(self.app, self.peer).await?;
        let family = self.family().await?;
        let told = if sent.status.is_success() {
            "The access token is alive, so the endpoint tells who the person is, as far as its scope goes. \
             sub is that of the ID token."
        } else {
            "The access token is not alive any more: it has ended with its family."
        };
        let told = Told::new("Ask who it is", sent.status.is_success(), told);
        self.keep(sent, told, family.clone(), family);
        Ok(())
    }

    /// Asked by the API that the access token is for, with credentials of its own (RFC 7662 §2.1).
    async fn introspect(&mut self) -> Result<(), Failure> {
        let (id, secret) = self.clients.api;
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let form = [("token", self.tokens()?.access.as_str())];
        let draft = Draft::post("/oauth2/introspect", &form).with(header::AUTHORIZATION, basic);
        let sent = draft.send(self.app, self.peer).await?;
        let family = self.family().await?;
        let is_active = sent.json.get("active").and_then(serde_json::Value::as_bool);
        let told = match is_active {
            Some(true) => {
                "The access token is alive: the server has read the family’s row to say so."
            }
            Some(false) => {
                "The access token has ended with its family, whatever its own expiry says."
            }
            None => "The API may not ask.",
        };
        let told = Told::new("Introspect", is_active == Some(true), told);
        self.keep(sent, told, family.clone(), family);
        Ok(())
    }

    async fn revoke(&mut self) -> Result<(), Failure> {
        let before = self.family().await?;
        let refresh = self.tokens()?.refresh.clone();
        let form = [("token", refresh.as_str()), ("client_id", self.clients.app)];
        let sent = Draft::post("/oauth2/revoke", &form).send(self.app, self.peer).await?;
        let after = self.family().await?;
        let told = if is_ended(before.as_ref(), after.as_ref()) {
            "The family has ended, and every token with it. Any refresh token of the family would have done."
        } else {
            "There was nothing left to end, which is no error (RFC 7009 §2.2)."
        };
        let told = Told::new("Revoke", sent.status.is_success(), told);
        self.keep(sent, told, before, after);
        Ok(())
    }

    /// Back from signing out: the browser has carried request and answer.
    pub(super) async fn leave(&mut self, request: Message, answer: Message) -> Result<(), Failure> {
        if let Some(tokens) = &mut self.walk.tokens {
            tokens.leaving = word::<16>()?;
        }
        let before = self.walk.steps.back().and_then(|step| step.after.clone());
        let after = self.family().await?;
        let told = if is_ended(before.as_ref(), after.as_ref()) {
            "The session of the browser at this server is over, and the family that began in it."
        } else if after.as_ref().is_some_and(|family| family.revoked.is_none()) {
            "The session of the browser at this server is over. The family lives on: it was granted offline_access."
        } else {
            "The session of the browser at this server is over. The family had ended before."
        };
        let told = told.to_owned();
        self.walk.add(Exchange {
            title: "Sign out",
            told,
            is_good: true,
            request,
            answer,
            checks: Vec::new(),
            claims: None,
            verdict: None,
            before,
            after,
        });
        Ok(())
    }
}

fn is_ended(before: Option<&Family>, after: Option<&Family>) -> bool {
    before.is_some_and(|family| family.revoked.is_none())
        && after.is_some_and(|family| family.revoked.is_some())
}

/// The token with one character changed.
fn damaged(token: &str) -> String {
    let change = |(at, c): (usize, char)| match c {
        'A' if at == 20 => 'B',
        _ if at == 20 => 'A',
        c => c,
    };
    token.chars().enumerate().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_of_a_damaged_token_is_another() {
        for token in ["rmrt_AQGuvgYeJOuXRpITA4HQLvki", "rmrt_AQGuvgYeJOuXRpIxxxxxxxxx"] {
            let other = damaged(token);
            assert_eq!(token.len(), other.len());
            assert_eq!(token.chars().zip(other.chars()).filter(|(a, b)| a != b).count(), 1);
        }
    }
}
