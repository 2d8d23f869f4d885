//! `remint client`.

mod authorize;
mod parse;
mod printed;
mod registered;
mod relying_party;

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use remint_protocol::audit::Object;
use remint_protocol::client::{AuthMethod, Client as Registration};
use remint_protocol::client_id::ClientId;
use remint_protocol::event::{self, Event};
use remint_protocol::keyring::Keyring;
use remint_protocol::registration::{self, SecretChange};
use remint_protocol::secret::StoredSecret;
use remint_server::config::Setting as _;
use remint_server::entropy;
use remint_store::{Outcome, Store};
use secrecy::{ExposeSecret as _, SecretString};

use crate::install::{Common, Installation, block_on, now};
use crate::output::note;
use crate::secret;
use printed::Printed;
use registered::Registered;

/// Register and change clients. The running server sees changes within a second.
#[derive(Subcommand)]
pub(crate) enum Client {
    /// Register a client
    Create(Box<Create>),
    /// List all clients
    List(Common),
    /// Show a client
    Show(Named),
    /// Change a client; what is not named stays as it is
    Update(Box<Update>),
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

#[derive(Args)]
#[command(
    after_help = "A client with a redirection URI and no grant gets authorization_code and refresh_token.\n\nExamples:\n  remint client create --id shop --grant password --grant refresh_token --scope \"read write\"\n  \
                        remint client create --id app --public --redirect-uri https://app.example/cb --scope openid\n  \
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
    /// Read the secret of a public client that becomes confidential from standard input instead of making one.
    #[arg(long, requires = "auth_methods")]
    secret_stdin: bool,
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
    /// Time for which the old secret still works.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    keep_old: Duration,
    #[command(flatten)]
    common: Common,
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::read(text).ok_or_else(|| format!("write {}", Duration::EXPECTS))
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

/// A fresh registration with nothing in it but its id.
pub(crate) fn blank(id: &str) -> anyhow::Result<Registration> {
    let id = ClientId::parse(id).with_context(|| {
        format!("`{id}` can not be a client id: write 1 to 128 visible ASCII characters without a colon, not beginning with `usr_`")
    })?;
    Ok(Registration::new(id, now()))
}

const SHOWN_ONCE: &str = "The secret is shown this once: only a hash of it is kept.";

/// A secret that was given, or a new one; whether it must be printed.
fn new_secret(from_stdin: bool) -> anyhow::Result<(SecretString, bool)> {
    if from_stdin {
        Ok((secret::from_stdin("client secret")?, false))
    } else {
        Ok((entropy::client_secret()?.into(), true))
    }
}

fn stored(keys: &Keyring, secret: &SecretString) -> anyhow::Result<StoredSecret> {
    let stored = keys.hash_client_secret(secret.expose_secret());
    stored.context("the active key is missing from the key file")
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let mut client = blank(&self.id)?;
        self.registered.apply(&mut client)?;
        if self.public {
            client.auth_methods = vec![AuthMethod::None];
        }
        if client.is_public() && self.secret_stdin {
            bail!("a public client has no secret: leave out --secret-stdin");
        }
        if client.grants.is_empty() {
            client.grants = registration::default_grants(&client);
        }
        if !registration::is_of_use(&client) {
            bail!(
                "the client could do nothing: name a grant, for example `--grant client_credentials`, or where \
                 people come back to after signing in: `--redirect-uri https://app.example/callback`"
            );
        }
        let at = Installation::open(&self.common.location)?;
        registration::check(&client, &at.config.policy())?;
        let mut printed_secret = None;
        if !client.is_public() {
            let (secret, is_new) = new_secret(self.secret_stdin)?;
            client.secret = Some(stored(&at.keys, &secret)?);
            printed_secret = is_new.then(|| secret.expose_secret().to_owned());
        }
        at.change((&event::CLIENT_CREATED, Object::Client(&client.id)), async || {
            match at.store.create_client(&client).await? {
                Outcome::Done => Ok(()),
                Outcome::Conflict => bail!("there is a client {} already", client.id),
            }
        })?;
        let shown = printed_secret.is_some();
        self.common.output.one(&Printed::from(&client).with_secret(printed_secret))?;
        if shown && !self.common.output.json {
            note(SHOWN_ONCE);
        }
        Ok(())
    }
}

/// Finds a client by id.
pub(crate) async fn find(store: &Store, id: &str) -> anyhow::Result<Registration> {
    store.find_client(id).await?.with_context(|| format!("there is no client {id}"))
}

