//! `remint serve --dev`: a client, a user and a session to try things with.

use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remint_protocol::client::{AuthMethod, Client, GrantType};
use remint_protocol::grant::{Issuing, Seal};
use remint_protocol::keyring::Keyring;
use remint_protocol::password::{self, VerifiedUser, start_family};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::token::seal_refresh;
use remint_protocol::user::{UserId, Username};
use remint_server::browser::pages::playground;
use remint_server::config::Config;
use remint_server::entropy;
use remint_server::keys::KeyFile;
use remint_server::passwords::Passwords;
use remint_server::playground::PlaygroundClients;
use remint_store::{Outcome, Store};

use crate::client::blank;
use crate::init::write_new;
use crate::install::{CONFIG_FILE, absolute, now};

const CLIENT: &str = "demo";
const CLIENT_SECRET: &str = "demo-secret";
const USER: &str = "alice";
const PASSWORD: &str = "wonderland";
const SCOPE: &str = "openid profile email offline_access read write";
/// The scope of the seeded session: it is a service's, so to say, and speaks about nobody.
const SEEDED_SCOPE: &str = "read write";
/// The public client of the code flow.
const PLAYGROUND: &str = "playground";
/// The redirection URIs of applications on this machine: any port will do (RFC 8252 section 7.3).
const LOOPBACK: [&str; 2] = ["http://127.0.0.1/callback", "http://[::1]/callback"];
/// The URIs to which they send a browser that has signed out.
const LOOPBACK_HOME: [&str; 2] = ["http://127.0.0.1/", "http://[::1]/"];
/// The scope that the playground requests: not `offline_access`, so that signing out ends what it got.
const PLAYGROUND_SCOPE: &str = "openid profile email read";
/// The API that the playground's access tokens are for. The client `demo` serves it, so it may introspect
/// them.
const API: &str = "https://api.example.com/";
/// The profile of the user.
const PROFILE: &str = r#"{"name":"Alice Liddell","given_name":"Alice","family_name":"Liddell","email":"alice@example.com","email_verified":true}"#;
/// The first line of a development server's configuration.
const MARK: &str = "# Made by `remint serve --dev`: known passwords. Not for production.\n";

/// The data directory of a development server.
pub(crate) struct Dev {
    dir: PathBuf,
    /// Removes the directory when it goes out of scope; `None` for one that the user keeps.
    temporary: Option<tempfile::TempDir>,
}

