//! `remint client`.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use remint_protocol::client::{AuthMethod, Client as Registration, ClientId, GrantType};
use remint_protocol::keyring::Keyring;
use remint_protocol::policy::Policy;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_server::config::Setting as _;
use remint_server::entropy;
use remint_store::{Outcome, Store};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::install::{Common, Installation, block_on, now};
use crate::output::time;
use crate::overrides::{OverrideFlags, Shown};
use crate::secret;

/// Register and change clients. The running server sees changes within a second.
#[derive(Subcommand)]
pub(crate) enum Client {
    /// Register a client
    Create(Create),
    /// List all clients
    List(Common),
    /// Show a client
    Show(Named),
    /// Change a client; what is not named stays as it is
    Update(Update),
    /// Give a client a new secret
    RotateSecret(RotateSecret),
    /// Delete a client and all its sessions
    Delete(Named),
}

#[derive(Args)]
pub(crate) struct Named {
    /// The client's id.
    id: String,
    #[command(flatten)]
    common: Common,
}

/// What a client is registered for.
#[derive(Args, Default)]
pub(crate) struct Registered {
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    /// A grant that it may use; repeat for more. `password`, `client_credentials`, `refresh_token`.
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
    /// How it authenticates; repeat for more. `client_secret_basic` (the default),
    /// `client_secret_post`, `none`.
    #[arg(long = "token-endpoint-auth-method", value_name = "METHOD", value_parser = auth_method)]
    auth_methods: Vec<AuthMethod>,
    #[command(flatten)]
    overrides: OverrideFlags,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint client create --id shop --grant password --grant refresh_token --scope \"read write\"\n  \
                        remint client create --id app --public --grant password --grant refresh_token --grace-period 60s\n  \
                        pass show shop | remint client create --id shop --grant client_credentials --secret-stdin"
)]
pub(crate) struct Create {
    /// The client's id.
    #[arg(long)]
    id: String,
    /// A client that can keep no secret, such as a browser or mobile application.
    #[arg(long, conflicts_with_all = ["auth_methods", "secret_stdin"])]
    public: bool,
    /// Read the secret from standard input instead of making one.
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    registered: Registered,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint client update shop --renew-refresh-token false --refresh-token-lifetime 90s\n  \
                        remint client update shop --grace-period inherit\n  remint client update shop --enabled false"
)]
pub(crate) struct Update {
    /// The client's id.
    id: String,
    /// Whether it may do anything at all.
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    registered: Registered,
}

#[derive(Args)]
#[command(after_help = "Example:\n  remint client rotate-secret shop --keep-old 1h")]
pub(crate) struct RotateSecret {
    /// The client's id.
    id: String,
    /// Read the secret from standard input instead of making one.
    #[arg(long)]
    secret_stdin: bool,
    /// How long the old secret still works.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    keep_old: Duration,
    #[command(flatten)]
    common: Common,
}

fn grant(text: &str) -> Result<GrantType, String> {
    GrantType::parse(text).ok_or_else(|| one_of(GrantType::ALL.iter().map(|g| g.as_str())))
}

fn auth_method(text: &str) -> Result<AuthMethod, String> {
    AuthMethod::parse(text).ok_or_else(|| one_of(AuthMethod::ALL.iter().map(|m| m.as_str())))
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::read(text).ok_or_else(|| format!("write {}", Duration::EXPECTS))
}

fn one_of<'a>(all: impl Iterator<Item = &'a str>) -> String {
    format!("write one of {}", all.collect::<Vec<_>>().join(", "))
}

impl Client {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(common) => list(&common),
            Self::Show(named) => named.show(),
            Self::Update(update) => update.run(),
            Self::RotateSecret(rotate) => rotate.run(),
            Self::Delete(named) => named.delete(),
        }
    }
}

/// A client as printed.
#[derive(Serialize)]
struct Printed {
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
    overrides: Shown,
    created: String,
    updated: String,
}

impl From<&Registration> for Printed {
    fn from(client: &Registration) -> Self {
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
            overrides: (&client.overrides).into(),
            created: time(client.created_at),
            updated: time(client.updated_at),
        }
    }
}

impl Registered {
    /// Writes what was named over `client`.
    fn apply(&self, client: &mut Registration) -> anyhow::Result<()> {
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
        self.overrides.apply(&mut client.overrides);
        Ok(())
    }
}

/// Refuses what no registration may have, and settings that make no sense with the server's.
fn check(client: &Registration, server: &Policy) -> anyhow::Result<()> {
    client.check()?;
    server.of(client).check()?;
    Ok(())
}

/// A fresh registration with nothing in it but its id.
pub(crate) fn blank(id: &str) -> anyhow::Result<Registration> {
    let id = ClientId::parse(id).with_context(|| {
        format!("`{id}` can not be a client id: write 1 to 128 visible ASCII characters without a colon, not beginning with `usr_`")
    })?;
    Ok(Registration::new(id, now()))
}

