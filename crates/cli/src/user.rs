//! `remint user`.

mod profile;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use remint_protocol::audit::Object;
use remint_protocol::claims::Profile;
use remint_protocol::event;
use remint_protocol::user::Username;
use remint_server::entropy;
use remint_server::passwords::Passwords;
use remint_store::{Outcome, Store, User as Stored};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::install::{Common, Installation, block_on, now};
use crate::output::time;
use crate::secret;
use crate::session::ended::{self, were_live};
use profile::ProfileFlags;

/// Create and change users.
#[derive(Subcommand)]
pub(crate) enum User {
    /// Create a user
    Create(Create),
    /// List all users
    List(Common),
    /// Show a user
    Show(Named),
    /// Change what is known of a user; what is not named stays as it is
    Update(Box<Update>),
    /// Change a password; all the user's sessions end
    SetPassword(SetPassword),
    /// Refuse a user everything until they are enabled again
    Disable(Named),
    /// Let a disabled user in again
    Enable(Named),
    /// Delete a user and all their sessions
    Delete(Named),
}

#[derive(Args)]
pub(crate) struct Named {
    /// The user's name.
    username: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  remint user create --username alice\n  \
                        pass show alice | remint user create --username alice --password-stdin")]
pub(crate) struct Create {
    /// The name that the user signs in with.
    #[arg(long)]
    username: String,
    /// Read the password from standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint user update alice --name \"Alice L.\" --email alice@example.com --email-verified\n  \
                        remint user update alice --address-locality Oxford --address-country UK --nickname \"\""
)]
pub(crate) struct Update {
    /// The user's name.
    username: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    claims: ProfileFlags,
}

#[derive(Args)]
pub(crate) struct SetPassword {
    /// The user's name.
    username: String,
    /// Read the password from standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Printed {
    username: String,
    sub: String,
    enabled: bool,
    /// The claims known of them, each by its own name.
    #[serde(flatten)]
    claims: Map<String, Value>,
    created: String,
    updated: String,
}

impl From<&Stored> for Printed {
    fn from(user: &Stored) -> Self {
        Self {
            username: user.username.as_str().to_owned(),
            sub: user.id.subject(),
            enabled: user.disabled_at.is_none(),
            claims: Map::new(),
            created: time(user.created_at),
            updated: time(user.updated_at),
        }
    }
}

impl Printed {
    fn with_claims(self, profile: &Profile) -> Self {
        let claims = profile.iter().map(|(claim, value)| (claim.to_string(), value.clone()));
        Self { claims: claims.collect(), ..self }
    }
}

impl User {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(common) => list(&common),
            Self::Show(named) => named.show(),
            Self::Update(update) => update.run(),
            Self::SetPassword(set) => set.run(),
            Self::Disable(named) => named.set_enabled(false),
            Self::Enable(named) => named.set_enabled(true),
            Self::Delete(named) => named.delete(),
        }
    }
}

fn password(from_stdin: bool) -> anyhow::Result<SecretString> {
    if from_stdin { secret::from_stdin("password") } else { secret::from_prompt("password") }
}

fn username(text: &str) -> anyhow::Result<Username> {
    Username::parse(text).with_context(|| {
        format!("`{text}` can not be a user name: write 1 to 255 bytes without control characters or outer spaces")
    })
}

/// Finds a user by name.
pub(crate) async fn find(store: &Store, name: &str) -> anyhow::Result<Stored> {
    let found = store.find_user(&username(name)?).await?;
    found.with_context(|| format!("there is no user {name}"))
}

fn profile_of(user: &Stored) -> anyhow::Result<Profile> {
    let profile = Profile::parse(&user.profile);
    profile.with_context(|| format!("the profile of {} in the store", user.username.as_str()))
}

