//! `remint store status`.

use remint_protocol::time::Timestamp;
use remint_server::config::Config;
use remint_store::Store;
use serde::Serialize;

use crate::install::{Common, block_on, now, open_store_to_read, postgres};

#[derive(Default, Serialize)]
struct Printed {
    engine: &'static str,
    /// The file, or the URL without its password.
    at: String,
    schema: i64,
    /// The steps that the schema lacks; where it lacks any, the rest cannot be told.
    missing: Vec<String>,
    epoch: Option<u16>,
    revision: Option<i64>,
    /// Whether the epoch rises by itself when the database is promoted or restored.
    timeline_watched: Option<bool>,
    timeline: Option<i64>,
    /// By how much the database's clock is ahead of this machine's.
    clock_ahead_ms: Option<i64>,
}

pub(super) fn show(common: &Common) -> anyhow::Result<()> {
    let config = common.location.config()?;
    let printed = block_on(async {
        let mut printed = place(&config).await?;
        if printed.missing.is_empty() {
            look(&open_store_to_read(&config).await?, &mut printed).await?;
        }
        Ok(printed)
    })?;
    common.output.one(&printed)
}

async fn place(config: &Config) -> anyhow::Result<Printed> {
    let schema = Store::newest_schema();
    let Some(settings) = postgres(config)? else {
        let at = config.database().display().to_string();
        return Ok(Printed { engine: "sqlite", at, schema, ..Printed::default() });
    };
    let at = settings.url.to_string();
    let missing = Store::missing_migrations(settings).await?;
    let schema = missing.first().map_or(schema, |step| step.version - 1);
    let missing = missing.iter().map(|step| format!("{}_{}", step.version, step.name)).collect();
    Ok(Printed { engine: "postgresql", at, schema, missing, ..Printed::default() })
}

async fn look(store: &Store, printed: &mut Printed) -> anyhow::Result<()> {
    printed.epoch = Some(store.epoch().await?);
    printed.revision = Some(store.revision().await?);
    if store.is_shared() {
        printed.timeline = store.timeline();
        printed.timeline_watched = Some(printed.timeline.is_some());
    }
    let asked = now();
    printed.clock_ahead_ms = store.time().await?.map(|there| ahead(there, asked, now()));
    Ok(())
}

/// The answer is from some moment between the question and its arrival.
const fn ahead(there: Timestamp, asked: Timestamp, answered: Timestamp) -> i64 {
    there.as_millis() - i64::midpoint(asked.as_millis(), answered.as_millis())
}
