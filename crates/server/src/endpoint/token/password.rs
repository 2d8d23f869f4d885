//! `grant_type=password`: refuse what the rules refuse, check the password, begin a family.

use remint_protocol::grant::Issuing;
use remint_protocol::password::{self, VerifiedUser};
use remint_protocol::reject::Why;
use remint_protocol::tell;
use remint_store::{Outcome, User};

use crate::App;
use crate::browser::login::Login;
use crate::entropy;
use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;
use crate::issue::token_response::{Issued, TokenResponse};

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
    let verified = VerifiedUser { id: user.id, ends: user.ends, at: now };
    let (family, access) =
        password::start_family(client, verified, extent, &fresh, Issuing { policy, seal, now });
    let first = fresh.first_refresh_token(seal);
    let issued = Issued::for_new_family(request, access, &family, first)?;
    // Before the write: nothing that can fail comes after it.
    let response = request.issue(issued).await?;
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
