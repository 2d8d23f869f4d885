//! `remint migrate`.

use clap::Args;
use remint_protocol::audit::{self as trail, Actor, Object};
use remint_protocol::{event, tell};
use remint_server::config::Config;
use remint_store::postgres::Settings;
use remint_store::{MigrateError, Migration, OpenError, Store};

use crate::audit;
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
            return self.file(&config);
        };
        let missing = block_on(async { Ok(Store::missing_migrations(settings.clone()).await?) })?;
        let (steps, verb) = if self.dry_run || missing.is_empty() {
            (missing, "is missing")
        } else {
            let changed = (&event::SCHEMA_MIGRATED, Object::Store);
            let migrate = async { Ok(Store::migrate(settings).await?) };
            (audit::change(&config, changed, || block_on(migrate))?, "was taken")
        };
        if steps.is_empty() {
            return self.output.done("the schema is up to date");
        }
        let lines = steps.iter().map(|step| format!("step {} {verb}: {}", step.version, step.name));
        self.output.done(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl Migrate {
    fn file(&self, config: &Config) -> anyhow::Result<()> {
        let database = database(config)?;
        match Store::open_to_read(&database) {
            Err(OpenError::Migrate { reason: MigrateError::TooOld { found, known }, .. }) => {
                if self.dry_run {
                    let missing = format!("the schema has version {found}, and {known} is needed");
                    return self.output.done(&missing);
                }
                audit::change(config, (&event::SCHEMA_MIGRATED, Object::Store), || {
                    let store = Store::open(&database)?;
                    block_on(async {
                        store.close().await;
                        Ok(())
                    })
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

/// Brings the schema up to date at the start of a server, and logs what that took.
pub(crate) async fn at_start(settings: Settings) -> anyhow::Result<()> {
    for step in Store::migrate(settings).await? {
        let Migration { version, name, .. } = step;
        tell!(
            SCHEMA_MIGRATED,
            actor = %Actor::Server,
            on = %Object::Store,
            outcome = trail::DONE,
            source = trail::LOCAL,
            version,
            name,
            "schema migrated",
        );
    }
    Ok(())
}