/// Somebody else may have deleted the user since they were found.
fn still_there(outcome: Outcome, name: &str) -> anyhow::Result<()> {
    if outcome == Outcome::Conflict {
        bail!("there is no user {name} any more");
    }
    Ok(())
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let username = username(&self.username)?;
        let at = Installation::open(&self.common.location)?;
        let hash = Passwords::new(&at.config.passwords)?.hash(&password(self.password_stdin)?)?;
        let id = entropy::user_id()?;
        let user = at.change((&event::USER_CREATED, Object::User(id)), async || {
            let outcome = at.store.create_user(id, &username, &hash, now()).await?;
            match (at.store.load_user(id).await?, outcome) {
                (Some(user), Outcome::Done) => Ok(user),
                _ => bail!("there is a user {} already", self.username),
            }
        })?;
        self.common.output.one(&Printed::from(&user))
    }
}

fn list(common: &Common) -> anyhow::Result<()> {
    let at = Installation::open_to_read(&common.location)?;
    let mut all: Vec<Printed> = Vec::new();
    block_on(async {
        let mut pages = at.store.user_pages();
        while let Some(users) = pages.next().await? {
            all.extend(users.iter().map(Printed::from));
        }
        Ok(())
    })?;
    common.output.many(&all, &["username", "sub", "enabled", "created"])
}

impl Named {
    fn open(&self) -> anyhow::Result<(Installation, Stored)> {
        let at = Installation::open(&self.common.location)?;
        let user = block_on(find(&at.store, &self.username))?;
        Ok((at, user))
    }

    fn show(&self) -> anyhow::Result<()> {
        let at = Installation::open_to_read(&self.common.location)?;
        let user = block_on(find(&at.store, &self.username))?;
        self.common.output.one(&Printed::from(&user).with_claims(&profile_of(&user)?))
    }

    fn set_enabled(&self, enabled: bool) -> anyhow::Result<()> {
        let (at, user) = self.open()?;
        let (event, state) = if enabled {
            (&event::USER_ENABLED, "enabled")
        } else {
            (&event::USER_DISABLED, "disabled")
        };
        at.change((event, Object::User(user.id)), async || {
            let outcome = at.store.set_user_enabled(user.id, enabled, now()).await?;
            still_there(outcome, &self.username)
        })?;
        self.common.output.done(&format!("user {} is {state}", self.username))
    }

    fn delete(&self) -> anyhow::Result<()> {
        let (at, user) = self.open()?;
        at.change((&event::USER_DELETED, Object::User(user.id)), async || {
            // Who is gone has no sessions of which a client could be told.
            at.store.end_user_sessions(user.id, now()).await?;
            still_there(at.store.delete_user(user.id).await?, &self.username)
        })?;
        self.common.output.done(&format!("user {} and their sessions are deleted", self.username))
    }
}

impl Update {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let user = block_on(find(&at.store, &self.username))?;
        let (current, now) = (profile_of(&user)?, now());
        let changes = self.claims.changes(&current);
        if changes.is_empty() {
            bail!("nothing was to be changed: name a claim, for example `--name \"Alice L.\"`");
        }
        let next = current.changed(changes, now)?;
        let seen_and_next = (&*user.profile, &*next.to_json());
        let user = at.change((&event::USER_UPDATED, Object::User(user.id)), async || {
            match at.store.set_user_profile(user.id, seen_and_next, now).await? {
                Outcome::Done => find(&at.store, &self.username).await,
                Outcome::Conflict => bail!(
                    "somebody else changed the user {} at the same time: look at them and try again",
                    self.username
                ),
            }
        })?;
        self.common.output.one(&Printed::from(&user).with_claims(&profile_of(&user)?))
    }
}

impl SetPassword {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let user = block_on(find(&at.store, &self.username))?;
        let hash = Passwords::new(&at.config.passwords)?.hash(&password(self.password_stdin)?)?;
        let (store, now) = (&at.store, now());
        let set =
            async || still_there(store.set_password(user.id, &hash, now).await?, &self.username);
        let changed = (&event::USER_PASSWORD_SET, Object::User(user.id));
        let live = at.change(changed, async || ended::of_user(store, user.id, now, set).await)?;
        let live = were_live(live);
        let done =
            format!("user {} has a new password; their sessions ended: {live}", self.username);
        self.common.output.done(&done)
    }
}
