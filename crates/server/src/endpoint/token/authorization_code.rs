//! `grant_type=authorization_code`: open the code, judge what it is bound to, begin its family.
//!
//! The inserted row makes the code single-use: a second redemption finds it, and is a retry or reuse.

use remint_protocol::code::{self, AuthorizationCode, Presented, Redemption, Retry};
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::grant::{Access, Issuing, Seal};
use remint_protocol::reject::{Reject, Why};
use remint_protocol::resource::Resources;
use remint_protocol::tell;
use remint_protocol::token::Unopened;
use remint_store::Outcome;

use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;
use crate::issue::token_response::{Issued, TokenResponse};

/// Logs one presentation of a code. `tracing` needs an event's level at compile time.
macro_rules! event {
    ($redeemed:expr, $event:ident, $why:expr) => {{
        let request = $redeemed.request;
        let why: Option<Why> = $why;
        tell!(
            $event,
            cause = why.map(Why::name),
            client_id = %request.caller.client().id,
            sub = %$redeemed.code.user_id,
            session = %request.app.sealed_family_id($redeemed.code.family),
            source = %request.caller.source,
            request_id = %request.request_id,
        );
    }};
}

pub(super) async fn grant(request: &ClientRequest<'_>) -> Result<TokenResponse, Failure> {
    let (app, client, now) = (request.app, request.caller.client(), request.now);
    code::is_registered(client)?;
    let narrowed = request.resources()?;
    let text = request.form.find("code").ok_or(Why::CodeMissing)?;
    let opened = AuthorizationCode::open(&app.keys(), text, &client.id).map_err(unopened)?;
    let code = &opened.code;
    let redemption = Redemption {
        redirect_uri: request.form.find("redirect_uri"),
        verifier: request.form.find("code_verifier"),
        must_repeat_uri: client.authorize.repeat_redirect_uri,
    };
    code.check(&redemption, now)?;
    let redeemed = Redeemed { request, code, narrowed };
    let whose = (code.user_id, &client.id);
    let standing = app.store().load_code_standing(code.browser_session, whose).await?;
    let Some(session) = opened.bound(&client.id, &standing) else {
        return redeemed.again(false, None).await;
    };
    code.check_standing(client, redemption.redirect_uri, &standing)?;
    if let Err(reject) = code.check_extent(client, redeemed.narrowed.as_ref()) {
        return redeemed.again(true, Some(reject)).await;
    }
    let seal = Seal { kid: app.keys().active(), epoch: standing.epoch };
    let issuing = Issuing { policy: request.caller.policy(), seal, now };
    let (family, access) = code.start_family(client, session.proven, issuing);
    // Before the write: nothing that can fail comes after it.
    let response = redeemed.mint(seal, access, &family).await?;
    match app.store().insert_family_at_browser(&family, session.secret_hash).await? {
        Outcome::Done => {
            request.record_start(code.user_id, code.family);
            Ok(response)
        }
        Outcome::Conflict => redeemed.again(true, None).await,
    }
}

fn unopened(why: Unopened) -> Failure {
    match why {
        Unopened::Garbage => Why::CodeGarbage.into(),
        Unopened::UnknownKey => Failure::KeyNotHere,
    }
}

/// A code that the request may redeem.
struct Redeemed<'a> {
    request: &'a ClientRequest<'a>,
    code: &'a AuthorizationCode,
    /// The resources that the access token shall be for, if not for all.
    narrowed: Option<Resources>,
}

impl Redeemed<'_> {
    /// Responds to a code that starts no family: it was redeemed before, something it depends on has ended,
    /// or the request asks for `too_much`. The first counts before the others, and may be reuse, which ends
    /// the family. `is_bound`: the browser session is as it was when the code was issued.
    async fn again(
        &self,
        is_bound: bool,
        too_much: Option<Reject>,
    ) -> Result<TokenResponse, Failure> {
        let (app, now) = (self.request.app, self.request.now);
        let loaded = app.store().load_family(self.code.family).await?;
        if let Some(reject) = too_much.filter(|_| loaded.is_none()) {
            event!(self, CODE_DENIED, Some(reject.why));
            return Err(reject.into());
        }
        let (client, policy) = (self.request.caller.client(), self.request.caller.policy());
        match code::presented_again(self.code, is_bound, loaded.as_ref(), client, policy, now) {
            Presented::Retry(_) if let Some(reject) = too_much => {
                event!(self, CODE_DENIED, Some(reject.why));
                Err(reject.into())
            }
            Presented::Retry(retry) => {
                let Retry { seal, access } = *retry;
                let family = loaded.as_ref().map(|l| &l.family).ok_or(Why::CodeRevoked)?;
                let response = self.mint(seal, access, family).await?;
                event!(self, CODE_RETRIED, None);
                Ok(response)
            }
            Presented::Ended(reject) => {
                event!(self, CODE_DENIED, Some(reject.why));
                Err(reject.into())
            }
            Presented::Reuse(reject) => {
                app.store().revoke_family(self.code.family, RevokeReason::CodeReuse, now).await?;
                event!(self, CODE_REUSED, Some(reject.why));
                self.request.record_end(self.code.family, reject.why);
                Err(reject.into())
            }
        }
    }

    async fn mint(
        &self,
        seal: Seal,
        access: Access,
        family: &Family,
    ) -> Result<TokenResponse, Failure> {
        // RFC 8707 §2.2: the access token alone is for fewer resources.
        let resources = Resources::grant(self.narrowed.as_ref(), &access.resources)?;
        let access = Access { resources, ..access };
        let first = self.code.family_ids().first_refresh_token(seal);
        let issued = Issued::for_new_family(self.request, access, family, first)?;
        self.request.issue(issued.with_nonce(self.code.nonce.as_deref())).await
    }
}
