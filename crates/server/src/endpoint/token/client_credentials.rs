//! `grant_type=client_credentials`: nothing is read and nothing is written.

use remint_protocol::client_credentials::{self, Request};

use crate::entropy;
use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;
use crate::issue::token_response::{Issued, TokenResponse};

pub(super) async fn grant(request: &ClientRequest<'_>) -> Result<TokenResponse, Failure> {
    let scope = request.scope()?;
    let resources = request.resources()?;
    let access = client_credentials::grant(
        request.caller.client(),
        Request { scope: scope.as_ref(), resources: resources.as_ref() },
        request.caller.policy(),
        entropy::jti()?,
        request.caller.registered.ends,
        request.now,
    )?;
    request.issue(Issued::for_client(access)).await
}