/// A secret that was given, or a new one; whether it must be printed.
fn new_secret(from_stdin: bool) -> anyhow::Result<(SecretString, bool)> {
    if from_stdin {
        Ok((secret::from_stdin("client secret")?, false))
    } else {
        Ok((entropy::client_secret()?.into(), true))
    }
}

fn set_secret(
    client: &mut Registration,
    keys: &Keyring,
    secret: &SecretString,
) -> anyhow::Result<()> {
    let stored = keys.hash_client_secret(secret.expose_secret());
    client.secret = Some(stored.context("the active key is missing from the key file")?);
    Ok(())
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let mut client = blank(&self.id)?;
        self.registered.apply(&mut client)?;
        if self.public {
            client.auth_methods = vec![AuthMethod::None];
        }
        if client.grants.is_empty() && client.serves.is_empty() {
            bail!(
                "the client could do nothing: name a grant, for example `--grant password --grant refresh_token`"
            );
        }
        let at = Installation::open(&self.common.location)?;
        check(&client, &at.config.policy())?;
        let mut printed_secret = None;
        if !client.is_public() {
            let (secret, is_new) = new_secret(self.secret_stdin)?;
            set_secret(&mut client, &at.keys, &secret)?;
            printed_secret = is_new.then(|| secret.expose_secret().to_owned());
        }
        if block_on(async { Ok(at.store.create_client(&client).await?) })? == Outcome::Conflict {
            bail!("there is a client {} already", client.id);
        }
        let shown = printed_secret.is_some();
        self.common.output.one(&Printed { client_secret: printed_secret, ..(&client).into() })?;
        if shown && !self.common.output.json {
            eprintln!("The secret is shown this once: only a hash of it is kept.");
        }
        Ok(())
    }
}

async fn find(store: &Store, id: &str) -> anyhow::Result<Registration> {
    store.find_client(id).await?.with_context(|| format!("there is no client {id}"))
}

fn list(common: &Common) -> anyhow::Result<()> {
    let at = Installation::open(&common.location)?;
    let mut all: Vec<Printed> = Vec::new();
    block_on(async {
        let mut after = String::new();
        loop {
            let page = at.store.list_clients(&after, 500).await?;
            let Some(last) = page.last() else { return Ok(()) };
            last.id.as_str().clone_into(&mut after);
            all.extend(page.iter().map(Printed::from));
        }
    })?;
    let columns =
        ["client_id", "name", "enabled", "token_endpoint_auth_methods", "grant_types", "scope"];
    common.output.many(&all, &columns)
}

impl Named {
    fn show(&self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let client = block_on(find(&at.store, &self.id))?;
        self.common.output.one(&Printed::from(&client))
    }

    fn delete(&self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let client = block_on(find(&at.store, &self.id))?;
        let outcome = block_on(async { Ok(at.store.delete_client(&client.id).await?) })?;
        if outcome == Outcome::Conflict {
            bail!("there is no client {}", self.id);
        }
        self.common.output.done(&format!("client {} and its sessions are deleted", self.id))
    }
}

/// Changes a client, unless somebody else does so at the same moment.
fn change(
    at: &Installation,
    id: &str,
    edit: impl FnOnce(&mut Registration) -> anyhow::Result<()>,
) -> anyhow::Result<Registration> {
    let mut client = block_on(find(&at.store, id))?;
    let seen_at = client.updated_at;
    edit(&mut client)?;
    check(&client, &at.config.policy())?;
    // The time of the change is its guard, so it must be another one.
    client.updated_at = now().max(seen_at.after(Duration::from_millis(1)));
    if block_on(async { Ok(at.store.update_client(&client, seen_at).await?) })? == Outcome::Conflict
    {
        bail!("somebody else changed the client {id} at the same time: look at it and try again");
    }
    Ok(client)
}

impl Update {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let client = change(&at, &self.id, |client| {
            self.registered.apply(client)?;
            client.enabled = self.enabled.unwrap_or(client.enabled);
            if client.is_public() {
                client.secret = None;
                client.previous_secret = None;
            } else if client.secret.is_none() {
                bail!(
                    "the client has no secret yet: run `remint client rotate-secret {}` first",
                    self.id
                );
            }
            Ok(())
        })?;
        self.common.output.one(&Printed::from(&client))
    }
}

impl RotateSecret {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let (secret, is_new) = new_secret(self.secret_stdin)?;
        let client = change(&at, &self.id, |client| {
            if client.is_public() && client.secret.is_none() {
                // The way from a public to a confidential client: first a secret, then the method.
                client.auth_methods = vec![AuthMethod::ClientSecretBasic];
            }
            let until = now().after(self.keep_old);
            client.previous_secret =
                client.secret.filter(|_| !self.keep_old.is_zero()).map(|old| (old, until));
            set_secret(client, &at.keys, &secret)
        })?;
        let client_secret = is_new.then(|| secret.expose_secret().to_owned());
        self.common.output.one(&Printed { client_secret, ..(&client).into() })
    }
}