fn list(common: &Common) -> anyhow::Result<()> {
    let at = Installation::open_to_read(&common.location)?;
    let mut all: Vec<Printed> = Vec::new();
    block_on(async {
        let mut pages = at.store.client_pages();
        while let Some(clients) = pages.next().await? {
            all.extend(clients.iter().map(Printed::from));
        }
        Ok(())
    })?;
    let columns =
        ["client_id", "name", "enabled", "token_endpoint_auth_methods", "grant_types", "scope"];
    common.output.many(&all, &columns)
}

impl Named {
    fn show(&self) -> anyhow::Result<()> {
        let at = Installation::open_to_read(&self.common.location)?;
        let client = block_on(find(&at.store, &self.id))?;
        self.common.output.one(&Printed::from(&client))
    }

    fn delete(&self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let client = block_on(find(&at.store, &self.id))?;
        at.change((&event::CLIENT_DELETED, Object::Client(&client.id)), async || {
            match at.store.delete_client(&client.id).await? {
                Outcome::Done => Ok(()),
                Outcome::Conflict => bail!("there is no client {}", self.id),
            }
        })?;
        self.common.output.done(&format!("client {} and its sessions are deleted", self.id))
    }
}

/// Changes a client, unless somebody else does so at the same moment.
fn change(
    at: &Installation,
    (event, id): (&Event, &str),
    edit: impl FnOnce(&mut Registration) -> anyhow::Result<()>,
) -> anyhow::Result<Registration> {
    let mut client = block_on(find(&at.store, id))?;
    let seen_at = client.updated_at;
    edit(&mut client)?;
    registration::check(&client, &at.config.policy())?;
    client.updated_at = registration::changed_at(seen_at, now());
    at.change((event, Object::Client(&client.id)), async || {
        match at.store.update_client(&client, seen_at).await? {
            Outcome::Done => Ok(()),
            Outcome::Conflict => bail!(
                "somebody else changed the client {id} at the same time: look at it and try again"
            ),
        }
    })?;
    Ok(client)
}

impl Update {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let mut given = None;
        let mut lost_secret = false;
        let client = change(&at, (&event::CLIENT_UPDATED, &self.id), |client| {
            let was_public = client.is_public();
            self.registered.apply(client)?;
            client.enabled = self.enabled.unwrap_or(client.enabled);
            match registration::fit_secret(client, was_public) {
                SecretChange::Kept => {}
                SecretChange::Removed => lost_secret = true,
                SecretChange::Needed => {
                    let (secret, is_new) = new_secret(self.secret_stdin)?;
                    client.secret = Some(stored(&at.keys, &secret)?);
                    given = is_new.then(|| secret.expose_secret().to_owned());
                    return Ok(());
                }
                SecretChange::Missing => bail!(
                    "the client has no secret yet: run `remint client rotate-secret {}` first",
                    self.id
                ),
            }
            if self.secret_stdin {
                bail!(
                    "--secret-stdin is for a public client that becomes confidential: {}",
                    if client.is_public() {
                        "a public client has no secret".to_owned()
                    } else {
                        format!("`remint client rotate-secret {}` changes a secret", self.id)
                    }
                );
            }
            Ok(())
        })?;
        let is_shown = given.is_some();
        self.common.output.one(&Printed::from(&client).with_secret(given))?;
        if is_shown && !self.common.output.json {
            note(SHOWN_ONCE);
        }
        if lost_secret {
            note("The client is public now: its secret is deleted, and nobody is asked for one.");
        }
        Ok(())
    }
}

impl RotateSecret {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let mut given = None;
        let client = change(&at, (&event::CLIENT_SECRET_ROTATED, &self.id), |client| {
            if client.is_public() {
                bail!(
                    "the client {id} is public: it has no secret to change. To make it confidential, run \
                     `remint client update {id} --token-endpoint-auth-method client_secret_basic`, which \
                     gives it a secret; from then on the application must send it",
                    id = self.id
                );
            }
            let (secret, is_new) = new_secret(self.secret_stdin)?;
            given = is_new.then(|| secret.expose_secret().to_owned());
            let stored = stored(&at.keys, &secret)?;
            Ok(registration::rotate_secret(client, stored, self.keep_old, now())?)
        })?;
        self.common.output.one(&Printed::from(&client).with_secret(given))
    }
}
