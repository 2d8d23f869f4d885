//! The checks of a client on an ID token (OpenID Connect Core §3.1.3.7; after a refresh, §12.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_protocol::client::Client;
use remint_protocol::id_token::half_hash;

use super::message::{Sent, readable};
use super::walk::Tokens;
use crate::App;
use crate::browser::pages::playground::Check;
use crate::http::failure::Failure;
use crate::issue::id_token::alg_of;

/// The checks of the ID token in an answer, and what it says; `known` is what was held before. A first
/// ID token has the request's `nonce`.
pub(super) async fn check(
    app: &App,
    known: Option<&Tokens>,
    sent: &Sent,
    (client, nonce): (&Client, Option<&str>),
) -> Result<(Vec<Check>, Option<String>), Failure> {
    let Some(text) = sent.text("id_token") else { return Ok((Vec::new(), None)) };
    let now = app.clock().now();
    let claims = app.id_token_hint(text, now).await?;
    let seen = claims.as_ref();
    let holds = |what, holds: Option<bool>| Check { what, holds: holds == Some(true) };
    let at_hash = sent.text("access_token").map(|access| half_hash(alg_of(client), access));
    let is_signed = Some(seen.is_some());
    let mut checks = vec![
        holds("The ID token is signed by a key of this server, and iss is its issuer.", is_signed),
        holds("aud is this client.", seen.map(|c| c.aud.contains(client.id.as_str()))),
        holds("exp lies ahead.", seen.map(|c| c.exp > now.as_secs())),
        holds("at_hash is that of the access token.", seen.map(|c| c.at_hash == at_hash)),
    ];
    if let Some(nonce) = nonce {
        let is_same = seen.map(|c| c.nonce.as_deref() == Some(nonce));
        checks.push(holds("nonce is the one of this browser’s request.", is_same));
    } else if let Some(id) = known.and_then(|tokens| tokens.id.as_deref()) {
        let before = app.id_token_hint(id, now).await?;
        let is_same = seen.zip(before).map(|(c, b)| c.sub == b.sub && c.auth_time == b.auth_time);
        checks.push(holds("sub and auth_time are those of the ID token before.", is_same));
    }
    Ok((checks, payload(text)))
}

/// The claims of a JWT, to be read.
fn payload(jwt: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    readable(&serde_json::from_slice(&bytes).ok()?)
}
