//! `remint session`.

mod browsers;
pub(crate) mod ended;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use remint_protocol::audit::Object;
use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::event;
use remint_protocol::family::{Loaded, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_protocol::keyring::Keyring;
use remint_protocol::time::Timestamp;
use remint_protocol::token;
use remint_protocol::user::UserId;
use remint_store::{Filter, Store};
use serde::Serialize;
use std::collections::HashMap;

use crate::client;
use crate::install::{Installation, Location, block_on, now};
use crate::output::{Output, digits, time};
use crate::user;

/// List and end sessions. What is ended here is over for the running server within a second.
#[derive(Subcommand)]
pub(crate) enum Session {
    /// List sessions: what applications have of users
    List(List),
    /// List the browsers that a user has signed in at
    Browsers(browsers::Browsers),
    /// End sessions
    Revoke(Revoke),
}

#[derive(Args)]
pub(crate) struct List {
    /// Those of a user.
    #[arg(long, value_name = "NAME", conflicts_with = "client")]
    user: Option<String>,
    /// Those of a client.
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Those that are over, too.
    #[arg(long)]
    all: bool,
    /// The most to print.
    #[arg(long, default_value_t = 1000, value_parser = digits::<usize>)]
    limit: usize,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint session revoke --user alice\n  remint session revoke --client shop\n  \
                        remint session revoke --session ses_…\n  remint session revoke --browser 3q2-7w…\n  remint session revoke --all"
)]
pub(crate) struct Revoke {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All of a user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All of a client.
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// One, by the id that `session list` and the log show.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Those of one browser but for those with `offline_access`, by the id that `session browsers` shows;
    /// whoever sits there is signed out.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    browser: Option<String>,
    /// Every session of everyone.
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Printed {
    session: String,
    user: String,
    client: String,
    scope: String,
    state: String,
    /// The browser that it was authorized at.
    browser: Option<String>,
    /// Whether it goes on when the user signs out there.
    offline: bool,
    generation: u32,
    created: String,
    refreshed: String,
    expires: String,
    ends: String,
}

impl Session {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(),
            Self::Browsers(browsers) => browsers.run(),
            Self::Revoke(revoke) => revoke.run(),
        }
    }
}

/// The user and the client that `--user` and `--client` name, resolved once.
struct Names<'a> {
    store: &'a Store,
    keys: &'a Keyring,
    users: HashMap<UserId, String>,
}

impl Names<'_> {
    async fn print(&mut self, loaded: &Loaded, at: Timestamp) -> anyhow::Result<Printed> {
        let family = &loaded.family;
        let client = family.client_id.as_str();
        if !self.users.contains_key(&family.user_id) {
            let found = self.store.load_user(family.user_id).await?;
            let name =
                found.map_or_else(|| family.user_id.subject(), |u| u.username.as_str().to_owned());
            self.users.insert(family.user_id, name);
        }
        Ok(Printed {
            session: token::seal_family_id(self.keys, family.id).unwrap_or_default(),
            user: self.users.get(&family.user_id).cloned().unwrap_or_default(),
            client: client.to_owned(),
            scope: family.scope.to_string(),
            state: loaded.state(at).to_string(),
            browser: family.origin.browser_session.map(BrowserSessionId::sid),
            offline: family.origin.offline,
            generation: family.generation,
            created: time(family.created_at),
            refreshed: time(family.rotated_at),
            expires: time(family.expires_at),
            ends: time(family.max_expires_at),
        })
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open_to_read(&self.location)?;
        let printed = block_on(self.collect(&at))?;
        let columns = [
            "session",
            "user",
            "client",
            "state",
            "browser",
            "generation",
            "created",
            "refreshed",
            "expires",
        ];
        self.output.many(&printed, &columns)
    }

    async fn collect(&self, at: &Installation) -> anyhow::Result<Vec<Printed>> {
        let now = now();
        let user = match &self.user {
            Some(name) => Some(user::find(&at.store, name).await?.id),
            None => None,
        };
        let client = self.client.as_deref().map(client::blank).transpose()?;
        let filter = match (user, &client) {
            (Some(id), _) => Filter::User(id),
            (None, Some(client)) => Filter::Client(&client.id),
            (None, None) => Filter::All,
        };
        let mut names = Names { store: &at.store, keys: &at.keys, users: HashMap::new() };
        let mut printed = Vec::new();
        let mut pages = at.store.family_pages(filter);
        while let Some(families) = pages.next().await? {
            for loaded in &families {
                let one = names.print(loaded, now).await?;
                if self.all || one.state == "live" {
                    printed.push(one);
                }
                if printed.len() == self.limit {
                    return Ok(printed);
                }
            }
        }
        Ok(printed)
    }
}

impl Revoke {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.location)?;
        let (store, which) = (&at.store, &self.which);
        let done = if let Some(name) = &which.user {
            let id = block_on(user::find(store, name))?.id;
            let live = end(&at, Object::User(id), async |now| {
                let end = async || Ok(store.end_user_sessions(id, now).await.map(drop)?);
                ended::of_user(store, id, now, end).await
            })?;
            format!("all sessions of {name} ended: {live}")
        } else if let Some(id) = &which.client {
            let client = block_on(client::find(store, id))?.id;
            let live = end(&at, Object::Client(&client), async |now| {
                ended::of_clients(store, Some(&client), now).await
            })?;
            format!("all sessions of the client {id} ended: {live}")
        } else if let Some(text) = &which.session {
            let id = block_on(find(&at, text))?;
            end(&at, Object::Family(text), async |now| {
                store.revoke_family(id, RevokeReason::Operator, now).await?;
                Ok(1)
            })?;
            "the session ended".into()
        } else if let Some(sid) = &which.browser {
            let session = block_on(browsers::find(store, sid))?;
            let live = end(&at, Object::BrowserSession(session.id), async |now| {
                browsers::end(store, &session, now).await
            })?;
            format!(
                "the browser is signed out, and its sessions without offline_access ended: {live}"
            )
        } else {
            let live = end(&at, Object::AllSessions, async |now| {
                ended::of_clients(store, None, now).await
            })?;
            format!("all sessions ended: {live}")
        };
        self.output.done(&done)
    }
}

/// Finds a session by the id that the log shows.
async fn find(at: &Installation, text: &str) -> anyhow::Result<FamilyId> {
    let id = token::open_family_id(&at.keys, text).map_err(|_| {
        anyhow!("this is not a session id of this server: `remint session list` shows them")
    })?;
    if at.store.load_family(id).await?.is_none() {
        bail!("there is no such session any more");
    }
    Ok(id)
}

/// Ends sessions, and says how many were live.
fn end(
    at: &Installation,
    object: Object<'_>,
    end: impl AsyncFnOnce(Timestamp) -> anyhow::Result<usize>,
) -> anyhow::Result<String> {
    let count = at.change((&event::SESSIONS_REVOKED, object), async || end(now()).await)?;
    Ok(ended::were_live(count))
}
