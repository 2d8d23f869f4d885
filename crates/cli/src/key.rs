//! `remint key`.

mod signing;

use anyhow::bail;
use clap::{Args, Subcommand};
use remint_protocol::audit::Object;
use remint_protocol::event;
use remint_protocol::keyring::Fingerprint;
use remint_protocol::root_key::{self, Needs, StoredRootKey};
use remint_server::background::node::SILENT_AFTER;
use remint_server::keys::KeyFile;
use remint_store::{Filter, Node, Outcome, SUBJECT_SALT, Store};
use serde::Serialize;

use crate::install::{Common, Installation, Location, block_on, now};
use crate::output::{Output, digits, time};

/// List and change the root keys, and the keys that sign JWTs.
///
/// Signing keys are in the store, change by themselves, and need nothing of you; see `key rotate`. Root
/// keys seal tokens, and the signing keys. They are in the key file of each node; the store only knows their numbers.
/// Change them in three steps, none of which logs anybody out: `key add` on one node, copy its key file
/// to all others, and `key activate`. Running servers take up a changed key file by themselves.
#[derive(Subcommand)]
pub(crate) enum Key {
    /// List root keys with the nodes that lack them, and signing keys
    List(Common),
    /// Make a new root key, which does not seal yet
    Add(Common),
    /// Let a root key seal from now on
    Activate(Change),
    /// Give a root key up
    Retire(Change),
    /// Make new keys that sign ID tokens and other JWTs
    Rotate(signing::Rotate),
}

#[derive(Args)]
pub(crate) struct Change {
    /// The number of the key.
    #[arg(value_parser = digits::<u8>)]
    kid: u8,
    /// Skip the safety checks.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Printed {
    kind: &'static str,
    kid: u8,
    state: &'static str,
    here: &'static str,
    lacking: Vec<String>,
    added: String,
    activated: Option<String>,
    retired: Option<String>,
}

impl Key {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(common) => list(&common),
            Self::Add(common) => add(&common),
            Self::Activate(change) => change.activate(),
            Self::Retire(change) => change.retire(),
            Self::Rotate(rotate) => rotate.run(),
        }
    }
}

fn list(common: &Common) -> anyhow::Result<()> {
    let mut at = Installation::open_to_read(&common.location)?;
    if block_on(async { Ok(at.store.list_keys().await?) })?.is_empty() {
        // A store that never saw a key file gets to know this one.
        at = Installation::open(&common.location)?;
    }
    let printed = block_on(async {
        let keys = at.store.list_keys().await?;
        let nodes = running(&at.store).await?;
        let root = keys.iter().map(|key| serde_json::to_value(print(key, &keys, &nodes, &at)));
        let signing = signing::list(&at).await?;
        let signing = signing.iter().map(serde_json::to_value);
        Ok(root.chain(signing).collect::<Result<Vec<_>, _>>()?)
    })?;
    let columns = ["kind", "kid", "alg", "state", "here", "lacking", "added", "activated"];
    common.output.many(&printed, &columns)
}

fn print(key: &StoredRootKey, all: &[StoredRootKey], nodes: &[Node], at: &Installation) -> Printed {
    let state = if key.retired_at.is_some() {
        "retired"
    } else if root_key::sealing(all) == Some(key.kid) {
        "sealing"
    } else {
        "known"
    };
    let lacking = if state == "retired" { Vec::new() } else { lacking(nodes, key.kid) };
    Printed {
        kind: "root",
        kid: key.kid,
        state,
        here: if at.keys.knows(key.kid) { "yes" } else { "no" },
        lacking,
        added: time(key.added_at),
        activated: key.activated_at.map(time),
        retired: key.retired_at.map(time),
    }
}

/// The servers that run now.
async fn running(store: &Store) -> anyhow::Result<Vec<Node>> {
    let since = now().before(SILENT_AFTER);
    let nodes = store.list_nodes().await?;
    Ok(nodes.into_iter().filter(|node| node.seen_at >= since).collect())
}

/// The names of the nodes that lack a key.
fn lacking(nodes: &[Node], kid: u8) -> Vec<String> {
    nodes.iter().filter(|node| !node.kids.contains(&kid)).map(|node| node.name.clone()).collect()
}

fn add(common: &Common) -> anyhow::Result<()> {
    let at = Installation::open(&common.location)?;
    let path = at.config.key_file();
    let (mut file, kid, is_reused) = block_on(async {
        let mut file = KeyFile::read_to_change(&path)?;
        let stored = at.store.list_keys().await?;
        forget_unfinished(&mut file, &stored);
        let used: Vec<u8> = stored.iter().map(|key| key.kid).collect();
        let kid = file.add_or_reuse(&used, &at.store.free_key_numbers().await?)?;
        Ok((file, kid, used.contains(&kid)))
    })?;
    at.change((&event::ROOT_KEY_ADDED, Object::RootKey(kid)), async || {
        let added = file.keys().iter().find(|(k, _)| *k == kid);
        let fingerprint = added.and_then(|(_, key)| key.fingerprint());
        file.save()?;
        make_known(&at.store, kid, fingerprint, is_reused).await
    })?;
    let file = path.display();
    let next = if at.store.is_shared() {
        format!(
            "Copy that file to all other nodes, wait until `remint key list` names none that lacks it, \
             then run `remint key activate {kid}`."
        )
    } else {
        format!("Back that file up, then run `remint key activate {kid}`.")
    };
    common.output.done(&format!("the root key {kid} is in {file}; it does not seal yet. {next}"))
}

