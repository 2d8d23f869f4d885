//! `remint key rotate`, and what `key list` says of the keys that sign JWTs.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use remint_protocol::audit::Object;
use remint_protocol::event;
use remint_protocol::signing_key::SigningAlg;
use remint_protocol::time::Timestamp;
use remint_server::keys::signing::{self, Plan};
use remint_store::{Outcome, StoredSigningKey};
use serde::Serialize;

use crate::audit;
use crate::install::{Installation, Location, block_on, let_servers_see, now};
use crate::output::{Output, time};

/// By then every node has heard of a key that is to sign at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Make new keys that sign ID tokens and other JWTs.
///
/// A new key is published at once, and signs after `signing.lead_time`, when clients know it. The one
/// before it stays published for 30 days after that, or as long as its longest token lives. Servers do
/// the same by themselves, by `signing.rotate_every`.
#[derive(Args)]
#[command(after_help = "Examples:\n  remint key rotate\n  \
                        remint key rotate --alg RS256 --now --withdraw   # a key has leaked")]
pub(crate) struct Rotate {
    /// Only for this algorithm.
    #[arg(long, value_enum)]
    alg: Option<Alg>,
    /// Sign with it at once. Clients that keep the key set refuse tokens until they fetch it again.
    #[arg(long)]
    now: bool,
    /// Stop publishing the keys before it, so that what they signed is refused.
    #[arg(long, requires = "now")]
    withdraw: bool,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Alg {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "PS256")]
    Ps256,
    #[value(name = "EdDSA")]
    EdDsa,
}

impl From<Alg> for SigningAlg {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Rs256 => Self::Rs256,
            Alg::Es256 => Self::Es256,
            Alg::Ps256 => Self::Ps256,
            Alg::EdDsa => Self::EdDsa,
        }
    }
}

impl Rotate {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let at = Installation::open(&self.location)?;
        let made = self.rotate(&at)?;
        if self.withdraw {
            let_servers_see();
        }
        self.output.done(&made.join("\n"))
    }

    fn rotate(&self, at: &Installation) -> anyhow::Result<Vec<String>> {
        let now = now();
        let (stored, plan) = block_on(async {
            signing::make_missing(&at.store, &at.keys, now).await?;
            Ok((at.store.list_signing_keys().await?, self.plan(at, now).await?))
        })?;
        let only = self.alg.map(SigningAlg::from);
        let newest: Vec<_> =
            newest(&stored).filter(|key| only.is_none_or(|o| o == key.alg)).collect();
        if let Some(waits) = newest.iter().find(|key| key.signs_from > now && !self.now) {
            bail!(
                "the next {} key is published already and signs from {}: with --now another one signs \
                 at once",
                waits.alg,
                time(waits.signs_from)
            );
        }
        let mut made = Vec::new();
        for newest in newest {
            let alg = newest.alg;
            let change = |event, make: &dyn Fn() -> anyhow::Result<()>| {
                audit::change(&at.config, (event, Object::SigningKeys(alg)), make)
            };
            change(&event::SIGNING_KEYS_ROTATED, &|| {
                let rotated = signing::rotate(&at.store, &at.keys, newest, plan, now);
                match block_on(async { Ok(rotated.await?) })? {
                    Outcome::Done => Ok(()),
                    Outcome::Conflict => bail!(
                        "somebody else made an {alg} key at the same time: see `remint key list`"
                    ),
                }
            })?;
            if self.withdraw {
                change(&event::SIGNING_KEYS_WITHDRAWN, &|| {
                    block_on(withdraw(at, &stored, alg, now))
                })?;
            }
            made.push(format!(
                "a new {alg} key is published; it signs from {}",
                time(plan.signs_from)
            ));
        }
        Ok(made)
    }

    async fn plan(&self, at: &Installation, now: Timestamp) -> anyhow::Result<Plan> {
        if self.withdraw {
            return Ok(Plan { signs_from: now, others_until: now });
        }
        let wait = if self.now { AT_ONCE } else { at.config.signing.lead_time };
        let longest = signing::longest_token(&at.store, &at.config).await?;
        let signs_from = now.after(wait);
        Ok(Plan { signs_from, others_until: signs_from.after(signing::retention(longest)) })
    }
}

async fn withdraw(
    at: &Installation,
    stored: &[StoredSigningKey],
    alg: SigningAlg,
    now: Timestamp,
) -> anyhow::Result<()> {
    let a_moment_later = now.after(Duration::from_millis(1));
    for key in stored.iter().filter(|key| key.alg == alg) {
        at.store.delete_signing_key(&key.kid, a_moment_later).await?;
    }
    Ok(())
}

/// The newest key of each algorithm.
fn newest(stored: &[StoredSigningKey]) -> impl Iterator<Item = &StoredSigningKey> {
    SigningAlg::ALL.into_iter().filter_map(move |alg| {
        stored.iter().filter(|key| key.alg == alg).max_by_key(|key| key.generation)
    })
}

#[derive(Serialize)]
pub(super) struct Printed {
    kind: &'static str,
    kid: String,
    alg: &'static str,
    state: &'static str,
    here: &'static str,
    sealed_under: u8,
    added: String,
    activated: String,
    published_until: Option<String>,
}

/// Lists the signing keys, the default algorithm first.
pub(super) async fn list(at: &Installation) -> anyhow::Result<Vec<Printed>> {
    let now = now();
    let mut stored = at.store.list_signing_keys().await?;
    stored.sort_by_key(|key| (key.alg, key.generation));
    Ok(stored.iter().map(|key| print(key, &stored, at, now)).collect())
}

fn print(
    key: &StoredSigningKey,
    all: &[StoredSigningKey],
    at: &Installation,
    now: Timestamp,
) -> Printed {
    let signs = |k: &&StoredSigningKey| k.alg == key.alg && k.signs_from <= now;
    let signing = all.iter().filter(signs).max_by_key(|k| k.generation);
    let state = match signing.map(|signing| key.generation.cmp(&signing.generation)) {
        Some(std::cmp::Ordering::Less) => "replaced",
        Some(std::cmp::Ordering::Equal) => "signing",
        Some(std::cmp::Ordering::Greater) | None => "published",
    };
    Printed {
        kind: "signing",
        kid: key.kid.clone(),
        alg: key.alg.as_str(),
        state,
        here: if at.keys.knows(key.root_kid) { "yes" } else { "no" },
        sealed_under: key.root_kid,
        added: time(key.created_at),
        activated: time(key.signs_from),
        published_until: key.published_until.map(time),
    }
}
