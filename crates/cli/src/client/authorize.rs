//! The flags that say what a client is registered for at the authorization endpoint.

use std::time::Duration;

use clap::Args;
use remint_protocol::client::{Authorize, RefreshTokens};
use remint_protocol::pkce::Pkce;
use remint_protocol::response::{ResponseMode, ResponseType};
use remint_server::config::Setting as _;
use serde::Serialize;

use super::parse::{one_of, redirect_uris};
use crate::change::Change;

/// The registration of a client for the authorization endpoint.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Authorization endpoint")]
pub(super) struct AuthorizeFlags {
    /// Redirection URI, compared byte for byte. Repeatable; `""` for none.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Response type that the client may request, e.g. `"code id_token"`. Repeatable. Default: `code`.
    #[arg(long = "response-type", value_name = "TYPE", value_parser = response_type)]
    response_types: Vec<ResponseType>,
    /// Response mode that the client may request: `query`, `fragment`, `form_post`. Repeatable; `any` for all
    /// of them.
    #[arg(long = "response-mode", value_name = "MODE", value_parser = response_mode)]
    response_modes: Vec<Modes>,
    /// Protection of a code on its way: `required` for a code challenge, `or_nonce` for clients that cannot
    /// have one and send an OpenID Connect nonce.
    #[arg(long, value_name = "WHAT", value_parser = pkce)]
    pkce: Option<Pkce>,
    /// Whether the code challenge may be `plain`, for clients that cannot do better.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    plain_challenge: Option<bool>,
    /// Whether the token request must repeat `redirect_uri` (RFC 6749 §4.1.3).
    #[arg(long, value_name = "BOOL")]
    repeat_redirect_uri: Option<bool>,
    /// First-party application: never ask its users for consent.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    first_party: Option<bool>,
    /// Grants with which it gets a refresh token: `always`, `offline_access` where that scope is granted,
    /// `never`.
    #[arg(long, value_name = "WHEN", value_parser = refresh_tokens)]
    refresh_tokens: Option<RefreshTokens>,
    /// The longest time since the sign-in, for requests that do not say; `none` for no bound.
    #[arg(long, value_name = "TIME", value_parser = max_age)]
    default_max_age: Option<Change<Duration>>,
}

/// One mode, or the word that stands for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Modes {
    Any,
    Only(ResponseMode),
}

fn response_type(text: &str) -> Result<ResponseType, String> {
    let all = ResponseType::ALL.map(|known| format!("\"{known}\""));
    ResponseType::parse(text).ok_or_else(|| one_of(all.iter().map(String::as_str)))
}

fn response_mode(text: &str) -> Result<Modes, String> {
    if text == "any" {
        return Ok(Modes::Any);
    }
    let all = ResponseMode::ALL.iter().map(|mode| mode.as_str());
    ResponseMode::parse(text).map(Modes::Only).ok_or_else(|| one_of(all.chain(["any"])))
}

fn pkce(text: &str) -> Result<Pkce, String> {
    let all = [Pkce::Required, Pkce::OrNonce].map(Pkce::as_str);
    Pkce::parse(text).ok_or_else(|| one_of(all.into_iter()))
}

fn refresh_tokens(text: &str) -> Result<RefreshTokens, String> {
    use RefreshTokens::{Always, Never, OfflineAccess};
    let all = [Always, OfflineAccess, Never].map(RefreshTokens::as_str);
    RefreshTokens::parse(text).ok_or_else(|| one_of(all.into_iter()))
}

fn max_age(text: &str) -> Result<Change<Duration>, String> {
    if text == "none" {
        return Ok(Change::Unset);
    }
    let read = Duration::read(text).map(Change::To);
    read.ok_or_else(|| format!("write {}, or `none`", Duration::EXPECTS))
}

impl AuthorizeFlags {
    /// Writes what was named over `to`.
    pub(super) fn apply(&self, to: &mut Authorize) -> anyhow::Result<()> {
        if !self.redirect_uris.is_empty() {
            to.redirect_uris = redirect_uris(&self.redirect_uris)?;
        }
        if !self.response_types.is_empty() {
            to.response_types.clone_from(&self.response_types);
            to.response_types.sort_unstable_by_key(ToString::to_string);
            to.response_types.dedup();
        }
        if !self.response_modes.is_empty() {
            let only = self.response_modes.iter().filter_map(|mode| match mode {
                Modes::Any => None,
                Modes::Only(mode) => Some(*mode),
            });
            to.response_modes = only.collect();
            if self.response_modes.contains(&Modes::Any) {
                to.response_modes.clear();
            }
            to.response_modes.sort_unstable();
            to.response_modes.dedup();
        }
        to.pkce = self.pkce.unwrap_or(to.pkce);
        to.plain_challenge = self.plain_challenge.unwrap_or(to.plain_challenge);
        to.repeat_redirect_uri = self.repeat_redirect_uri.unwrap_or(to.repeat_redirect_uri);
        to.first_party = self.first_party.unwrap_or(to.first_party);
        to.refresh_tokens = self.refresh_tokens.unwrap_or(to.refresh_tokens);
        Change::apply(self.default_max_age.as_ref(), &mut to.default_max_age);
        Ok(())
    }
}

/// The registration of a client for the authorization endpoint, as printed.
#[derive(Serialize)]
pub(super) struct AuthorizeShown {
    redirect_uris: Vec<String>,
    response_types: Vec<String>,
    response_modes: Vec<&'static str>,
    pkce: &'static str,
    plain_challenge: bool,
    repeat_redirect_uri: bool,
    first_party: bool,
    refresh_tokens: &'static str,
    /// In seconds.
    default_max_age: Option<u64>,
}

impl AuthorizeShown {
    /// `None` for a client that has no business there.
    pub(super) fn of(own: &Authorize) -> Option<Self> {
        if own.redirect_uris.is_empty() {
            return None;
        }
        Some(Self {
            redirect_uris: own.redirect_uris.iter().map(ToString::to_string).collect(),
            response_types: own.response_types.iter().map(ToString::to_string).collect(),
            response_modes: own.response_modes.iter().map(|mode| mode.as_str()).collect(),
            pkce: own.pkce.as_str(),
            plain_challenge: own.plain_challenge,
            repeat_redirect_uri: own.repeat_redirect_uri,
            first_party: own.first_party,
            refresh_tokens: own.refresh_tokens.as_str(),
            default_max_age: own.default_max_age.map(|age| age.as_secs()),
        })
    }
}
