//! `remint store copy`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use remint_protocol::audit::Object;
use remint_protocol::event;
use remint_server::config::{Config, Sources};
use remint_server::keys::KeyFile;
use remint_store::{Copied, Store};
use serde::Serialize;

use super::place::{Place, open_source, open_target};
use super::progress::Shown;
use crate::audit;
use crate::install::{CONFIG_FILE, Location, block_on};
use crate::output::{Output, note};

/// Copy an installation to another store.
///
/// Clients, users, sessions and all else that the store remembers go over to a store that is empty, or
/// that was copied to before. The key file stays what it is, and living refresh tokens keep working.
/// Copy a first time while the servers run, stop them, copy again, which brings what changed meanwhile,
/// and start servers on the target. The copy may be interrupted at any point and be run again.
///
/// A store is `sqlite:PATH`, the URL of a PostgreSQL database, or `config` for that of the
/// configuration. A URL is used with the other settings of `[store]`, but without `password_file`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  export REMINT_STORE_URL=postgres://remint@db.example.com/remint\n  \
                  remint migrate\n  \
                  remint store copy --from sqlite:/var/lib/remint/remint.db --to config\n\n\
                  A password on the command line can be read by everyone on this machine: use the \
                  configuration, or a file."
)]
pub(crate) struct Copy {
    /// Store to copy.
    #[arg(long, value_name = "STORE", default_value = "config")]
    from: OsString,
    /// Store to copy it to. A file that does not exist is made.
    #[arg(long, value_name = "STORE")]
    to: OsString,
    /// A file with the password for the URL of `--from`.
    #[arg(long, value_name = "FILE")]
    from_password_file: Option<PathBuf>,
    /// A file with the password for the URL of `--to`.
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Printed {
    table: &'static str,
    source: u64,
    target: u64,
    written: u64,
    removed: u64,
}

impl From<&Copied> for Printed {
    fn from(copied: &Copied) -> Self {
        let Copied { table, source, target, written, removed } = *copied;
        Self { table, source, target, written, removed }
    }
}

impl Copy {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let from = Place::parse("from", &self.from, self.from_password_file.as_deref())?;
        let to = Place::parse("to", &self.to, self.to_password_file.as_deref())?;
        let config = self.config(&[&from, &to])?;
        if from.is_same(&to, &config) {
            bail!("source and target are the same store");
        }
        let (source, target) = block_on(async {
            let source = open_source(&from, &config).await.context("the source")?;
            if to == Place::Config {
                check_keys(&source, &config.key_file()).await?;
            }
            Ok((source, open_target(&to, &config).await.context("the target")?))
        })?;
        let epoch = audit::change(&config, (&event::STORE_COPIED, Object::Store), || {
            let (copied, epoch) = block_on(async {
                let mut shown = Shown::new();
                let copied = source.copy_to(&target, |now| shown.tell(now)).await?;
                let epoch = target.epoch().await?;
                source.close().await;
                target.close().await;
                Ok((copied, epoch))
            })?;
            let printed: Vec<Printed> = copied.iter().map(Into::into).collect();
            self.output.many(&printed, &["table", "source", "target", "written", "removed"])?;
            check(&copied)?;
            Ok(epoch)
        })?;
        if !self.output.json {
            note(&format!(
                "The epoch of the target is {epoch}. What changes at the source from now on is not at the \
                 target: stop the servers of the source, if any run, and copy again."
            ));
        }
        Ok(())
    }

    /// The configuration: needed where a store is to be looked up in it, else taken where there is one.
    fn config(&self, places: &[&Place]) -> anyhow::Result<Config> {
        let Location { config, data_dir } = &self.location;
        let is_there = config.is_some() || data_dir.is_some() || Path::new(CONFIG_FILE).exists();
        if is_there || places.contains(&&Place::Config) {
            return self.location.config();
        }
        let sources = Sources::without_file(Path::new(".")).with_environment(std::env::vars_os())?;
        Ok(Config::resolve(&sources)?)
    }
}

/// Servers of the target could read no token without the source's keys.
async fn check_keys(source: &Store, file: &Path) -> anyhow::Result<()> {
    let read = KeyFile::read(file)?;
    for known in source.list_keys().await?.iter().filter(|key| key.retired_at.is_none()) {
        let here = read.keys().iter().find(|(kid, _)| *kid == known.kid);
        if here.and_then(|(_, key)| key.fingerprint()) != Some(known.fingerprint) {
            bail!(
                "the key file {} does not have the root key {} of the source: put the source's key file \
                 in its place",
                file.display(),
                known.kid
            );
        }
    }
    Ok(())
}

fn check(copied: &[Copied]) -> anyhow::Result<()> {
    let lacking: Vec<_> = copied
        .iter()
        .filter(|of| !of.is_complete())
        .map(|of| format!("{} of {} {}", of.source - of.target, of.source, of.table))
        .collect();
    if !lacking.is_empty() {
        bail!("the target lacks {}: copy again", lacking.join(", "));
    }
    Ok(())
}
