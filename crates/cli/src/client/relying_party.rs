//! The flags that say what a client is registered for as a relying party.

use clap::Args;
use remint_protocol::client::{AccessTokenFormat, RelyingParty, SubjectType};
use remint_protocol::signing_key::SigningAlg;
use serde::Serialize;

use super::parse::{one_of, redirect_uris};
use crate::change::Change;

/// The registration of a client as a relying party; `""` removes a URL.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "OpenID Connect")]
pub(super) struct RelyingPartyFlags {
    /// URI to which the browser may go after signing out, compared byte for byte. Repeatable; `""` for none.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// The algorithm of its ID tokens: `RS256`, `ES256`, `PS256`, `EdDSA`, or `inherit` for the
    /// server's.
    #[arg(long, value_name = "ALG", value_parser = alg)]
    id_token_alg: Option<Change<SigningAlg>>,
    /// The host of the sector that it knows its users in: they have another `sub` in every sector; `""` for
    /// the same `sub` everywhere.
    #[arg(long, value_name = "HOST", value_parser = Change::read)]
    pairwise_sector: Option<Change<String>>,
    /// Format of its access tokens: `opaque`, or `jwt` (RFC 9068).
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    access_token_format: Option<AccessTokenFormat>,
    /// URL that is notified, server to server, when a session ends.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    backchannel_logout_uri: Option<Change<String>>,
    /// URL that the browser loads when a session ends.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    frontchannel_logout_uri: Option<Change<String>>,
    /// An origin whose scripts may call the token endpoint and userinfo, such as `https://app.example`;
    /// repeat for more, `""` for none.
    #[arg(long = "web-origin", value_name = "ORIGIN")]
    web_origins: Vec<String>,
    /// Its home page, for the consent page.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    client_uri: Option<Change<String>>,
    /// Its privacy policy, for the consent page.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    policy_uri: Option<Change<String>>,
    /// Its terms of service, for the consent page.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    tos_uri: Option<Change<String>>,
}

fn alg(text: &str) -> Result<Change<SigningAlg>, String> {
    if text == "inherit" {
        return Ok(Change::Unset);
    }
    let all = SigningAlg::ALL.map(SigningAlg::as_str);
    let read = SigningAlg::parse(text).map(Change::To);
    read.ok_or_else(|| one_of(all.into_iter().chain(["inherit"])))
}

fn format(text: &str) -> Result<AccessTokenFormat, String> {
    let all = AccessTokenFormat::ALL.iter().map(|format| format.as_str());
    AccessTokenFormat::parse(text).ok_or_else(|| one_of(all))
}

impl RelyingPartyFlags {
    /// Writes what was named over `to`.
    pub(super) fn apply(&self, to: &mut RelyingParty) -> anyhow::Result<()> {
        if !self.post_logout_redirect_uris.is_empty() {
            to.post_logout_redirect_uris = redirect_uris(&self.post_logout_redirect_uris)?;
        }
        if let Some(alg) = self.id_token_alg.clone() {
            to.id_token_alg = alg.into_option().map(|alg| alg.to_string());
        }
        Change::apply(self.pairwise_sector.as_ref(), &mut to.pairwise_sector);
        if let Some(format) = self.access_token_format {
            to.jwt_access_tokens = format == AccessTokenFormat::Jwt;
        }
        Change::apply(self.backchannel_logout_uri.as_ref(), &mut to.backchannel_logout_uri);
        Change::apply(self.frontchannel_logout_uri.as_ref(), &mut to.frontchannel_logout_uri);
        if !self.web_origins.is_empty() {
            let named = self.web_origins.iter().filter(|origin| !origin.is_empty());
            to.web_origins = named.cloned().collect();
            to.web_origins.sort_unstable();
            to.web_origins.dedup();
        }
        Change::apply(self.client_uri.as_ref(), &mut to.links.home);
        Change::apply(self.policy_uri.as_ref(), &mut to.links.policy);
        Change::apply(self.tos_uri.as_ref(), &mut to.links.terms);
        Ok(())
    }
}

/// The registration of a client as a relying party, as printed.
#[derive(Serialize)]
pub(super) struct RelyingPartyShown {
    post_logout_redirect_uris: Vec<String>,
    id_token_signed_response_alg: Option<String>,
    subject_type: &'static str,
    pairwise_sector: Option<String>,
    access_token_format: &'static str,
    backchannel_logout_uri: Option<String>,
    frontchannel_logout_uri: Option<String>,
    web_origins: Vec<String>,
    client_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
}

impl From<&RelyingParty> for RelyingPartyShown {
    fn from(own: &RelyingParty) -> Self {
        let subject = own.pairwise_sector.as_ref().map(|_| SubjectType::Pairwise);
        let format =
            if own.jwt_access_tokens { AccessTokenFormat::Jwt } else { AccessTokenFormat::Opaque };
        let uris = own.post_logout_redirect_uris.iter();
        Self {
            post_logout_redirect_uris: uris.map(ToString::to_string).collect(),
            id_token_signed_response_alg: own.id_token_alg.clone(),
            subject_type: subject.unwrap_or(SubjectType::Public).as_str(),
            pairwise_sector: own.pairwise_sector.clone(),
            access_token_format: format.as_str(),
            backchannel_logout_uri: own.backchannel_logout_uri.clone(),
            frontchannel_logout_uri: own.frontchannel_logout_uri.clone(),
            web_origins: own.web_origins.clone(),
            client_uri: own.links.home.clone(),
            policy_uri: own.links.policy.clone(),
            tos_uri: own.links.terms.clone(),
        }
    }
}
