//! `grant_type=refresh_token`: load, decide, mint, write. The only file that knows the order.
//!
//! Tokens are minted before the write and nothing that could fail comes after it. A lost race is no
//! error: the loser reads again and the table serves it.

use remint_protocol::family::{Loaded, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_protocol::grant::{Access, Seal};
use remint_protocol::refresh::{self, Case, Decision, Request};
use remint_protocol::reject::Why;
use remint_protocol::tell;
use remint_protocol::token::{self, RefreshToken, Unopened};
use remint_store::Outcome;

use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;
use crate::issue::token_response::{Issued, Refresh, TokenResponse};

/// Number of times a request reads and decides before it gives up.
const ATTEMPTS: usize = 3;

pub(super) async fn grant(request: &ClientRequest<'_>) -> Result<TokenResponse, Failure> {
    let app = request.app;
    let text = request.form.find("refresh_token").ok_or(Why::RefreshMissing)?;
    // Before the token is looked at, so that a malformed request learns nothing about it.
    let (scope, resources) = (request.scope()?, request.resources()?);
    let presented = open(request, text)?;
    let asked = Request { token: &presented, scope, resources };
    for _ in 0..ATTEMPTS {
        let registered = &request.caller.registered;
        let loaded = app.clients().load_family(presented.family, registered, app.store()).await?;
        let (client, policy) = (request.caller.client(), request.caller.policy());
        let decision = refresh::decide(
            &asked,
            loaded.as_ref(),
            client,
            policy,
            app.keys().active(),
            request.now,
        );
        let presentation = Presentation { request, presented: &presented, loaded: loaded.as_ref() };
        if let Some(response) = presentation.execute(decision, text).await? {
            return Ok(response);
        }
    }
    Err(Failure::Contended)
}

fn open(request: &ClientRequest<'_>, text: &str) -> Result<RefreshToken, Failure> {
    let app = request.app;
    token::open_refresh(&app.keys(), text, &request.caller.client().id).map_err(|why| match why {
        Unopened::Garbage => {
            app.metrics().refresh(Case::Garbage);
            Why::RefreshGarbage.into()
        }
        Unopened::UnknownKey => {
            app.metrics().refresh(Case::RollOut);
            Failure::KeyNotHere
        }
    })
}

const NO_FAMILY: Failure = Failure::Internal("a refresh was granted without a family");

/// One refresh attempt: executes the decision, then logs it.
struct Presentation<'a> {
    request: &'a ClientRequest<'a>,
    presented: &'a RefreshToken,
    loaded: Option<&'a Loaded>,
}

impl Presentation<'_> {
    /// Executes the decision; `None` if another request was faster.
    async fn execute(
        &self,
        decision: Decision,
        text: &str,
    ) -> Result<Option<TokenResponse>, Failure> {
        let app = self.request.app;
        let case = decision.case();
        let response = match decision {
            Decision::Rotate { rotation, access, .. } => {
                let seal = Seal { kid: rotation.kid, epoch: rotation.epoch };
                let response = self.issue(access, self.successor(seal, rotation.to)).await?;
                if app.store().rotate(&rotation).await? == Outcome::Conflict {
                    return Ok(None);
                }
                response
            }
            Decision::Keep { confirm, access } => {
                let response = self.issue(access, Refresh::Same(text)).await?;
                let (family, generation) = (self.presented.family, self.presented.generation);
                if confirm && app.store().confirm(family, generation).await? == Outcome::Conflict {
                    return Ok(None);
                }
                response
            }
            Decision::Retry { seal, generation, access } => {
                self.issue(access, self.successor(seal, generation)).await?
            }
            Decision::Wait => {
                self.record(case, None);
                return Err(Failure::StoreBehind);
            }
            Decision::Refuse(refusal) => {
                self.record(case, Some(refusal.reject.why));
                return Err(refusal.reject.into());
            }
            Decision::Revoke { reason, reject, .. } => {
                if self.revoke(reason).await? == Outcome::Conflict {
                    return Ok(None);
                }
                self.record(case, Some(reject.why));
                self.request.record_end(self.presented.family, reject.why);
                return Err(reject.into());
            }
        };
        self.record(case, None);
        Ok(Some(response))
    }

    async fn revoke(&self, reason: RevokeReason) -> Result<Outcome, Failure> {
        let (store, now, id) = (self.request.app.store(), self.request.now, self.presented.family);
        let seen = self.loaded.map(|l| l.family.generation);
        Ok(match (reason, seen) {
            // A row that has moved on since it was read may have caught up with the token: another reader may
            // have seen, and responded from, a commit that this one did not see yet.
            (RevokeReason::Forgery, Some(generation)) => {
                store.revoke_family_seen_at((id, generation), reason, now).await?
            }
            // A row only moves forward, away from an older token. Even if a failover sets it back meanwhile,
            // the end is written: the safer mistake.
            _ => store.revoke_family(id, reason, now).await?,
        })
    }

    async fn issue(&self, access: Access, refresh: Refresh<'_>) -> Result<TokenResponse, Failure> {
        let family = self.loaded.map(|loaded| &loaded.family).ok_or(NO_FAMILY)?;
        self.request.issue(Issued::for_user(self.request, access, family, refresh)?).await
    }

    fn successor(&self, seal: Seal, generation: u32) -> Refresh<'static> {
        Refresh::New(RefreshToken {
            kid: seal.kid,
            epoch: seal.epoch,
            family: self.presented.family,
            secret: self.presented.secret.clone(),
            generation,
        })
    }

    /// Counts and logs the case of the decision table.
    fn record(&self, case: Case, why: Option<Why>) {
        let metrics = self.request.app.metrics();
        metrics.refresh(case);
        if let Some(loaded) = self.loaded
            && let Some(distance) = loaded.family.generation.checked_sub(self.presented.generation)
            && distance > 0
        {
            metrics.generation_distance.observe(distance.into());
            if case == Case::Retry {
                let age = self.request.now.distance(loaded.family.rotated_at);
                metrics.retry_age.observe(age.as_secs_f64());
            }
        }
        let cause = why.map_or("", Why::name);
        // `tracing` wants an event's level known at compile time.
        macro_rules! event {
            ($event:ident) => {
                tell!(
                    $event,
                    cause,
                    client_id = %self.request.caller.client().id,
                    session = %self.family_id(),
                    generation = self.presented.generation,
                    family_generation = self.loaded.map(|l| l.family.generation),
                    source = %self.request.caller.source,
                    request_id = %self.request.request_id,
                )
            };
        }
        match case {
            Case::Current => event!(REFRESH_ROTATED),
            Case::Kept => event!(REFRESH_KEPT),
            Case::Retry => event!(REFRESH_RETRIED),
            Case::LostCommit => event!(REFRESH_FAST_FORWARD),
            Case::Reuse => event!(REFRESH_REUSED),
            Case::Forgery => event!(REFRESH_FORGERY),
            Case::StaleStore => event!(REFRESH_STORE_BEHIND),
            Case::Dead | Case::Denied | Case::StaleRights => event!(REFRESH_DENIED),
            // These end before there is anything to log.
            Case::Garbage | Case::RollOut => {}
        }
    }

    fn family_id(&self) -> String {
        self.request.app.sealed_family_id(self.presented.family)
    }
}

impl crate::App {
    /// The name of a family in logs.
    pub(crate) fn sealed_family_id(&self, family: FamilyId) -> String {
        token::seal_family_id(&self.keys(), family).unwrap_or_default()
    }
}
