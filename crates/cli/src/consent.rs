//! `remint consent`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::bail;
use clap::{Args, Subcommand};
use remint_protocol::audit::Object;
use remint_protocol::client_id::ClientId;
use remint_protocol::consent::Consent as Given;
use remint_protocol::event;
use remint_protocol::family::{Loaded, RevokeReason};
use remint_protocol::user::UserId;
use remint_store::Store;
use serde::Serialize;

use crate::audit;
use crate::client;
use crate::install::{Common, Installation, block_on, let_servers_see, now};
use crate::output::time;
use crate::session::ended::{revoked, were_live};
use crate::user;

/// The number of consents that are read at once.
const PIECE: u32 = 500;

/// List and take back what users allowed to clients.
#[derive(Subcommand)]
pub(crate) enum Consent {
    /// List what users allowed
    List(List),
    /// Take back what users allowed; the client's sessions of theirs end
    Revoke(Revoke),
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint consent revoke --user alice --client shop\n  remint consent revoke --client shop"
)]
pub(crate) struct Revoke {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

/// A user, a client, or both.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Only the consents of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only the consents to this client.
    #[arg(long, value_name = "ID")]
    client: Option<String>,
}

#[derive(Serialize)]
struct Printed {
    user: String,
    client: String,
    scope: String,
    resources: Vec<String>,
    given: String,
}

impl Consent {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(),
            Self::Revoke(revoke) => revoke.run(),
        }
    }
}

/// The user, the client or both that a [`Which`] names.
enum Named {
    User(UserId),
    Client(ClientId),
    Pair(UserId, ClientId),
}

impl Which {
    async fn resolve(&self, store: &Store) -> anyhow::Result<Named> {
        let user = match &self.user {
            Some(name) => Some(user::find(store, name).await?.id),
            None => None,
        };
        let client = match &self.client {
            Some(id) => Some(client::find(store, id).await?.id),
            None => None,
        };
        match (user, client) {
            (Some(user), Some(client)) => Ok(Named::Pair(user, client)),
            (Some(user), None) => Ok(Named::User(user)),
            (None, Some(client)) => Ok(Named::Client(client)),
            (None, None) => bail!("name a user, a client or both: --user NAME, --client ID"),
        }
    }
}

impl Named {
    /// All that was allowed.
    async fn list(&self, store: &Store) -> anyhow::Result<Vec<Given>> {
        let mut all: Vec<Given> = Vec::new();
        loop {
            let last = all.last();
            let page = match self {
                Self::Pair(user, client) => {
                    return Ok(store.load_consent(*user, client).await?.into_iter().collect());
                }
                Self::User(user) => {
                    let after = last.map(|last| last.client_id.as_str()).unwrap_or_default();
                    store.list_consents(*user, after, PIECE).await?
                }
                Self::Client(client) => {
                    store.list_consents_to(client, last.map(|last| last.user_id), PIECE).await?
                }
            };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open_to_read(&self.common.location)?;
        let printed = block_on(async {
            let all = self.which.resolve(&at.store).await?.list(&at.store).await?;
            print(&at.store, &all).await
        })?;
        self.common.output.many(&printed, &["user", "client", "scope", "resources", "given"])
    }
}

async fn print(store: &Store, all: &[Given]) -> anyhow::Result<Vec<Printed>> {
    let mut names: HashMap<UserId, String> = HashMap::new();
    let mut printed = Vec::new();
    for given in all {
        let user = match names.entry(given.user_id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let found = store.load_user(given.user_id).await?;
                let name = found.map(|user| user.username.as_str().to_owned());
                new.insert(name.unwrap_or_else(|| given.user_id.subject())).clone()
            }
        };
        printed.push(Printed {
            user,
            client: given.client_id.to_string(),
            scope: given.scope.to_string(),
            resources: given.resources.iter().map(Into::into).collect(),
            given: time(given.given_at),
        });
    }
    Ok(printed)
}

impl Revoke {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open(&self.common.location)?;
        let (count, ended) = self.revoke(&at)?;
        let_servers_see();
        let consents =
            if count == 1 { "1 consent is".into() } else { format!("{count} consents are") };
        self.common.output.done(&format!(
            "{consents} taken back, and the sessions under them ended: {}",
            were_live(ended)
        ))
    }

    fn revoke(&self, at: &Installation) -> anyhow::Result<(usize, usize)> {
        let store = &at.store;
        let (named, all) = block_on(async {
            let named = self.which.resolve(store).await?;
            let all = named.list(store).await?;
            Ok((named, all))
        })?;
        let pairs = all.iter().map(|given| (given.user_id, &given.client_id));
        // A client that nobody was asked about may have sessions all the same.
        let unasked = match &named {
            Named::Pair(user, client) if all.is_empty() => Some((*user, client)),
            Named::Pair(..) | Named::User(_) | Named::Client(_) => None,
        };
        let mut ended = 0;
        for (user, client) in pairs.chain(unasked) {
            let changed = (&event::CONSENT_REVOKED, Object::Consent(user, client));
            let end = (now(), RevokeReason::Operator);
            ended += audit::change(&at.config, changed, || {
                block_on(async {
                    store.revoke_consent((user, client), end.1, end.0).await?;
                    let is_of_client = |loaded: &Loaded| loaded.family.client_id == *client;
                    revoked(store, user, is_of_client, end).await
                })
            })?;
        }
        Ok((all.len(), ended))
    }
}
