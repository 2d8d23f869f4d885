//! Clients as printed, with the names of RFC 7591 §2 and OpenID Connect Dynamic Client Registration §2
//! where these have one.

use remint_protocol::client::Client;
use serde::Serialize;

use super::authorize::AuthorizeShown;
use super::relying_party::RelyingPartyShown;
use crate::output::time;
use crate::overrides::Shown;

/// A client as printed.
#[derive(Serialize)]
pub(super) struct Printed {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    name: String,
    enabled: bool,
    token_endpoint_auth_methods: Vec<&'static str>,
    grant_types: Vec<&'static str>,
    scope: String,
    resources: Vec<String>,
    serves: Vec<String>,
    /// The root key that the secret's hash depends on: it must not be removed before the next
    /// rotation of the secret.
    secret_kid: Option<u8>,
    #[serde(flatten)]
    authorize: Option<AuthorizeShown>,
    #[serde(flatten)]
    relying_party: RelyingPartyShown,
    #[serde(flatten)]
    overrides: Shown,
    created: String,
    updated: String,
}

impl From<&Client> for Printed {
    fn from(client: &Client) -> Self {
        Self {
            client_id: client.id.to_string(),
            client_secret: None,
            name: client.name.clone(),
            enabled: client.enabled,
            token_endpoint_auth_methods: client.auth_methods.iter().map(|m| m.as_str()).collect(),
            grant_types: client.grants.iter().map(|g| g.as_str()).collect(),
            scope: client.scope.to_string(),
            resources: client.resources.iter().map(Into::into).collect(),
            serves: client.serves.iter().map(Into::into).collect(),
            secret_kid: client.secret.map(|stored| stored.kid),
            authorize: AuthorizeShown::of(&client.authorize),
            relying_party: (&client.relying_party).into(),
            overrides: (&client.overrides).into(),
            created: time(client.created_at),
            updated: time(client.updated_at),
        }
    }
}

impl Printed {
    /// With a secret that is shown this once.
    pub(super) fn with_secret(self, client_secret: Option<String>) -> Self {
        Self { client_secret, ..self }
    }
}