impl Dev {
    pub(crate) fn new(kept: Option<&Path>) -> anyhow::Result<Self> {
        let (dir, temporary) = match kept {
            Some(dir) => {
                // What is in it is for its owner alone.
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
                made.with_context(|| format!("cannot make the directory {}", dir.display()))?;
                (absolute(dir)?, None)
            }
            None => {
                let private = Permissions::from_mode(0o700);
                let mut builder = tempfile::Builder::new();
                let temporary = builder.prefix("remint-dev-").permissions(private).tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        mark(&dir)?;
        let key_file = dir.join("remint.keys");
        if !key_file.exists() {
            KeyFile::create(&key_file)?;
        }
        Ok(Self { dir, temporary })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the clients of the playground, which are seeded.
    pub(crate) const fn playground() -> PlaygroundClients {
        PlaygroundClients { app: PLAYGROUND, scope: PLAYGROUND_SCOPE, api: (CLIENT, CLIENT_SECRET) }
    }

    /// Makes what is not there yet, and says what to try.
    pub(crate) async fn seed(
        &self,
        store: &Store,
        keys: &Keyring,
        config: &Config,
    ) -> anyhow::Result<String> {
        let mut client = blank(CLIENT)?;
        client.auth_methods = vec![AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
        client.grants = GrantType::ALL.to_vec();
        client.scope = Scope::parse(SCOPE).unwrap_or_default();
        client.secret = keys.hash_client_secret(CLIENT_SECRET);
        client.name = "Demo".into();
        client.authorize.redirect_uris = redirect_uris(LOOPBACK.iter().copied())?;
        client.relying_party.post_logout_redirect_uris = post_logout_redirect_uris(&client)?;
        client.serves = Resources::parse([API]).unwrap_or_default();
        store.create_client(&client).await?;
        seed_playground(store, config.server.issuer.base()).await?;
        let user_id = seed_user(store, config).await?;
        let refresh = seed_session(store, keys, config, user_id).await?;
        let kept = self.temporary.is_none();
        Ok(guide(config.server.issuer.base(), &refresh, kept.then_some(&*self.dir)))
    }
}

/// Leaves a configuration, so that commands work on the directory as on any other, and refuses one
/// that another hand wrote.
fn mark(dir: &Path) -> anyhow::Result<()> {
    let file = dir.join(CONFIG_FILE);
    if !file.exists() {
        return write_new(&file, MARK);
    }
    if !std::fs::read_to_string(&file)?.starts_with(MARK) {
        bail!("{} is a real installation: --dev would put known passwords into it", dir.display());
    }
    Ok(())
}

/// Makes the playground's client. In a directory that is kept, it follows the issuer, which follows the port.
async fn seed_playground(store: &Store, issuer: &str) -> anyhow::Result<()> {
    let client = playground(issuer)?;
    if store.create_client(&client).await? == Outcome::Conflict
        && let Some(kept) = store.find_client(PLAYGROUND).await?
    {
        let seen_at = kept.updated_at;
        let changed = Client {
            authorize: client.authorize,
            relying_party: client.relying_party,
            resources: client.resources,
            updated_at: now().max(seen_at.after(Duration::from_millis(1))),
            ..kept
        };
        store.update_client(&changed, seen_at).await?;
    }
    Ok(())
}

/// A public client that signs people in with the code flow.
fn playground(issuer: &str) -> anyhow::Result<Client> {
    let mut client = blank(PLAYGROUND)?;
    client.name = "Playground".into();
    client.auth_methods = vec![AuthMethod::None];
    client.grants = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    client.scope = Scope::parse(SCOPE).unwrap_or_default();
    client.resources = Resources::parse([API]).unwrap_or_default();
    let own = format!("{issuer}{}", playground::CALLBACK);
    client.authorize.redirect_uris = redirect_uris(LOOPBACK.into_iter().chain([own.as_str()]))?;
    let own = format!("{issuer}{}", playground::SIGNED_OUT);
    let mut homes = post_logout_redirect_uris(&client)?;
    homes.extend(redirect_uris(std::iter::once(own.as_str()))?);
    client.relying_party.post_logout_redirect_uris = homes;
    Ok(client)
}

fn redirect_uris<'a>(all: impl Iterator<Item = &'a str>) -> anyhow::Result<Vec<RedirectUri>> {
    all.map(|uri| RedirectUri::register(uri).with_context(|| uri.to_owned())).collect()
}

/// An application's start page, or where it gets its answers.
fn post_logout_redirect_uris(client: &Client) -> anyhow::Result<Vec<RedirectUri>> {
    let mut uris = redirect_uris(LOOPBACK_HOME.into_iter())?;
    uris.extend_from_slice(&client.authorize.redirect_uris);
    Ok(uris)
}

async fn seed_user(store: &Store, config: &Config) -> anyhow::Result<UserId> {
    let name = Username::parse(USER).context("the user's name")?;
    if let Some(user) = store.find_user(&name).await? {
        return Ok(user.id);
    }
    let hash = Passwords::new(&config.passwords)?.hash(&PASSWORD.into())?;
    let id = entropy::user_id()?;
    store.create_user(id, &name, &hash, now()).await?;
    store.set_user_profile(id, ("{}", PROFILE), now()).await?;
    Ok(id)
}

/// A session whose refresh token can be pasted.
async fn seed_session(
    store: &Store,
    keys: &Keyring,
    config: &Config,
    user_id: UserId,
) -> anyhow::Result<String> {
    let client = store.find_client(CLIENT).await?.context("the client that was just made")?;
    let scope = Scope::parse(SEEDED_SCOPE).ok();
    let extent =
        password::extent(&client, scope.as_ref(), None).ok().context("the client's extent")?;
    let fresh = entropy::family()?;
    let seal = Seal { kid: keys.active(), epoch: store.epoch().await? };
    let policy = client.policy(&config.policy());
    let (family, _) = start_family(
        &client,
        VerifiedUser { id: user_id, ends: store.ends().await?, at: now() },
        extent,
        &fresh,
        Issuing { policy: &policy, seal, now: now() },
    );
    store.insert_family(&family, None).await?;
    seal_refresh(keys, &fresh.first_refresh_token(seal), &client.id)
        .context("the active key is missing")
}

fn guide(issuer: &str, refresh_token: &str, kept: Option<&Path>) -> String {
    let basic = STANDARD.encode(format!("{CLIENT}:{CLIENT_SECRET}"));
    let data =
        kept.map_or_else(|| "gone at exit".to_owned(), |dir| format!("kept in {}", dir.display()));
    let page = playground::PATH;
    format!(
        "\n\
         *** DEVELOPMENT MODE: known passwords. Not for production. Loopback only. Data: {data}. ***\n\n\
         Open {issuer}{page} and sign in as {USER} / {PASSWORD}\n\n\
         client  {CLIENT}        secret    {CLIENT_SECRET}  grants  all\n\
         client  {PLAYGROUND}  (public)               grants  authorization_code refresh_token\n\
         user    {USER}       password  {PASSWORD}\n\n\
         Tokens for a password:\n\n  \
         curl -k -u {CLIENT}:{CLIENT_SECRET} -d \"grant_type=password&username={USER}&password={PASSWORD}\" {issuer}/oauth2/token\n\n\
         New tokens for a refresh token (this one works once):\n\n  \
         curl -k -d \"grant_type=refresh_token&refresh_token={refresh_token}\" -H \"Authorization: Basic {basic}\" \
         -H \"Content-Type: application/x-www-form-urlencoded\" {issuer}/oauth2/token\n\n\
         Ctrl-C stops the server.\n"
    )
}
