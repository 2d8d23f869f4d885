//! `grant_type=password`: refuse what the rules refuse, check the password, begin a family.

use remint_protocol::claims_parameter::Requested;
use remint_protocol::grant::Issuing;
use remint_protocol::password;
use remint_protocol::reject::Why;
use remint_protocol::scope::Scope;
use remint_protocol::tell;
use remint_protocol::token::{self, RefreshToken};
use remint_store::{Outcome, User};

use super::TokenResponse;
use crate::App;
use crate::browser::login::Login;
use crate::entropy;
use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;
use crate::issue::id_token::{IdTokenParams, SignedIn};

pub(super) async fn grant(request: &ClientRequest<'_>) -> Result<TokenResponse, Failure> {
    let (app, now) = (request.app, request.now);
    let (client, policy) = (request.caller.client(), request.caller.policy());
    let scope = request.scope()?;
    let resources = request.resources()?;
    let extent = password::extent(client, scope.as_ref(), resources.as_ref())?;
    let (username, password) = password::credentials(&request.form)?;
    let source = request.caller.source;
    let (client_id, request_id) = (Some(&client.id), request.request_id);
    let login = Login { app, username, source, client: client_id, device: None, now, request_id };
    let user = login.prove(password).await?;

    let fresh = entropy::family()?;
    let seal = app.seal().await?;
    let whose = (user.id, user.ends, now);
    let (family, access) =
        password::start_family(client, whose, extent, &fresh, Issuing { policy, seal, now });
    let refresh = RefreshToken {
        kid: seal.kid,
        epoch: seal.epoch,
        family: fresh.id,
        secret: fresh.secret,
        generation: 0,
    };
    let refresh = if client.gets_refresh_token(&family.scope) {
        let sealed = token::seal_refresh(&app.keys(), &refresh, &client.id);
        Some(sealed.ok_or(Failure::Internal("the active key is missing"))?)
    } else {
        None
    };
    let access = access.into_token(client.id.clone(), entropy::jti()?, now);
    let mut response = TokenResponse::new(request, &access, Some(&family), refresh).await?;
    if family.scope.contains("openid") {
        let (nothing, requested) = (Scope::default(), Requested::default());
        let with = IdTokenParams {
            scope: &nothing,
            requested: &requested,
            nonce: None,
            access_token: Some(&response.access_token),
            code: None,
        };
        let signed_in = SignedIn::of(&family);
        response.id_token = Some(app.id_token(client, &signed_in, &with, now).await?);
    }
    match app.store().insert_family(&family, Some(login.proven(&user))).await? {
        Outcome::Done => {
            request.record_start(user.id, family.id);
            Ok(response)
        }
        Outcome::Conflict => {
            tell!(
                LOGIN_FAILED,
                cause = "ended_meanwhile",
                sub = %user.id,
                client_id = %client.id,
                %source,
                request_id = %request.request_id,
            );
            Err(ended_meanwhile(app, &user).await?)
        }
    }
}

/// The reason no family was started although the password was right. It is wrong now only if the user was
/// disabled, deleted or signed out, or the password changed, while it was checked. Otherwise, as when the
/// client was disabled meanwhile, the next attempt tells.
async fn ended_meanwhile(app: &App, seen: &User) -> Result<Failure, Failure> {
    let is_standing = |user: &User| user.disabled_at.is_none() && user.ended.number <= seen.ends;
    let user = app.store().load_user(seen.id).await?;
    Ok(if user.as_ref().is_some_and(is_standing) {
        Failure::Contended
    } else {
        Why::UserDisabled.into()
    })
}
