//! `remint migrate`.

use std::path::Path;

use clap::Args;
use remint_store::postgres::Settings;
use remint_store::{MigrateError, Migration, OpenError, Store};

use crate::install::{Location, block_on, database, postgres};
use crate::output::Output;

/// Bring the schema of the database up to date.
///
/// For PostgreSQL, once for all nodes: `serve` refuses a schema of another version. Nodes of the
/// version before keep running meanwhile. A database file is brought up to date by whatever opens it
/// to write, such as `serve`; commands that only look change nothing.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint migrate --dry-run\n  remint migrate --config /etc/remint/remint.toml"
)]
pub(crate) struct Migrate {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

impl Migrate {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let config = self.location.config()?;
        let Some(settings) = postgres(&config)? else {
            return self.file(&database(&config)?);
        };
        let (steps, verb) = if self.dry_run {
            (block_on(async { Ok(Store::missing_migrations(settings).await?) })?, "is missing")
        } else {
            (block_on(migrate(settings))?, "was taken")
        };
        if steps.is_empty() {
            return self.output.done("the schema is up to date");
        }
        let lines = steps.iter().map(|step| format!("step {} {verb}: {}", step.version, step.name));
        self.output.done(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl Migrate {
    fn file(&self, database: &Path) -> anyhow::Result<()> {
        match Store::open_to_read(database) {
            Err(OpenError::Migrate { reason: MigrateError::TooOld { found, known }, .. }) => {
                if self.dry_run {
                    let missing = format!("the schema has version {found}, and {known} is needed");
                    return self.output.done(&missing);
                }
                let store = Store::open(database)?;
                block_on(async {
                    store.close().await;
                    Ok(())
                })?;
                self.output.done(&format!("the schema was brought from version {found} to {known}"))
            }
            opened => {
                opened?;
                self.output.done(
                    "the database is a file, which is brought up to date by whatever opens it to write: there \
                     is nothing to do",
                )
            }
        }
    }
}

/// Brings the schema up to date, and logs what that took.
pub(crate) async fn migrate(settings: Settings) -> anyhow::Result<Vec<&'static Migration>> {
    let steps = Store::migrate(settings).await?;
    for step in &steps {
        tracing::info!(version = step.version, name = step.name, "schema migrated");
    }
    Ok(steps)
}
