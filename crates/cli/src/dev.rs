//! `remint serve --dev`: a client, a user and a session to try things with.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remint_protocol::client::{AuthMethod, Client, GrantType};
use remint_protocol::keyring::Keyring;
use remint_protocol::password::{self, begin};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::refresh::Seal;
use remint_protocol::scope::Scope;
use remint_protocol::token::{RefreshToken, seal_refresh};
use remint_protocol::user::{UserId, Username};
use remint_server::config::Config;
use remint_server::entropy;
use remint_server::keys::KeyFile;
use remint_server::passwords::Passwords;
use remint_store::Store;

use crate::client::blank;
use crate::init::write_new;
use crate::install::{CONFIG_FILE, absolute, now};

const CLIENT: &str = "demo";
const CLIENT_SECRET: &str = "demo-secret";
const USER: &str = "alice";
const PASSWORD: &str = "wonderland";
const SCOPE: &str = "openid profile email offline_access read write";
/// What the session that is seeded may do: it is a service's, so to say, and speaks about nobody.
const SEEDED_SCOPE: &str = "read write";
/// The public client of the code flow.
const PLAYGROUND: &str = "playground";
/// Where applications on this machine get their answers: any port will do (RFC 8252 section 7.3).
const LOOPBACK: [&str; 2] = ["http://127.0.0.1/callback", "http://[::1]/callback"];
/// What there is to tell about the user.
const PROFILE: &str = r#"{"name":"Alice Liddell","given_name":"Alice","family_name":"Liddell","email":"alice@example.com","email_verified":true}"#;
/// How the configuration of a development server begins.
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
                std::fs::create_dir_all(dir)
                    .with_context(|| format!("cannot make the directory {}", dir.display()))?;
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
        client.relying_party.post_logout_redirect_uris.clone_from(&client.authorize.redirect_uris);
        store.create_client(&client).await?;
        store.create_client(&playground(config.server.issuer.base())?).await?;
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

/// A public client that signs people in with the code flow.
fn playground(issuer: &str) -> anyhow::Result<Client> {
    let mut client = blank(PLAYGROUND)?;
    client.name = "Playground".into();
    client.auth_methods = vec![AuthMethod::None];
    client.grants = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    client.scope = Scope::parse(SCOPE).unwrap_or_default();
    let own = format!("{issuer}/playground/callback");
    client.authorize.redirect_uris = redirect_uris(LOOPBACK.into_iter().chain([own.as_str()]))?;
    client.relying_party.post_logout_redirect_uris.clone_from(&client.authorize.redirect_uris);
    Ok(client)
}

fn redirect_uris<'a>(all: impl Iterator<Item = &'a str>) -> anyhow::Result<Vec<RedirectUri>> {
    all.map(|uri| RedirectUri::register(uri).with_context(|| uri.to_owned())).collect()
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
    let policy = config.policy().of(&client);
    let (family, _) = begin(&client, user_id, extent, &fresh, (&policy, seal, now()));
    store.insert_family(&family, None).await?;
    let token = RefreshToken {
        kid: seal.kid,
        epoch: seal.epoch,
        family: fresh.id,
        secret: fresh.secret,
        generation: 0,
    };
    seal_refresh(keys, &token, &client.id).context("the active key is missing")
}

fn guide(issuer: &str, refresh_token: &str, kept: Option<&Path>) -> String {
    let basic = STANDARD.encode(format!("{CLIENT}:{CLIENT_SECRET}"));
    let data =
        kept.map_or_else(|| "gone at exit".to_owned(), |dir| format!("kept in {}", dir.display()));
    format!(
        "\n\
         *** DEVELOPMENT MODE: known passwords. Not for production. Loopback only. Data: {data}. ***\n\n\
         client  {CLIENT}   secret    {CLIENT_SECRET}   grants  all\n         playground  (public)             grants  authorization_code refresh_token\n\
         user    {USER}  password  {PASSWORD}\n\n\
         Tokens for a password:\n\n  \
         curl -k -u {CLIENT}:{CLIENT_SECRET} -d \"grant_type=password&username={USER}&password={PASSWORD}\" {issuer}/oauth2/token\n\n\
         New tokens for a refresh token (this one works once):\n\n  \
         curl -k -d \"grant_type=refresh_token&refresh_token={refresh_token}\" -H \"Authorization: Basic {basic}\" \
         -H \"Content-Type: application/x-www-form-urlencoded\" {issuer}/oauth2/token\n\n\
         Ctrl-C stops the server.\n"
    )
}