/// Removes a key that was to have the number of a retired one, but never became known under it.
fn forget_unfinished(file: &mut KeyFile, stored: &[StoredRootKey]) {
    for known in stored.iter().filter(|known| known.retired_at.is_some()) {
        let own = file.keys().iter().find(|(kid, _)| *kid == known.kid);
        let fingerprint = own.and_then(|(_, key)| key.fingerprint());
        if fingerprint.is_some_and(|fingerprint| fingerprint != known.fingerprint) {
            file.remove(known.kid);
        }
    }
}

async fn make_known(
    store: &Store,
    kid: u8,
    fingerprint: Option<Fingerprint>,
    is_reused: bool,
) -> anyhow::Result<()> {
    let Some(fingerprint) = fingerprint else { bail!("the key could not be derived from") };
    let made = if is_reused {
        store.reuse_key_number(kid, fingerprint, now()).await?
    } else {
        store.add_key(kid, fingerprint, now()).await?
    };
    // The server may have seen the file and been faster with the very same key.
    if made == Outcome::Conflict {
        let known = store.list_keys().await?;
        if !known.iter().any(|k| k.kid == kid && k.fingerprint == fingerprint) {
            bail!(
                "somebody else added a root key {kid} at the same time: remove it from the key file, and try again"
            );
        }
    }
    Ok(())
}

impl Change {
    fn activate(&self) -> anyhow::Result<()> {
        let at = Installation::open(&self.location)?;
        let kid = self.kid;
        block_on(async {
            let lacking = lacking(&running(&at.store).await?, kid);
            if !lacking.is_empty() && !self.force {
                bail!(
                    "these nodes lack the root key {kid}, and would answer 503 to what it seals: {}. Copy \
                     the key file to them first",
                    lacking.join(", ")
                );
            }
            if !at.keys.knows(kid) {
                bail!("there is no usable root key {kid} in {}", at.config.key_file().display());
            }
            Ok(())
        })?;
        at.change((&event::ROOT_KEY_ACTIVATED, Object::RootKey(kid)), async || {
            match at.store.activate_key(kid, now()).await? {
                Outcome::Done => Ok(()),
                Outcome::Conflict => bail!("the root key {kid} is retired"),
            }
        })?;
        self.output.done(&format!(
            "the root key {kid} seals from now on; sessions move to it as they are refreshed"
        ))
    }

    fn retire(&self) -> anyhow::Result<()> {
        let at = Installation::open(&self.location)?;
        let kid = self.kid;
        let mut file = block_on(async {
            let keys = at.store.list_keys().await?;
            let Some(key) = keys.iter().find(|key| key.kid == kid) else {
                bail!("there is no root key {kid}: `remint key list` shows them")
            };
            if root_key::sealing(&keys) == Some(kid) {
                bail!("the root key {kid} seals: activate another one first");
            }
            let needs = needs(&at, key, &keys).await?;
            if !self.force && !needs.is_none() {
                bail!("{}. With --force they are lost", in_words(kid, &needs));
            }
            // What is wrong with the file is found before anything is given up.
            Ok(KeyFile::read_to_change(&at.config.key_file())?)
        })?;
        at.change((&event::ROOT_KEY_RETIRED, Object::RootKey(kid)), async || {
            if self.force {
                at.store.delete_signing_keys_under(kid).await?;
                at.store.delete_secrets_under(kid).await?;
            }
            if at.store.retire_key(kid, now()).await? == Outcome::Conflict {
                bail!("the root key {kid} is retired already, or seals again");
            }
            file.remove(kid);
            Ok(file.save()?)
        })?;
        self.output.done(&format!(
            "the root key {kid} is retired and gone from {}; remove it from the other nodes' files",
            at.config.key_file().display()
        ))
    }
}

/// Counts what would be lost with a key.
async fn needs(
    at: &Installation,
    key: &StoredRootKey,
    keys: &[StoredRootKey],
) -> anyhow::Result<Needs> {
    let (kid, store, now) = (key.kid, &at.store, now());
    let mut needs = Needs::default();
    let mut longest = at.config.policy().access_token_lifetime;
    let mut pages = store.client_pages();
    while let Some(clients) = pages.next().await? {
        for client in &clients {
            longest = longest.max(client.overrides.access_token_lifetime.unwrap_or_default());
            needs.count_client(kid, client, now);
        }
    }
    let mut pages = store.family_pages(Filter::All);
    while let Some(families) = pages.next().await? {
        for loaded in &families {
            needs.count_family(kid, &loaded.family, now);
        }
    }
    needs.count_access_tokens(key, keys, longest, now);
    let signing_keys = store.list_signing_keys().await?;
    needs.signing_keys = signing_keys.iter().filter(|signing| signing.root_kid == kid).count();
    let salt = store.find_secret(SUBJECT_SALT).await?;
    needs.subject_salt = salt.is_some_and(|salt| salt.root_kid == kid);
    Ok(needs)
}

fn in_words(kid: u8, needs: &Needs) -> String {
    let mut all = Vec::new();
    if needs.families > 0 {
        all.push(format!(
            "{} living sessions are sealed under it, which move to the new key as they are refreshed",
            needs.families
        ));
    }
    if !needs.clients.is_empty() {
        all.push(format!(
            "the secrets of these clients are hashed under it, until `remint client rotate-secret`: {}",
            needs.clients.join(", ")
        ));
    }
    if let Some(until) = needs.access_tokens_until {
        all.push(format!("access tokens that it sealed may live until {}", time(until)));
    }
    if needs.signing_keys > 0 {
        all.push(format!(
            "{} signing keys are sealed under it, which a running server moves to the new key within a minute",
            needs.signing_keys
        ));
    }
    if needs.subject_salt {
        all.push(
            "the salt of pairwise subjects is sealed under it, which a running server moves to the new key \
             within a minute; without it such clients take everybody for somebody new"
                .to_owned(),
        );
    }
    format!("the root key {kid} is still needed: {}", all.join("; "))
}
