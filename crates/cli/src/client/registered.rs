//! The flags that say what a client is registered for.

use anyhow::anyhow;
use clap::Args;
use remint_protocol::client::{AuthMethod, Client, GrantType};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;

use super::authorize::AuthorizeFlags;
use super::parse::one_of;
use super::relying_party::RelyingPartyFlags;
use crate::overrides::OverrideFlags;

/// The registration of a client.
#[derive(Args, Default)]
pub(super) struct Registered {
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    /// A grant that it may use; repeat for more. `authorization_code`, `refresh_token`,
    /// `client_credentials`, `password`.
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Vec<GrantType>,
    /// The scope that it may ask for, separated by spaces; also what it gets when it asks for none.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// A resource that its tokens may be meant for (RFC 8707); repeat for more, `""` for none.
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// A resource that it serves, whose access tokens it may introspect; repeat for more, `""` for
    /// none.
    #[arg(long = "serves", value_name = "URI")]
    serves: Vec<String>,
    /// Authentication method: `client_secret_basic` (the default), `client_secret_post`, `none`. Repeatable.
    #[arg(long = "token-endpoint-auth-method", value_name = "METHOD", value_parser = auth_method)]
    auth_methods: Vec<AuthMethod>,
    #[command(flatten)]
    authorize: AuthorizeFlags,
    #[command(flatten)]
    relying_party: RelyingPartyFlags,
    #[command(flatten)]
    overrides: OverrideFlags,
}

impl Registered {
    /// Writes what was named over `client`.
    pub(super) fn apply(&self, client: &mut Client) -> anyhow::Result<()> {
        if let Some(name) = &self.name {
            client.name.clone_from(name);
        }
        if !self.grants.is_empty() {
            client.grants.clone_from(&self.grants);
            client.grants.sort_unstable();
            client.grants.dedup();
        }
        if let Some(scope) = &self.scope {
            client.scope =
                Scope::parse(scope).map_err(|reject| anyhow!("{}", reject.description()))?;
        }
        let resources = |uris: &[String]| {
            Resources::parse(uris.iter().map(String::as_str).filter(|uri| !uri.is_empty()))
                .map_err(|reject| anyhow!("{}", reject.description()))
        };
        if !self.resources.is_empty() {
            client.resources = resources(&self.resources)?;
        }
        if !self.serves.is_empty() {
            client.serves = resources(&self.serves)?;
        }
        if !self.auth_methods.is_empty() {
            client.auth_methods.clone_from(&self.auth_methods);
            client.auth_methods.sort_unstable();
            client.auth_methods.dedup();
        }
        self.authorize.apply(&mut client.authorize)?;
        self.relying_party.apply(&mut client.relying_party)?;
        self.overrides.apply(&mut client.overrides);
        Ok(())
    }
}

fn grant(text: &str) -> Result<GrantType, String> {
    GrantType::parse(text).ok_or_else(|| one_of(GrantType::ALL.iter().map(|g| g.as_str())))
}

fn auth_method(text: &str) -> Result<AuthMethod, String> {
    AuthMethod::parse(text).ok_or_else(|| one_of(AuthMethod::ALL.iter().map(|m| m.as_str())))
}
