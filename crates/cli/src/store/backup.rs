//! `remint store backup`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use remint_protocol::audit::Object;
use remint_protocol::event;
use remint_server::config::StoreUrl;
use remint_server::files::whole_file::Draft;
use remint_store::Store;
use serde::Serialize;

use super::progress::Shown;
use crate::audit;
use crate::install::{Location, database};
use crate::output::Output;

/// Copy the database file while the server runs.
///
/// The copy is of one moment, has mode 0600, is checked (`PRAGMA integrity_check`), and is there only once it
/// is whole and on disk. Nothing is overwritten. Commits go on meanwhile; the server's write-ahead log
/// grows until the copy is done.
///
/// The key file is not in it: back it up too, and keep the two apart. A PostgreSQL database is backed up by
/// its own tools, such as `pg_dump`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  remint store backup --data-dir /var/lib/remint /backup/remint-$(date +%F).db"
)]
pub(crate) struct Backup {
    /// File to write the copy to. It must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Printed {
    file: String,
    bytes: u64,
    schema: i64,
}

impl Backup {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let config = self.location.config()?;
        if let Some(url) = &config.store.url {
            bail!("{}", by_its_own_tools(url, &self.file.display().to_string()));
        }
        let from = database(&config)?;
        let changed = (&event::STORE_BACKED_UP, Object::Store);
        let made = audit::change(&config, changed, || self.copy(&from))?;
        if self.output.json {
            return self.output.one(&made);
        }
        self.output.done(&format!(
            "{} has the database as it was when this began, {} bytes, checked. The key file {} is not in it: \
             keep a copy of that elsewhere.",
            made.file,
            made.bytes,
            config.key_file().display()
        ))
    }

    fn copy(&self, database: &Path) -> anyhow::Result<Printed> {
        let draft = Draft::create(&self.file, 0o600)?;
        let mut shown = Shown::new();
        let copied = Store::back_up(database, draft.path(), |done, whole| {
            shown.tell_pages(done, whole);
        })?;
        drop(shown);
        draft.settle()?;
        let bytes = std::fs::metadata(&self.file)?.len();
        Ok(Printed { file: self.file.display().to_string(), bytes, schema: copied.schema })
    }
}

fn by_its_own_tools(url: &StoreUrl, file: &str) -> String {
    format!(
        "the store is a PostgreSQL database, which its own tools back up: run \
         `pg_dump --format=custom --file={file} \"{url}\"`, or let your cluster's base backups do it"
    )
}
